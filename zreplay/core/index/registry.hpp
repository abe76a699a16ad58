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
    std::unique_ptr<SwapIndex> (*make_small)(IndexOptions options);  // 4-way nodes where a node has a fan-out: every edge comes up in a test
};

std::span<const IndexKind> index_kinds();

// Throws std::invalid_argument naming the kinds there are.
const IndexKind& index_kind(std::string_view name);

}  // namespace zreplay
