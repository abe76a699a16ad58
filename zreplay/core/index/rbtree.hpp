// rbtree: zswap's own index of 3.11 to 6.8, a red-black tree of entries, one tree per swap type, keyed by offset.
//
// The tree's links are inside the entry (6.1's, 64 bytes, one cache line), so there is no other allocation and a node
// is an entry. Each level of a descent is a dependent load of another entry.
//
//      byte  0               8       16     24       32         36       40     48       56      64
//            | parent|colour | right | left | offset | refcount | length | pool | handle | objcg |
//
// Bit 0 of the parent's word is the colour: 0 red, 1 black. The handle is the location's word. Length, pool and objcg
// are the entry's size and are left empty: the pool's descriptor knows the first two, and there are no cgroups here.
// Other kernels have other entries; that changes what bytes() says, not the structure.
//
// Invariants, which check() walks:
//   * offsets ascend from left to right; each child's parent is the entry that names it;
//   * the root is black; a red entry has no red child; every path down to an empty link passes as many black entries.
// So the height is at most 2·log2(n + 1). An insert makes at most two rotations, an erase at most three.
//
// A store of an offset already there does what zswap 6.1 does: collide, erase the old entry, descend again.
#pragma once

#include <array>
#include <cstdint>

#include "arena.hpp"
#include "index/index.hpp"

namespace zreplay {

struct alignas(64) ZswapEntry {
    uint64_t parent_and_colour;
    std::array<ZswapEntry*, 2> child;  // right, left
    uint64_t offset;
    int32_t refcount;
    uint32_t length;
    void* pool;
    uint64_t handle;
    void* objcg;
};
static_assert(sizeof(ZswapEntry) == 64);

class Rbtree final : public SwapIndex {
  public:
    explicit Rbtree(IndexOptions options = {}) : entry_bytes_(options.entry_bytes) {}
    Location find(SwapEntry entry) override;
    Location insert(SwapEntry entry, Location location) override;
    Location erase(SwapEntry entry) override;
    Location update(SwapEntry entry, Location moved) override;
    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override;
    void look(int step, uint32_t group, Ahead& ahead) override;
    void check() const override;
    uint64_t entries() const override { return arena_.live(); }
    uint64_t nodes() const override { return arena_.live(); }
    uint64_t bytes() const override { return arena_.live() * entry_bytes_; }
    bool has_entries() const override { return true; }
    const void* root(uint32_t type) const override { return &roots_[type]; }

  private:
    std::array<ZswapEntry*, swap_types> roots_{};
    Arena<ZswapEntry> arena_;
    uint64_t entry_bytes_;
};

}  // namespace zreplay
