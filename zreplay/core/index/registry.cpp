#include "index/registry.hpp"

#include <deque>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "index/array.hpp"
#include "index/radix_lowbit.hpp"
#include "index/radix_tag.hpp"
#include "index/rbtree.hpp"
#include "index/swap_table.hpp"
#include "index/table.hpp"
#include "index/xarray.hpp"

namespace zreplay {

namespace {

template <class Index>
std::unique_ptr<SwapIndex> make(IndexOptions options) {
    if constexpr (std::is_constructible_v<Index, IndexOptions>) return std::make_unique<Index>(options);
    else return std::make_unique<Index>();
}

// How many tags there are to read is settled when the index is made.
template <int Bits>
std::unique_ptr<SwapIndex> make_radix_tag(IndexOptions options) {
    if (options.words == SlotWords::wide) return std::make_unique<RadixTag<Bits, SlotWords::wide>>(options);
    return std::make_unique<RadixTag<Bits, SlotWords::narrow>>(options);
}

// Of pointer bits 1 to 5, radix-lowbit has all, or bit 1 alone in 32 bits; an xarray has tags 0, 1 and 3, times bits 2 to 5.
const std::vector<IndexKind>& kinds() {
    static const std::vector<IndexKind> kinds{
        {.name = "rbtree", .summary = "red-black tree of zswap entries, as zswap 3.11 to 6.8",
         .make = make_rbtree, .make_small = make_small_rbtree,
         .positions_64 = 0, .positions_32 = 0, .takes_values = false, .is_bound = false},
        {.name = "radix-tag", .summary = "radix tree of descriptors, the position in tree tags",
         .make = make_radix_tag<6>, .make_small = make_radix_tag<2>,
         .positions_64 = 8, .positions_32 = 8, .takes_values = false, .is_bound = false},
        {.name = "radix-lowbit", .summary = "radix tree of descriptors, the position in the pointer's low bits",
         .make = make<RadixLowbit<6>>, .make_small = make<RadixLowbit<2>>,
         .positions_64 = 32, .positions_32 = 2, .takes_values = false, .is_bound = false},
        {.name = "xarray", .summary = "xarray of 6.1, one per swap type",
         .make = make<XArrayPerType<6>>, .make_small = make<XArrayPerType<2>>,
         .positions_64 = 48, .positions_32 = 3, .takes_values = true, .is_bound = false},
        {.name = "xarray-64m", .summary = "xarray for each 64 MiB of a swap area, as zswap from 6.10 on",
         .make = make<XArrayPerRange<6, 14, 32>>, .make_small = make<XArrayPerRange<2, 4, 22>>,
         .positions_64 = 48, .positions_32 = 3, .takes_values = true, .is_bound = false},
        {.name = "swap-table", .summary = "a page of 512 words for each cluster in use, as 6.18's swap cache",
         .make = make<SwapTable<9>>, .make_small = make<SwapTable<2>>,
         .positions_64 = 32, .positions_32 = 2, .takes_values = true, .is_bound = false},
        {.name = "table", .summary = "one 16-byte entry for every slot, as zram",
         .make = make<Table<8>>, .make_small = make<Table<2>>,
         .positions_64 = 0, .positions_32 = 0, .takes_values = false, .is_bound = false},
        {.name = "array", .summary = "one word for every entry: no kernel's, the bound no index gets below",
         .make = make<Array<9>>, .make_small = make<Array<2>>,
         .positions_64 = 32, .positions_32 = 2, .takes_values = true, .is_bound = true},
    };
    return kinds;
}


std::deque<IndexKind>& plugged_in() {
    static std::deque<IndexKind> kinds;
    return kinds;
}

const IndexKind* find(std::string_view name) {
    for (const IndexKind& kind : kinds())
        if (kind.name == name) return &kind;
    for (const IndexKind& kind : plugged_in())
        if (kind.name == name) return &kind;
    return nullptr;
}

}  // namespace

const std::vector<IndexKind>& index_kinds() { return kinds(); }

const IndexKind& index_kind(std::string_view name) {
    if (const IndexKind* kind = find(name)) return *kind;
    std::string known;
    for (const IndexKind& kind : kinds()) known += (known.empty() ? "" : ", ") + kind.name;
    for (const IndexKind& kind : plugged_in()) known += ", " + kind.name;
    throw std::invalid_argument("no swap index '" + std::string(name) + "'; there are " + known);
}

void add_index_kind(IndexKind kind) {
    if (find(kind.name)) throw std::invalid_argument("swap index '" + kind.name + "', a name that is taken");
    plugged_in().push_back(std::move(kind));
}

}  // namespace zreplay
