// mm/entry_lru.hpp's list without links: entries in the order in which they came to its head. One that has left, or has come to the
// head again, stays where it was until it is met at the tail, and is known by its turn, which is not its page's any more.
#pragma once

#include <cstdint>
#include <vector>

#include "types.hpp"

namespace zreplay {

struct CurveEntry {
    Location object;      // none: not in the pool
    uint32_t turn = 0;    // when it came to the head of its list
    uint16_t group = 0;
    bool referenced = false;
};

class EntryQueue {
  public:
    explicit EntryQueue(std::vector<CurveEntry>& entries) : entries_(&entries) {}

    void push(uint32_t page, uint32_t turn) {
        if (items_.size() == items_.capacity()) make_place();
        items_.push_back({page, turn});
    }

    // The page at the tail; CurveOp::none's value if there is nobody.
    uint32_t oldest() {
        for (; first_ < items_.size(); ++first_)
            if (is_there(items_[first_])) return items_[first_].page;
        return UINT32_MAX;
    }

  private:
    struct Item {
        uint32_t page, turn;
    };
    bool is_there(const Item& item) const {
        const CurveEntry& entry = (*entries_)[item.page];
        return entry.object && entry.turn == item.turn;
    }
    [[gnu::noinline]] void make_place() {
        size_t kept = 0;
        for (size_t i = first_; i < items_.size(); ++i)
            if (is_there(items_[i])) items_[kept++] = items_[i];
        items_.resize(kept);
        first_ = 0;
        if (items_.capacity() < 4 * kept + 4096) items_.reserve(4 * kept + 4096);
    }

    std::vector<CurveEntry>* entries_;
    std::vector<Item> items_;
    size_t first_ = 0;
};

}  // namespace zreplay
