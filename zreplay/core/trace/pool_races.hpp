// Which of the allocations that were at work in the pool at the same time made pages of their own.
//
// An allocation that finds no room makes a new page or zspage, and does not look again when it has it; so two at a time may
// make two where one after the other would have shared one. Whether one found room shows in the pool's own count, which is
// read before each call: from one moment when nobody was at work in the pool to the next,
//
//      change of the count = pages of the zspages that were made − pages of those that became empty
//
// with known pages for each size. Of several answers the one is taken that suits the times better: an allocation that makes
// a zspage takes longer. Of two that suit alike, none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pool/zsmalloc_classes.hpp"

namespace zreplay {

// Pages that an object of a size brings if none has room for it.
class PagesMade {
  public:
    PagesMade() = default;                                  // not known
    static PagesMade one() { return PagesMade(1); }         // zbud
    explicit PagesMade(ClassTable classes) : classes_(std::move(classes)) {}
    bool known() const { return pages_ || classes_; }
    uint32_t of(uint64_t size_bytes) const {
        if (!classes_ || size_bytes == 0 || size_bytes > page_bytes) return pages_;
        return classes_->classes()[classes_->of_request(static_cast<uint32_t>(size_bytes))].pages;
    }

  private:
    explicit PagesMade(uint32_t pages) : pages_(pages) {}
    uint32_t pages_ = 0;
    std::optional<ClassTable> classes_;
};

class PoolRaces {
  public:
    static constexpr uint64_t none = ~uint64_t{0};
    struct Op {
        uint64_t row = none;  // of an allocation; none: a free
        uint32_t pages = 0;   // made by it, or gone with it, if any
        int64_t took_ns = 0;  // of an allocation
    };

    // Nobody is at work in the pool, which has so many pages; rows from this number on may be spoken of later.
    void begin(uint64_t row, uint64_t pages) {
        first_row_ = row;
        pages_ = static_cast<int64_t>(pages);
        ops_.clear();
        is_known_ = true;
    }
    void add(const Op& op) {
        is_known_ &= op.pages != 0;
        ops_.push_back(op);
    }
    void give_up() { is_known_ = false; }
    // The first row that may still be spoken of.
    uint64_t first_row() const { return first_row_; }

    // Nobody is at work again, and the pool has so many pages: tell(row, made) for each allocation for which that decides it.
    template <class Tell>
    void settle(uint64_t pages, Tell&& tell) {
        if (first_row_ == none) return;
        first_row_ = none;
        if (ops_.size() < 2 || ops_.size() > most_ops || !is_known_) return;
        if (auto made = best(static_cast<int64_t>(pages) - pages_))
            for (size_t i = 0; i < ops_.size(); ++i)
                if (ops_[i].row != none) tell(ops_[i].row, *made >> i & 1);
    }

  private:
    static constexpr size_t most_ops = 10;
    static constexpr int64_t quick_ns = 4'000, slow_ns = 12'000;

    // One bit for each that made or freed pages.
    std::optional<uint32_t> best(int64_t change) const {
        std::optional<uint32_t> found;
        int least = INT32_MAX;
        for (uint32_t bits = 0; bits < 1u << ops_.size(); ++bits) {
            int64_t sum = 0;
            int odd = 0;
            for (size_t i = 0; i < ops_.size(); ++i) {
                const bool did = bits >> i & 1, is_alloc = ops_[i].row != none;
                if (did) sum += is_alloc ? int64_t{ops_[i].pages} : -int64_t{ops_[i].pages};
                odd += is_alloc ? (did ? ops_[i].took_ns < quick_ns : ops_[i].took_ns > slow_ns) : did;
            }
            if (sum != change || odd > least) continue;
            found = odd == least ? std::nullopt : std::optional(bits);
            least = odd;
        }
        return found;
    }

    uint64_t first_row_ = none;
    int64_t pages_ = 0;
    std::vector<Op> ops_;
    bool is_known_ = false;
};

}  // namespace zreplay
