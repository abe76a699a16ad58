// radix-lowbit: a radix tree of descriptors, and which of a descriptor's objects it is, in the low bits of the pointer.
//
// The other proposal of 27 September 2013, and the one zbud's author preferred: a descriptor is aligned, so its low
// bits are free, and one word says all. Never merged. Slot = the location word as it is: `page | (last ? 2 : 0)` for
// zbud.
//
//      63 .................... 4 | 3           | 2  1     | 0
//      descriptor                | same-filled | position | 0: the tree marks its inner nodes with this one
//
// Descriptors on multiples of 64 leave bits 1 to 5: positions 0 to 31.
//
// A load is one walk, and atomic under RCU together with the position. A store is two, a lookup of the slot and, when
// it is empty, an insert: 3.12 has no replace. The price: page-cache walkers take bit 1 for "not a page", so this tree
// is not one the memory manager can walk. The tree's tags are never set.
#pragma once

#include "index/index.hpp"
#include "index/radix_node.hpp"
#include "index/radix_tree.hpp"

namespace zreplay {

template <int Bits>
class RadixLowbit final : public SwapIndex {
  public:
    explicit RadixLowbit(IndexOptions options = {}) : tree_(options.kernels_layout) { node_count_ = &tree_.nodes(); }
    Location find(SwapEntry entry) override {
        const uint64_t* slot = tree_.slot(entry, *cost_);
        return slot ? Location::from_word(*slot) : Location();
    }

    Location insert(SwapEntry entry, Location location) override {
        if (uint64_t* slot = tree_.slot(entry, *cost_)) return overwrite(slot, location);
        tree_.insert(entry, location.word(), *cost_);
        return {};
    }

    Location erase(SwapEntry entry) override { return Location::from_word(tree_.erase(entry, *cost_)); }

    Location update(SwapEntry entry, Location moved) override { return overwrite(tree_.slot(entry, *cost_), moved); }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        tree_.for_each(type, [&](uint64_t offset, uint64_t word, uint32_t) {
            visit(offset, Location::from_word(word));
        });
    }

    int look_steps() const override { return tree_.look_steps; }
    void look(int step, uint32_t group, Ahead& ahead) override {
        tree_.look(step, group, ahead, [&](uint32_t i, uint64_t word, uint32_t) { ahead.found[i] = Location::from_word(word); });
    }

    void check() const override {
        tree_.check();
        for (uint32_t type = 0; type < swap_types; ++type)
            require_at(type, 0, !tree_.root(type)->tags, "radix-lowbit sets no tag", tree_.root(type)->tags, 0);
    }

    uint64_t entries() const override { return tree_.entries(); }
    uint64_t nodes() const override { return tree_.nodes(); }
    uint64_t bytes() const override { return tree_.bytes(); }
    const void* root(uint32_t type) const override { return tree_.root(type); }

  private:
    Location overwrite(uint64_t* slot, Location location) {
        Location old = Location::from_word(*slot);
        *slot = location.word();
        ++cost_->slots_written;
        return old;
    }

    RadixTree<RadixNode<Bits, 0>> tree_;
};

}  // namespace zreplay
