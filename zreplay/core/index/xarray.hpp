// xarray and xarray-64m: the xarray of 6.1, one per swap type or one per 2^14 slots of it, and the position in what an entry's
// low bits may say.
//
// "zswap: replace RB tree with xarray" (6.10) put zswap's entries in one, after "mm/zswap: split zswap rb-tree" (6.9) had
// cut a swap area into ranges of 64 MiB with a tree and a lock each. The key stays the absolute offset, so the tree of a
// high range carries a chain of single-child nodes above its own levels.
//
// One walk does what 3.12 needs two for: a store makes the path, replaces what is there and gives it back. A load is a
// walk, an erase a walk that climbs as far as it frees.
//
// A slot whose low two bits are 10 is a node, which leaves three tags to a pointer, and the bits up to its alignment:
//
//      location            | descriptor                              | position p in 1..2 (narrow) or 0..5 (wide) |
//      slot                | descriptor | p / 3: bit 2, or bits 2..5 | tag 00, 01 or 11 for p % 3 = 0, 1, 2        |
//      same-filled         | 0 … 0 1        the value entry 0, in all modes
//      value               | payload     1  as it is
//
// So positions 0 to 3 use bits 0..2 where locations are narrow, and 0 to 47 bits 0..5 where they are wide. A pointer tagged 1
// or 3 cannot be told from a value entry: an index holds the one or the other, and the value 0 names no descriptor.
#pragma once

#include "index/index.hpp"
#include "index/radix_tree.hpp"
#include "index/xarray_node.hpp"

namespace zreplay {

// Location words to slot words and back.
class XaWords {
  public:
    explicit XaWords(SlotWords words) : words_(words) {}

    uint64_t encode(Location location) const {
        const uint64_t word = location.word();
        if (word == Location::same_filled_bit) return value_of_same_filled;
        switch (words_) {
            case SlotWords::narrow: return (word & ~narrow_bits) | tagged(location.position());
            case SlotWords::wide: return (word & ~Location::wide_low_bits) | tagged(location.wide_position());
            default: return word;
        }
    }

    // 0, an empty slot, is no location.
    Location decode(uint64_t slot) const {
        if (slot == value_of_same_filled) return Location::same_filled();
        switch (words_) {
            case SlotWords::narrow: return Location::from_word((slot & ~narrow_bits) | position(slot & narrow_bits) << 1);
            case SlotWords::wide:
                return Location::from_word((slot & ~Location::wide_low_bits) |
                                           Location::wide_bits(position(slot & Location::wide_low_bits)));
            default: return Location::from_word(slot);
        }
    }

    // 0, 1, 2, 3, 4, … ↔ 0'00, 0'01, 0'11, 1'00, 1'01, …
    static constexpr uint64_t tagged(uint32_t position) {
        uint32_t third = position % 3;
        return position / 3 << 2 | (third + (third >> 1));
    }
    static constexpr uint32_t position(uint64_t low_bits) {
        uint32_t tag = low_bits & 0b11;
        return static_cast<uint32_t>(low_bits >> 2) * 3 + (tag - (tag >> 1));
    }

  private:
    static constexpr uint64_t narrow_bits = 0b111;
    static constexpr uint64_t value_of_same_filled = 1;  // xa_mk_value(0)
    SlotWords words_;
};
static_assert(XaWords::tagged(2) == 0b011 && XaWords::tagged(3) == 0b100 && XaWords::tagged(47) == 0b111111);
static_assert(XaWords::position(0b011) == 2 && XaWords::position(0b100) == 3 && XaWords::position(0b111111) == 47);

template <int Bits, class Roots>
class XArray final : public SwapIndex {
  public:
    explicit XArray(IndexOptions options = {}) : tree_(options.kernels_layout), words_(options.words) { node_count_ = &tree_.nodes(); }

    Location find(SwapEntry entry) override {
        const uint64_t* slot = tree_.slot(entry, *cost_);
        return slot ? words_.decode(*slot) : Location();
    }

    Location insert(SwapEntry entry, Location location) override {
        return words_.decode(tree_.put(entry, words_.encode(location), *cost_));
    }

    Location erase(SwapEntry entry) override { return words_.decode(tree_.erase(entry, *cost_)); }

    Location update(SwapEntry entry, Location moved) override { return insert(entry, moved); }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        tree_.for_each(type, [&](uint64_t offset, uint64_t word, uint32_t) { visit(offset, words_.decode(word)); });
    }

    int look_steps() const override { return tree_.look_steps; }
    void look(int step, uint32_t group, Ahead& ahead) override {
        tree_.look(step, group, ahead, [&](uint32_t i, uint64_t word, uint32_t) { ahead.found[i] = words_.decode(word); });
    }

    void check() const override {
        tree_.check();
        for (uint32_t type = 0; type < swap_types; ++type)
            tree_.for_each(type, [&](uint64_t offset, uint64_t word, uint32_t tags) {
                require_at(type, offset, !tags, "xarray sets no mark", tags, 0);
                require_at(type, offset, words_.encode(words_.decode(word)) == word, "xarray slot holds a location", word,
                           words_.encode(words_.decode(word)));
            });
    }

    uint64_t entries() const override { return tree_.entries(); }
    uint64_t nodes() const override { return tree_.nodes(); }
    uint64_t bytes() const override { return tree_.bytes(); }
    const void* root(uint32_t type) const override { return tree_.root(type); }

  private:
    RadixTree<XaNode<Bits>, Roots> tree_;
    XaWords words_;
};

template <int Bits>
using XArrayPerType = XArray<Bits, RootPerType<XaRoot<Bits>>>;

// Offsets below 2^near_bits find their range's head by its number, others by a hash map.
template <int Bits, int RangeBits, int near_bits>
using XArrayPerRange = XArray<Bits, RootPerRange<XaRoot<Bits>, RangeBits, near_bits>>;

}  // namespace zreplay
