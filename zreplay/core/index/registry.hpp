// The swap indexes there are. To add one: write its file, add its line to registry.cpp, add its row to docs/models.md. Or plug it
// in (plugin/).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "index/index.hpp"

namespace zreplay {

struct IndexKind {
    std::string name;
    std::string summary;  // one line, shown by the command line
    std::function<std::unique_ptr<SwapIndex>(IndexOptions)> make;
    // For tests: 4-way nodes where a node has a fan-out, ranges and clusters of few slots, so that every edge comes up.
    std::function<std::unique_ptr<SwapIndex>(IndexOptions)> make_small;

    // How many positions in a page a slot can say beside the struct page's address: of 64 bits, on a multiple of 64, or of 32
    // bits, on a multiple of 4. 0: its entries hold handles, and the question does not come up.
    uint32_t positions_64, positions_32;
    bool takes_values;  // SlotWords::value
    bool is_bound;      // no kernel could have it; it says what none gets below
};

// Those that zreplay comes with.
const std::vector<IndexKind>& index_kinds();

// Of these and those plugged in. Throws std::invalid_argument naming the kinds there are.
const IndexKind& index_kind(std::string_view name);

// Throws std::invalid_argument for a name that is taken.
void add_index_kind(IndexKind kind);

}  // namespace zreplay
