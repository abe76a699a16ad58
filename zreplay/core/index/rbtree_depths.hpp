// Beside a red-black tree: for each offset its entry and how deep that is, so that nothing has to descend.
//
//      depths    a byte an offset: 1 + the depth of its entry, 0: none
//      entries   the entry's number
//
// A descent costs the depth it ends at, and here that is known. Where an offset would hang is known too: of its two
// neighbours one is an ancestor of the other, and the deeper one has the empty link.
//
// What is kept up: an entry taken out passes its depth on, three bytes at most. A rotation lowers one side of its top and
// raises the other. What is below the top lies together on either side of it, ended by an ancestor, which is the first entry
// that is not deeper; eight bytes are done at a time. A subtree of 2^k entries is rotated about every 2^k operations, so that
// its size does not matter.
//
// Offsets beyond `covered` have no place here, since they are few and far between; their entries are in the tree alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "numbered_arena.hpp"
#include "index/rbtree_layouts.hpp"

namespace zreplay {

// The kernel's layout is measured as the kernel is: from the root.
struct NoDepths {
    template <class... Any>
    void rotates(Any&&...) {}
    template <class... Any>
    void unlinks(Any&&...) {}
};

// How many offsets may be covered.
struct DepthLimits {
    uint64_t always;     // no matter how many entries there are
    uint64_t per_entry;
};

template <DepthLimits limits>
class Depths {
    using Ref = CompactNodes::Ref;
    static constexpr uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    static constexpr uint64_t block = 64;  // offsets

  public:
    static constexpr uint64_t none = ~uint64_t{0};

    bool covers(uint64_t offset) const { return offset < covered_; }
    bool has(uint64_t offset) const { return depths()[offset]; }
    uint32_t depth(uint64_t offset) const { return depths()[offset] - 1u; }
    Ref entry(uint64_t offset) const { return refs()[offset]; }
    const void* line_of_depth(uint64_t offset) const { return covers(offset) ? depths() + offset : nullptr; }
    const void* line_of_entry(uint64_t offset) const { return covers(offset) ? refs() + offset : nullptr; }

    // Where an offset without an entry would hang: under the deeper one of its neighbours, if it has any that are covered.
    struct Link {
        uint64_t offset;  // of the one above; none: no neighbour
        bool is_certain;  // else there may be others between the two, which are not covered
    };
    Link link_of(uint64_t offset) const {
        uint64_t before = none, after = none;
        if (offset - 8 < covered_ - 17 && covered_ > 17) [[likely]] {  // mostly both are near
            const uint64_t below = load(offset - 8), above = load(offset + 1);
            if (below) before = offset - 1 - static_cast<uint64_t>(std::countl_zero(below)) / 8;
            if (above) after = offset + 1 + static_cast<uint64_t>(std::countr_zero(above)) / 8;
        }
        if (before == none) before = previous(offset);
        if (after == none) after = next(offset);
        if (after == none) return {before, false};
        return {before != none && depths()[before] > depths()[after] ? before : after, true};
    }

    // The nearest offset below or above that has an entry.
    uint64_t previous(uint64_t offset) const {
        uint64_t at = offset & ~uint64_t{7};
        uint64_t word = load(at) & ~(~uint64_t{0} << 8 * (offset & 7));
        while (!word) {
            if (at % block == 0) {
                const uint64_t number = last_block_before(at / block);
                if (number == none) return none;
                at = number * block + block;
            }
            word = load(at -= 8);
        }
        return at + (63 - static_cast<uint64_t>(std::countl_zero(word))) / 8;
    }
    uint64_t next(uint64_t offset) const {
        uint64_t at = offset & ~uint64_t{7};
        uint64_t word = load(at) & ~uint64_t{0xff} << 8 * (offset & 7);
        while (!word) {
            if ((at += 8) % block == 0) {
                const uint64_t number = first_block_after(at / block - 1);
                if (number == none) return none;
                at = number * block;
            }
            word = load(at);
        }
        return at + static_cast<uint64_t>(std::countr_zero(word)) / 8;
    }

    // `entry` of this offset is about to be inserted, at that depth.
    void inserts(uint64_t offset, Ref entry, uint32_t depth) {
        if (!covers(offset)) {
            ++uncovered_;
            return;
        }
        depths()[offset] = static_cast<uint8_t>(depth + 1);
        refs()[offset] = entry;
        blocks_[offset / block / 64] |= uint64_t{1} << offset / block % 64;
        groups_[offset / block / 4096] |= uint64_t{1} << offset / block / 64 % 64;
    }

    // `entry`, at `depth`, is to be taken out and its only child, if any, to take its place.
    void unlinks(const CompactNodes& nodes, Ref entry, Ref orphan, uint32_t depth) {
        remove(nodes[entry].offset);
        if (orphan) set(nodes[orphan].offset, depth);
    }

    // `entry` is to be taken out, `successor` to take its place and the successor's only child, if any, the successor's.
    void unlinks(const CompactNodes& nodes, Ref entry, uint32_t depth, Ref successor, Ref orphan, uint32_t successor_depth) {
        remove(nodes[entry].offset);
        set(nodes[successor].offset, depth);
        if (orphan) set(nodes[orphan].offset, successor_depth);
    }

    // `top`, at `depth`, is to go down on `side` and `rising` to take its place.
    void rotates(const CompactNodes& nodes, Ref top, Ref rising, bool side, uint32_t depth) {
        const uint64_t goes_down = nodes[top].offset, rises = nodes[rising].offset;
        if (!covers(std::min(goes_down, rises)) && !reaches_covered(nodes, top)) return;
        if (side == rb::right) {
            before(rises, depth, [](uint64_t word, uint64_t some) { return word - some; });
            after(goes_down, depth, [](uint64_t word, uint64_t some) { return word + some; });
        } else {
            before(goes_down, depth, [](uint64_t word, uint64_t some) { return word + some; });
            after(rises, depth, [](uint64_t word, uint64_t some) { return word - some; });
        }
        set(rises, depth);
        set(goes_down, depth + 1);
    }

    uint64_t uncovered() const { return uncovered_; }

    // Before an entry of this offset is inserted, as the entries-th. Gives whether all entries have to be told anew.
    bool make_room(uint64_t offset, uint64_t entries) {
        if (offset < covered_) [[likely]] return false;
        if (offset >= std::max(limits.always, limits.per_entry * entries)) return false;
        covered_ = std::max(std::bit_ceil(offset + 1), uint64_t{4096});
        depths_.grow(covered_);
        refs_.grow(covered_ * sizeof(Ref));
        blocks_.resize((covered_ / block + 63) / 64);
        groups_.resize((blocks_.size() + 63) / 64);
        return std::exchange(uncovered_, 0) > 0;
    }

  private:
    uint8_t* depths() const { return reinterpret_cast<uint8_t*>(depths_.begin()); }
    Ref* refs() const { return reinterpret_cast<Ref*>(refs_.begin()); }
    uint64_t load(uint64_t offset) const {
        uint64_t word;
        std::memcpy(&word, depths() + offset, 8);
        return word;
    }

    void set(uint64_t offset, uint32_t depth) {
        if (covers(offset)) depths()[offset] = static_cast<uint8_t>(depth + 1);
    }
    void remove(uint64_t offset) {
        if (!covers(offset)) {
            --uncovered_;
            return;
        }
        depths()[offset] = 0;
        uint64_t all = load(offset & ~uint64_t{7});
        if (all) return;
        for (uint64_t at = offset & -block, end = at + block; at < end; at += 8) all |= load(at);
        if (all) return;
        uint64_t& bits = blocks_[offset / block / 64];
        bits &= ~(uint64_t{1} << offset / block % 64);
        if (!bits) groups_[offset / block / 4096] &= ~(uint64_t{1} << offset / block / 64 % 64);
    }

    // Whether the keys below an entry that is not covered may include some that are: not if an ancestor to the left is not.
    bool reaches_covered(const CompactNodes& nodes, Ref below) const {
        for (Ref above; (above = nodes[below].parent()); below = above)
            if (nodes[above].child[rb::right] == below) return covers(nodes[above].offset);
        return true;
    }

    uint64_t last_block_before(uint64_t number) const {
        if (const uint64_t bits = blocks_[number / 64] & ~(~uint64_t{0} << number % 64))
            return number / 64 * 64 + 63 - static_cast<uint64_t>(std::countl_zero(bits));
        const uint64_t of = number / 64;
        uint64_t bits = groups_[of / 64] & ~(~uint64_t{0} << of % 64);
        for (uint64_t group = of / 64;; bits = groups_[--group]) {
            if (bits) {
                const uint64_t found = group * 64 + 63 - static_cast<uint64_t>(std::countl_zero(bits));
                return found * 64 + 63 - static_cast<uint64_t>(std::countl_zero(blocks_[found]));
            }
            if (!group) return none;
        }
    }
    uint64_t first_block_after(uint64_t number) const {
        if (const uint64_t bits = blocks_[number / 64] & ~uint64_t{1} << number % 64)
            return number / 64 * 64 + static_cast<uint64_t>(std::countr_zero(bits));
        const uint64_t of = number / 64;
        uint64_t bits = groups_[of / 64] & ~uint64_t{1} << of % 64;
        for (uint64_t group = of / 64;; bits = groups_[group]) {
            if (bits) {
                const uint64_t found = group * 64 + static_cast<uint64_t>(std::countr_zero(bits));
                return found * 64 + static_cast<uint64_t>(std::countr_zero(blocks_[found]));
            }
            if (++group == groups_.size()) return none;
        }
    }

    // The high bit of each byte that is an entry's; of each that is an entry's which is not deeper. No byte reaches 128, so
    // that sums do not carry.
    static uint64_t used(uint64_t word) { return (word + (highs - ones)) & highs; }
    static uint64_t not_deeper(uint64_t word, uint32_t depth) {
        return used(word) & ~(word + (highs - ones - ones * (depth + 1)));
    }

    // change(eight bytes, ones in those to change) of all entries before or after an offset until one is not deeper.
    template <class Change>
    void before(uint64_t offset, uint32_t depth, Change&& change) {
        if (!covered_) return;
        uint64_t mask = ~(~uint64_t{0} << 8 * (offset & 7));
        if (offset >= covered_) offset = covered_ - 1, mask = ~uint64_t{0};
        for (uint64_t at = offset & ~uint64_t{7};;) {
            const uint64_t word = load(at), ends = not_deeper(word, depth) & mask;
            uint64_t some = used(word) & mask;
            if (ends) some &= ~(~uint64_t{0} >> std::countl_zero(ends));
            store(at, change(word, some >> 7));
            if (ends) return;
            mask = ~uint64_t{0};
            if (at % block) {
                at -= 8;
                continue;
            }
            const uint64_t number = last_block_before(at / block);
            if (number == none) return;
            at = number * block + block - 8;
        }
    }
    template <class Change>
    void after(uint64_t offset, uint32_t depth, Change&& change) {
        if (++offset >= covered_) return;
        uint64_t mask = ~uint64_t{0} << 8 * (offset & 7);
        for (uint64_t at = offset & ~uint64_t{7};;) {
            const uint64_t word = load(at), ends = not_deeper(word, depth) & mask;
            uint64_t some = used(word) & mask;
            if (ends) some &= (ends & -ends) - 1;
            store(at, change(word, some >> 7));
            if (ends) return;
            mask = ~uint64_t{0};
            at += 8;
            if (at % block) continue;
            const uint64_t number = first_block_after(at / block - 1);
            if (number == none) return;
            at = number * block;
        }
    }
    void store(uint64_t offset, uint64_t word) { std::memcpy(depths() + offset, &word, 8); }

    GrowingMemory depths_, refs_;
    uint64_t covered_ = 0;    // offsets, from 0
    uint64_t uncovered_ = 0;  // entries
    std::vector<uint64_t> blocks_, groups_;  // a bit for each block that has entries; for each 64 blocks
};

}  // namespace zreplay
