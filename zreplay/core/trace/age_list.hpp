// Slots in the order in which they came, from which any may go: who is the r-th youngest, and who stands next to whom.
//
//      position   0  1  2  3  4  5  6  7 …            oldest first
//      slot       a  b  –  c  –  –  d  e              –: gone
//      rank       4  3     2        1  0              of those that are here, from the youngest
//
// A slot comes at the end and leaves a gap. When the end of the memory is reached the gaps are closed, or, if few are left,
// the memory doubled; both cost a constant for each slot that has come. Counts of blocks are kept in a Fenwick tree
// ("A new data structure for cumulative frequency tables", Software: Practice and Experience 24, 1994), so that a rank is
// found in steps of the logarithm of the blocks.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "types.hpp"

namespace zreplay {

// `Kept` is what a slot is kept in.
template <class Kept>
class AgeListOf {
  public:
    static constexpr uint64_t nowhere = ~uint64_t{0};

    uint64_t size() const { return size_; }
    uint64_t slot(uint64_t position) const { return slots_[position]; }

    // Whether the next one to come makes positions anew: the k-th oldest is then at position k.
    bool full() const { return end_ == slots_.size(); }

    // `moved(slot, now)` is told of every slot that is here when positions are made anew.
    template <class Moved>
    uint64_t append(uint64_t slot, Moved&& moved) {
        if (full()) make_room(moved);
        const uint64_t position = end_++;
        slots_[position] = static_cast<Kept>(slot);
        here_[position / 64] |= uint64_t{1} << position % 64;
        add(position, 1);
        ++size_;
        return position;
    }

    void remove(uint64_t position) {
        require(has(position), "a slot that leaves is here", position, end_);
        here_[position / 64] &= ~(uint64_t{1} << position % 64);
        add(position, -1);
        --size_;
    }

    // How many of those that are here stand before the position, be it a gap or not.
    uint64_t older(uint64_t position) const {
        uint64_t count = 0;
        const uint64_t word = position / 64, first = word / block_words * block_words;
        for (uint64_t i = position / block_slots; i > 0; i &= i - 1) count += static_cast<uint32_t>(tree_[i]);
        for (uint64_t i = first; i < word; ++i) count += ones(here_[i]);
        if (position % 64) count += ones(here_[word] << (64 - position % 64));
        return count;
    }
    uint64_t rank(uint64_t position) const { return size_ - 1 - older(position); }

    // The position before which `count` stand, count < size().
    uint64_t nth(uint64_t count) const {
        // The blocks are a power of two, and as many as all of them are never passed. Chosen without a branch, which would be
        // foretold wrongly every other time.
        uint64_t block = 0;
        for (uint64_t step = tree_.size() / 2; step > 0; step /= 2) {
            const uint64_t there = static_cast<uint32_t>(tree_[block + step]), passed = 0 - uint64_t{there <= count};
            block += step & passed;
            count -= there & passed;
        }
        uint64_t word = block * block_words;
        for (uint64_t here; (here = ones(here_[word])) <= count; ++word) count -= here;
        return word * 64 + nth_bit(here_[word], static_cast<uint32_t>(count));
    }

    bool has(uint64_t position) const { return position < end_ && (here_[position / 64] >> position % 64 & 1); }
    uint64_t end() const { return end_; }

    void clear() {
        for (uint64_t& word : here_) word = 0;
        for (int32_t& count : tree_) count = 0;
        size_ = end_ = 0;
    }

  private:
    static constexpr uint64_t block_words = 8, block_slots = 64 * block_words;

    // std::popcount, which is a call where the processor may be of 2007.
    static constexpr uint64_t each = ~uint64_t{0} / 255;  // 1 in every byte
    static uint64_t ones_of_bytes(uint64_t bits) {
        bits -= bits >> 1 & each * 0x55;
        bits = (bits & each * 0x33) + (bits >> 2 & each * 0x33);
        return (bits + (bits >> 4)) & each * 0x0f;
    }
    static uint64_t ones(uint64_t bits) { return ones_of_bytes(bits) * each >> 56; }

    // Which bit has `count` ones below it and is one.
    static uint64_t nth_bit(uint64_t bits, uint32_t count) {
        const uint64_t up_to = ones_of_bytes(bits) * each;  // by byte: ones in it and below
        // A byte whose ones and those below it do not exceed `count` borrows nothing from its upper bit.
        const uint64_t below = ((each * 0x80 | each * count) - up_to) & each * 0x80;
        const auto byte = static_cast<uint32_t>((below >> 7) * each >> 56);
        if (byte) count -= static_cast<uint32_t>(up_to >> (8 * byte - 8) & 0xff);
        uint64_t rest = bits >> 8 * byte;
        for (uint32_t i = 0; i < 7; ++i) rest &= rest - (i < count);
        return 8 * byte + static_cast<uint64_t>(std::countr_zero(rest));
    }

    void add(uint64_t position, int32_t by) {
        for (uint64_t i = position / block_slots + 1; i < tree_.size(); i += i & (0 - i)) tree_[i] += by;
    }

    template <class Moved>
    void make_room(Moved&& moved) {
        uint64_t now = 0;
        for (uint64_t before = 0; before < end_; ++before) {
            if (!has(before)) continue;
            slots_[now] = slots_[before];
            moved(slots_[now], now);
            ++now;
        }
        const uint64_t least = block_slots;
        uint64_t capacity = slots_.size() < least ? least : slots_.size();
        if (2 * size_ > capacity) capacity *= 2;
        slots_.resize(capacity);
        here_.assign(capacity / 64, 0);
        tree_.assign(capacity / block_slots + 1, 0);
        end_ = size_;
        for (uint64_t position = 0; position < end_; ++position) {
            here_[position / 64] |= uint64_t{1} << position % 64;
            ++tree_[position / block_slots + 1];
        }
        for (uint64_t i = 1; i < tree_.size(); ++i)
            if (uint64_t above = i + (i & (0 - i)); above < tree_.size()) tree_[above] += tree_[i];
    }

    std::vector<Kept> slots_;
    std::vector<uint64_t> here_;
    std::vector<int32_t> tree_;
    uint64_t size_ = 0, end_ = 0;
};

using AgeList = AgeListOf<uint64_t>;
using AgeList32 = AgeListOf<uint32_t>;

}  // namespace zreplay
