// The two layouts of a red-black tree's entries. The tree is the same in both, rotation by rotation.
//
// KernelNodes: zswap 6.1's entry, 64 bytes, one cache line, the links inside it are pointers; it is what --timing measures.
//
//      byte  0               8       16     24       32         36       40     48       56      64
//            | parent|colour | right | left | offset | refcount | length | pool | handle | objcg |
//
// Bit 0 of the parent's word is the colour: 0 red, 1 black. The handle is the location's word. Length, pool and objcg
// are the entry's size and are left empty: the pool's descriptor knows the first two, and there are no cgroups here.
// Other kernels have other entries; that changes what bytes() says, not the structure.
//
// CompactNodes: half of it, two to a line; links are numbers of entries, 0 for none.
//
//      byte  0        8        16              20      24     28     32
//            | offset | handle | parent|colour | right | left | none |
#pragma once

#include <array>
#include <cstdint>

#include "arena.hpp"
#include "numbered_arena.hpp"
#include "prefetch.hpp"

namespace zreplay::rb {

inline constexpr uint32_t red = 0, black = 1;

// Sides are indices of child, so that a comparison is one: key < offset goes left.
inline constexpr bool right = false, left = true;

}  // namespace zreplay::rb

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

    ZswapEntry* parent() const { return reinterpret_cast<ZswapEntry*>(parent_and_colour & ~uint64_t{1}); }
    uint32_t colour() const { return parent_and_colour & 1; }
    void link(ZswapEntry* parent, uint32_t colour) { parent_and_colour = reinterpret_cast<uint64_t>(parent) | colour; }

    // Both links are loaded along with the offset and one is kept by a mask: a level costs one load's latency, and there is
    // no branch to guess, which on random keys would be wrong every other time.
    ZswapEntry* towards(uint64_t key) const {
        const auto to_left = reinterpret_cast<uint64_t>(child[rb::left]);
        const auto to_right = reinterpret_cast<uint64_t>(child[rb::right]);
        return reinterpret_cast<ZswapEntry*>(to_right ^ ((to_right ^ to_left) & -uint64_t{key < offset}));
    }
};
static_assert(sizeof(ZswapEntry) == 64);

class KernelNodes {
  public:
    using Ref = ZswapEntry*;
    static constexpr bool is_compact = false;

    ZswapEntry& operator[](Ref ref) const { return *ref; }
    Ref make(uint64_t offset, uint64_t handle) {
        Ref entry = arena_.make();
        entry->offset = offset;
        entry->refcount = 1;
        entry->handle = handle;
        return entry;
    }
    void release(Ref ref) { arena_.release(ref); }
    const uint64_t& live() const { return arena_.live(); }

  private:
    Arena<ZswapEntry> arena_;
};

struct CompactEntry {
    uint64_t offset;
    uint64_t handle;
    uint32_t parent_and_colour;
    std::array<uint32_t, 2> child;  // right, left
    uint32_t unused;

    uint32_t parent() const { return parent_and_colour >> 1; }
    uint32_t colour() const { return parent_and_colour & 1; }
    void link(uint32_t parent, uint32_t colour) { parent_and_colour = parent << 1 | colour; }
    uint32_t towards(uint64_t key) const {
        return child[rb::right] ^ ((child[rb::right] ^ child[rb::left]) & -uint32_t{key < offset});
    }
};
static_assert(sizeof(CompactEntry) == 32);

class CompactNodes {
  public:
    using Ref = uint32_t;
    static constexpr bool is_compact = true;

    CompactEntry& operator[](Ref ref) const { return arena_[ref]; }
    Ref make(uint64_t offset, uint64_t handle) {  // references to entries do not outlive this
        Ref ref = arena_.make();
        arena_[ref] = {.offset = offset, .handle = handle};
        return ref;
    }
    void release(Ref ref) { arena_.release(ref); }
    const uint64_t& live() const { return arena_.live(); }
    void fetch(Ref ref) const { prefetch(arena_.at(ref)); }

  private:
    NumberedArena<CompactEntry> arena_;
};

}  // namespace zreplay
