// Pages of one process in the order in which they were swapped out, and a way to take one from the middle.
//
//      oldest … rank 8 | rank 7 … rank 4 | 3 2 | 1        rank 1 was swapped out last
//
// To take the page of rank r all younger ones move up by one. Here only two pages of each power of two do: the gap is filled
// by the youngest page of its power, and the gap there by the oldest of the next younger power. So a page is always among
// those of the right power, 2^b to 2^(b+1) - 1, and its order within is shuffled; the cost is 2 log2 r moves.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "huge_pages.hpp"

namespace zreplay {

class PageRing {
  public:
    explicit PageRing(uint32_t capacity) : slots_(capacity) {}

    uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    void push(uint32_t slot) {
        slots_[end_] = slot;
        if (++end_ == capacity()) end_ = 0;
        ++size_;
    }

    uint32_t take_oldest() { return at(size_--); }

    uint32_t take(uint32_t rank) {
        uint32_t taken = at(rank), gap = rank;
        for (uint32_t youngest = std::bit_floor(rank);; youngest >>= 1) {
            at(gap) = at(youngest);
            gap = youngest;
            if (gap == 1) break;
            at(gap) = at(gap - 1);
            --gap;
        }
        end_ = (end_ ? end_ : capacity()) - 1;
        --size_;
        return taken;
    }

    // Rank 1 is the page swapped out last.
    uint32_t& at(uint32_t rank) { return slots_[end_ >= rank ? end_ - rank : end_ + capacity() - rank]; }

    void clear() { size_ = end_ = 0; }

  private:
    uint32_t capacity() const { return static_cast<uint32_t>(slots_.size()); }

    std::vector<uint32_t, HugePages<uint32_t>> slots_;
    uint32_t end_ = 0, size_ = 0;
};

}  // namespace zreplay
