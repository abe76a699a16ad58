// Shortcuts into a red-black tree: where the descents of all keys of a bucket part, and how deep that is.
//
// The offsets of a type are divided into buckets of 2^shift, a few entries each. A bucket's start is the first of its entries
// that a descent comes to, which is the same for all its keys. A descent that begins there visits the last few levels only, and
// still knows how many entries it would have visited from the root. Of 20 or 24 levels three or four remain, those in no cache.
//
//      word of a bucket:   63 ...... 40 | 39 ... 32 | 31 ... 0
//                            version    |   depth   |  entry, 0: not known
//
// Rules, which check() walks:
//   * a start's offset is in its bucket, and it is in the tree at that depth;
//   * the bucket is inside the start's interval: the keys between the nearest ancestors on either side.
// So an entry inserted breaks nothing, and one taken out concerns three buckets at most. A rotation changes depths below its
// top: of the buckets inside the top's interval. They are few, as a subtree of 2^k entries is rotated about every 2^k operations,
// and lie next to each other: a bucket inside the interval starts below the top, the one with the interval's end above it.
//
// A version is that of a bucket's paths: while it is the same, and that of the entry at its end too, each key of the bucket is
// where it was, at the same depth, or hangs where it would have hung, if that link is still empty.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "index/rbtree_layouts.hpp"

namespace zreplay {

// The kernel's layout is measured as the kernel is: from the root.
struct NoShortcuts {
    template <class... Any>
    void rotates(Any&&...) {}
    template <class... Any>
    void unlinks(Any&&...) {}
};

struct ShortcutSizes {
    uint64_t least_entries;  // of a tree, fewer have none
    uint64_t per_bucket;     // entries, at most, on the average
};

template <ShortcutSizes sizes>
class Shortcuts {
    using Ref = CompactNodes::Ref;
    static constexpr uint64_t one_version = uint64_t{1} << 40;
    // Keys in a few heaps far apart make a rotation's interval wide. What a call may spend on buckets on the average; beyond it
    // there are no shortcuts for a while.
    static constexpr int64_t credit_per_call = 32;

  public:
    static Ref entry_of(uint64_t word) { return static_cast<Ref>(word); }
    static uint32_t depth_of(uint64_t word) { return static_cast<uint8_t>(word >> 32); }

    // Any offset has a bucket, but beyond the last there are no shortcuts.
    uint64_t bucket(uint64_t offset) const { return offset >> shift_; }
    const uint64_t* place(uint64_t offset) const {
        const uint64_t number = bucket(offset);
        return number < buckets_ ? &words()[number] : &none_;
    }

    // Of an offset's bucket: the version, and how often there have been other buckets.
    uint64_t state(uint64_t offset) const { return *place(offset) >> 40 | resets_ << 24; }

    void learn(uint64_t bucket, Ref entry, uint32_t depth) {
        if (bucket >= buckets_) return;
        set(words()[bucket], entry, depth);
        set_[bucket >> 6] |= uint64_t{1} << (bucket & 63);
    }

    // `top`, at `depth`, is to go down on `side` and `rising` to take its place.
    void rotates(const CompactNodes& nodes, Ref top, Ref rising, bool side, uint32_t depth) {
        if (!buckets_) return;
        // Seen from where the top goes to: beyond it all goes down, between it and the rising entry all stays, the rest rises.
        const uint64_t outer = bucket(nodes[top].offset), inner = bucket(nodes[rising].offset);
        const auto [first, last] = around(nodes, top, outer, depth);
        each(first, last, [&](uint64_t bucket, uint64_t& word) {
            word += one_version;
            const uint32_t at = depth_of(word);
            if (at < depth) return;
            const bool goes_down = side == rb::right ? bucket > outer : bucket < outer;
            const bool below_top = side == rb::right ? bucket > inner : bucket < inner;
            if (at == depth) set(word, below_top ? top : rising, depth + below_top);
            else if (goes_down) set(word, entry_of(word), at + 1);
            else if (!below_top) set(word, entry_of(word), at - 1);
        });
    }

    // `entry`, at `depth`, is to be taken out and its only child, if any, to take its place.
    void unlinks(const CompactNodes& nodes, Ref entry, Ref orphan, uint32_t depth) {
        if (orphan) ++nodes[orphan].version;
        if (!buckets_) return;
        const uint64_t own = bucket(nodes[entry].offset), orphans = orphan ? bucket(nodes[orphan].offset) : own;
        if (entry_at(own) == entry) {
            if (orphan && orphans == own) set(words()[own], orphan, depth);
            else forget(own);
        }
        if (orphan && entry_at(orphans) == orphan) set(words()[orphans], orphan, depth);
    }

    // `entry` is to be taken out, `successor` to take its place and the successor's only child, if any, the successor's.
    void unlinks(const CompactNodes& nodes, Ref entry, uint32_t depth, Ref successor, Ref orphan, uint32_t successor_depth) {
        ++nodes[successor].version;
        if (orphan) ++nodes[orphan].version;
        if (!buckets_) return;
        const uint64_t own = bucket(nodes[entry].offset), successors = bucket(nodes[successor].offset);
        if (own != successors && entry_at(own) == entry) forget(own);
        if (entry_at(successors) && depth_of(words()[successors]) >= depth) set(words()[successors], successor, depth);
        if (!orphan) return;
        const uint64_t orphans = bucket(nodes[orphan].offset);
        if (orphans != successors && entry_at(orphans) == orphan) set(words()[orphans], orphan, successor_depth);
    }

    // After an entry was inserted, of `entries` now.
    void inserted(const CompactNodes& nodes, uint64_t offset, uint64_t entries) {
        greatest_ = std::max(greatest_, offset);
        credit_ = std::min(credit_ + credit_per_call, credit_limit());
        if (offset >> shift_ < buckets_ && entries <= enough_for_) [[likely]] return;
        if (pause_) --pause_;
        else fit(nodes, entries);
    }
    void erased(uint64_t entries) {
        credit_ = std::min(credit_ + credit_per_call, credit_limit());
        if (buckets_ > 64 && entries * 32 < buckets_) open(entries);
    }

    // visit(bucket, entry, depth, first offset, last offset) of each that is set.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (uint64_t bucket = 0; bucket < buckets_; ++bucket)
            if (const uint64_t word = words()[bucket]; entry_of(word))
                visit(entry_of(word), depth_of(word), bucket << shift_, (bucket << shift_) + ((uint64_t{1} << shift_) - 1));
    }

  private:
    uint64_t* words() const { return reinterpret_cast<uint64_t*>(memory_.begin()); }
    static void set(uint64_t& word, Ref entry, uint32_t depth) {
        word = (word & -one_version) | uint64_t{depth} << 32 | entry;
    }
    Ref entry_at(uint64_t bucket) const { return bucket < buckets_ ? entry_of(words()[bucket]) : Ref{}; }
    void forget(uint64_t bucket) {
        words()[bucket] = (words()[bucket] & -one_version) + one_version;
        set_[bucket >> 6] &= ~(uint64_t{1} << (bucket & 63));
    }
    int64_t credit_limit() const { return static_cast<int64_t>(buckets_) * 4 + 4096; }

    // The first and last bucket that overlap the interval of an entry. It is climbed for no further than to the bucket's start,
    // which is in the cache, unless a neighbour's start is not known.
    std::pair<uint64_t, uint64_t> around(const CompactNodes& nodes, Ref entry, uint64_t own, uint32_t depth) const {
        constexpr uint64_t unknown = ~uint64_t{0};
        uint64_t first = unknown, last = unknown;
        Ref below = entry;
        auto climb = [&](Ref to) {
            while (below != to && (first == unknown || last == unknown)) {
                const Ref above = nodes[below].parent();
                if (!above) break;
                const bool is_left = nodes[above].child[rb::left] == below;
                if (is_left && last == unknown) last = bucket(nodes[above].offset - 1);
                if (!is_left && first == unknown) first = bucket(nodes[above].offset + 1);
                below = above;
            }
        };
        const Ref start = entry_at(own);
        climb(start);
        if (start && (first == unknown || last == unknown)) {
            uint64_t down = own, up = own;
            bool is_known = true;
            if (first == unknown) {
                do is_known = down == 0 || entry_of(words()[--down]);
                while (is_known && down && depth_of(words()[down]) >= depth);
            }
            if (is_known && last == unknown) {
                do is_known = up + 1 == buckets_ || entry_of(words()[++up]);
                while (is_known && up + 1 < buckets_ && depth_of(words()[up]) >= depth);
            }
            if (is_known) return {first == unknown ? down : first, std::min(last == unknown ? up : last, buckets_ - 1)};
            climb(Ref{});
        }
        return {first == unknown ? 0 : first, std::min(last, buckets_ - 1)};
    }

    // change(bucket, word) of each whose start is known.
    template <class Change>
    void each(uint64_t first, uint64_t last, Change&& change) {
        for (uint64_t group = first >> 6; group <= last >> 6; ++group) {
            uint64_t bits = set_[group];
            if (group == first >> 6) bits &= ~uint64_t{0} << (first & 63);
            if (group == last >> 6) bits &= ~uint64_t{0} >> (~last & 63);
            for (--credit_; bits; bits &= bits - 1, --credit_) {
                const uint64_t number = group << 6 | static_cast<uint64_t>(std::countr_zero(bits));
                change(number, words()[number]);
            }
        }
        if (credit_ < 0) [[unlikely]] {
            pause_ = buckets_ * 4 + 256;
            close();
        }
    }

    // More buckets when there are more entries or greater offsets; other buckets where that would be too many.
    void fit(const CompactNodes& nodes, uint64_t entries) {
        if (entries < sizes.least_entries) return;
        while (buckets_ && greatest_ >> shift_ >= buckets_ && buckets_ <= entries) resize(buckets_ * 2);
        if (!buckets_ || greatest_ >> shift_ >= buckets_) return open(entries);
        if (entries <= enough_for_) return;
        if (!shift_) {
            enough_for_ = ~uint64_t{0};
            return;
        }
        const uint64_t halved = buckets_;
        resize(halved * 2);
        --shift_;
        std::ranges::fill(set_, 0);
        for (uint64_t number = halved; number-- > 0;) {
            const uint64_t word = words()[number];
            if (number >= 16) nodes.fetch(entry_of(words()[number - 16]));
            words()[2 * number] = words()[2 * number + 1] = (word & -one_version) + one_version;
            if (entry_of(word)) learn(bucket(nodes[entry_of(word)].offset), entry_of(word), depth_of(word));
        }
    }

    void resize(uint64_t buckets) {
        buckets_ = buckets;
        if (memory_.bytes() < buckets * 8) memory_.grow(std::max<uint64_t>(buckets * 8, 4096));
        set_.resize((buckets + 63) / 64);
        enough_for_ = buckets * sizes.per_bucket;
    }

    void open(uint64_t entries) {
        close();
        if (entries < sizes.least_entries) return;
        resize(std::bit_ceil(entries / sizes.per_bucket + 1));
        while (greatest_ >> shift_ >= buckets_) ++shift_;
    }

    void close() {
        memory_.clear();
        set_.clear();
        buckets_ = 0;
        shift_ = 0;
        ++resets_;
    }

    GrowingMemory memory_;
    uint64_t buckets_ = 0;
    uint32_t shift_ = 0;
    uint64_t none_ = 0;
    uint64_t enough_for_ = 0;  // entries
    uint64_t greatest_ = 0;    // offset there ever was
    uint64_t resets_ = 0;
    int64_t credit_ = 0;
    uint64_t pause_ = 0;         // insertions until there are shortcuts again
    std::vector<uint64_t> set_;  // a bit for each bucket whose start is known
};

}  // namespace zreplay
