// The swap indexes there are. To add one: write its file, add its line to registry.cpp, add its row to docs/models.md.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "index/index.hpp"

namespace zreplay {

struct IndexKind {
    std::string_view name;
    std::string_view summary;  // one line, shown by the command line
    std::unique_ptr<SwapIndex> (*make)(IndexOptions options);
    // For tests: 4-way nodes where a node has a fan-out, ranges and clusters of few slots, so that every edge comes up.
    std::unique_ptr<SwapIndex> (*make_small)(IndexOptions options);

    // How many positions in a page a slot can say beside the struct page's address: of 64 bits, on a multiple of 64, or of 32
    // bits, on a multiple of 4. 0: its entries hold handles, and the question does not come up.
    uint32_t positions_64, positions_32;
    bool takes_values;  // SlotWords::value
    bool is_bound;      // no kernel could have it; it says what none gets below
};

std::span<const IndexKind> index_kinds();

// Throws std::invalid_argument naming the kinds there are.
const IndexKind& index_kind(std::string_view name);

}  // namespace zreplay
