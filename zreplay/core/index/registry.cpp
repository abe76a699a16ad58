#include "index/registry.hpp"

#include <stdexcept>
#include <string>

namespace zreplay {

namespace {

constexpr std::span<const IndexKind> kinds{};

}  // namespace

std::span<const IndexKind> index_kinds() { return kinds; }

const IndexKind& index_kind(std::string_view name) {
    for (const IndexKind& kind : kinds)
        if (kind.name == name) return kind;
    std::string known;
    for (const IndexKind& kind : kinds) known += (known.empty() ? "" : ", ") + std::string(kind.name);
    throw std::invalid_argument("no swap index '" + std::string(name) + "'; there are " + known);
}

}  // namespace zreplay
