// radix-tag: a radix tree of descriptors, and which of a descriptor's objects it is, in the tree's tags.
//
// Proposed on 27 September 2013 in the thread on migrating zbud pages: a radix tree may hold the same page twice, and
// a tag says which buddy is meant. Never merged. Slot = location without its position; tag 0 = the position's bit 0,
// tag 1 = its bit 1. So a zbud page's first buddy has no tag and its last has tag 0.
//
//      location  | descriptor | same-filled | p1 p0 | 0 |
//      slot      | descriptor | same-filled |  0  0 | 0 |      tag 1 ← p1, tag 0 ← p0
//
// 3.12 has a third tag, so wide locations of positions 0 to 7 can be kept too: tag 2 ← p2. A same-filled page has no tag,
// though its word's bit 3 would be p2 in a wide location.
//
// What it costs beside radix-lowbit: every load is two walks, a lookup and a tag get, which under RCU alone are not
// atomic together; a store of a tagged position is a third walk, and an erase clears tags upward. The tag words are
// in every node anyway, so there is no cost in memory. What it buys: no bit of the pointer is used.
//
// All tags are read in the one tag get, wherever the pool puts its objects.
#pragma once

#include "index/index.hpp"
#include "index/radix_node.hpp"
#include "index/radix_tree.hpp"

namespace zreplay {

template <int Bits, SlotWords words>
class RadixTag final : public SwapIndex {
  public:
    explicit RadixTag(IndexOptions options = {}) : tree_(options.kernels_layout) { node_count_ = &tree_.nodes(); }
    Location find(SwapEntry entry) override {
        const uint64_t* slot = tree_.slot(entry, *cost_);
        return slot ? join(*slot, tree_.tags(entry, *cost_)) : Location();
    }

    Location insert(SwapEntry entry, Location location) override {
        Location old;
        if (uint64_t* slot = tree_.slot(entry, *cost_)) {
            old = join(*slot, tree_.tags(entry, *cost_));
            *slot = without_position(location);
            ++cost_->slots_written;
        } else {
            tree_.insert(entry, without_position(location), *cost_);
        }
        change_tags(entry, position(old), position(location));
        return old;
    }

    Location erase(SwapEntry entry) override {
        uint32_t tags = tree_.tags(entry, *cost_);
        uint64_t word = tree_.erase(entry, *cost_);
        return word ? join(word, tags) : Location();
    }

    // Migration keeps the position, so the kernel has no tag to read: the old one, given back here, is not charged.
    Location update(SwapEntry entry, Location moved) override {
        uint64_t* slot = tree_.slot(entry, *cost_);
        Location old = join(*slot, tree_.tags(entry, nowhere_));
        *slot = without_position(moved);
        ++cost_->slots_written;
        change_tags(entry, position(old), position(moved));
        return old;
    }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        tree_.for_each(type, [&](uint64_t offset, uint64_t word, uint32_t tags) { visit(offset, join(word, tags)); });
    }

    int look_steps() const override { return tree_.look_steps; }
    void look(int step, uint32_t group, Ahead& ahead) override {
        tree_.look(step, group, ahead, [&](uint32_t i, uint64_t word, uint32_t tags) { ahead.found[i] = join(word, tags); });
    }

    void check() const override {
        tree_.check();
        for (uint32_t type = 0; type < swap_types; ++type)
            tree_.for_each(type, [&](uint64_t offset, uint64_t word, uint32_t) {
                require_at(type, offset, without_position(Location::from_word(word)) == word,
                           "radix-tag slot holds no position", word, word & ~position_bits);
            });
    }

    uint64_t entries() const override { return tree_.entries(); }
    uint64_t nodes() const override { return tree_.nodes(); }
    uint64_t bytes() const override { return tree_.bytes(); }
    bool positions_in_tags() const override { return true; }
    const void* root(uint32_t type) const override { return tree_.root(type); }

  private:
    static constexpr bool is_wide = words == SlotWords::wide;
    static constexpr uint32_t tags_used = is_wide ? 3 : 2;
    static constexpr uint64_t position_bits = is_wide ? Location::wide_low_bits : Location::position_mask;

    static uint32_t position(Location location) {
        if constexpr (!is_wide) return location.position();
        else return location == Location::same_filled() ? 0 : location.wide_position();
    }
    static uint64_t without_position(Location location) {
        if (is_wide && location == Location::same_filled()) return location.word();
        return location.word() & ~position_bits;
    }
    static Location join(uint64_t word, uint32_t tags) { return Location::from_word(word | uint64_t{tags} << 1); }

    void change_tags(SwapEntry entry, uint32_t old_position, uint32_t position) {
        for (uint32_t tag = 0; tag < tags_used; ++tag) {
            bool had = old_position >> tag & 1;
            bool has = position >> tag & 1;
            if (has && !had) tree_.set_tag(entry, tag, *cost_);
            if (had && !has) tree_.clear_tag(entry, tag, *cost_);
        }
    }

    RadixTree<RadixNode<Bits, tags_used>> tree_;
};

}  // namespace zreplay
