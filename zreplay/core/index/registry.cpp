#include "index/registry.hpp"

#include <stdexcept>
#include <string>
#include <type_traits>

#include "index/radix_lowbit.hpp"
#include "index/radix_tag.hpp"
#include "index/rbtree.hpp"
#include "index/table.hpp"

namespace zreplay {

namespace {

template <class Index>
std::unique_ptr<SwapIndex> make(IndexOptions options) {
    if constexpr (std::is_constructible_v<Index, IndexOptions>) return std::make_unique<Index>(options);
    else return std::make_unique<Index>();
}

constexpr IndexKind kinds[] = {
    {"rbtree", "red-black tree of zswap entries, as zswap 3.11 to 6.8", make<Rbtree>, make<Rbtree>},
    {"radix-tag", "radix tree of descriptors, the position in tree tags", make<RadixTag<6>>, make<RadixTag<2>>},
    {"radix-lowbit", "radix tree of descriptors, the position in the pointer's low bits", make<RadixLowbit<6>>,
     make<RadixLowbit<2>>},
    {"table", "one 16-byte entry for every slot, as zram", make<Table<8>>, make<Table<2>>},
};

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
