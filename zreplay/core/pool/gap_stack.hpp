// A list of descriptors from whose head most are taken, kept beside them instead of through them: taking one out of the middle
// touches no other, and leaves a gap. Each knows its place (T::place, 32 bits).
//
//      tail | item | item |  gap | item | item | head
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "prefetch.hpp"

namespace zreplay {

template <class T>
class GapStack {
  public:
    bool empty() const { return items_.empty(); }  // the head is never a gap
    uint64_t size() const { return items_.size() - gaps_; }
    T* head() const { return items_.back(); }

    void push(T* item) {
        if (items_.size() == items_.capacity() && gaps_ > items_.size() / 2) [[unlikely]] close_gaps();
        item->place = static_cast<uint32_t>(items_.size());
        items_.push_back(item);
    }

    // Behind the head, which there is.
    void push_second(T* item) {
        T* head = items_.back();
        push(item);
        item->place -= 1;
        head->place += 1;
        items_[items_.size() - 2] = item;
        items_.back() = head;
    }

    T* pop() {
        T* item = items_.back();
        drop_head();
        return item;
    }

    void remove(const T* item) {
        if (items_.back() == item) return drop_head();
        items_[item->place] = nullptr;
        ++gaps_;
    }

    // `item` takes the place of `old`, which leaves.
    void replace(const T* old, T* item) {
        item->place = old->place;
        items_[old->place] = item;
    }

    // visit(place, item) from the tail to the head, gaps left out.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (size_t place = 0; place < items_.size(); ++place)
            if (items_[place]) visit(place, items_[place]);
    }

  private:
    void drop_head() {
        items_.pop_back();
        while (!items_.empty() && !items_.back()) {
            items_.pop_back();
            --gaps_;
        }
    }

    [[gnu::noinline]] void close_gaps() {
        std::erase(items_, nullptr);
        for (size_t place = 0; place < items_.size(); ++place) {
            if (place + 8 < items_.size()) prefetch_to_write(items_[place + 8]);
            items_[place]->place = static_cast<uint32_t>(place);
        }
        gaps_ = 0;
    }

    std::vector<T*> items_;
    size_t gaps_ = 0;
};

}  // namespace zreplay
