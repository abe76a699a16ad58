// A doubly linked list through the objects themselves, like the kernel's list_head: O(1) insertion at either end and
// removal from anywhere, no allocation.
#pragma once

#include <cstdint>

namespace zreplay {

template <class T>
struct Link {
    T* prev = nullptr;
    T* next = nullptr;
};

// Member names the link, so one object can be on several lists at once.
template <class T, Link<T> T::*Member>
class List {
  public:
    bool empty() const { return !head_; }
    T* head() const { return head_; }
    T* tail() const { return tail_; }
    uint64_t size() const { return size_; }
    static T* next(const T* item) { return (item->*Member).next; }
    // The item before names the item, or the list does: what a damaged link breaks.
    bool is_linked(const T* item) const {
        auto [prev, next] = item->*Member;
        return (prev ? (prev->*Member).next : head_) == item && (next ? (next->*Member).prev : tail_) == item;
    }

    void push_head(T* item) {
        item->*Member = {nullptr, head_};
        (head_ ? (head_->*Member).prev : tail_) = item;
        head_ = item;
        ++size_;
    }

    void push_tail(T* item) {
        item->*Member = {tail_, nullptr};
        (tail_ ? (tail_->*Member).next : head_) = item;
        tail_ = item;
        ++size_;
    }

    // `place` must be on this list.
    void insert_after(T* place, T* item) {
        T* next = (place->*Member).next;
        item->*Member = {place, next};
        (place->*Member).next = item;
        (next ? (next->*Member).prev : tail_) = item;
        ++size_;
    }

    // `item` takes the place of `old`, which is on this list and leaves it.
    void replace(T* old, T* item) {
        auto [prev, next] = old->*Member;
        item->*Member = {prev, next};
        (prev ? (prev->*Member).next : head_) = item;
        (next ? (next->*Member).prev : tail_) = item;
        old->*Member = {};
    }

    void remove(T* item) {
        auto [prev, next] = item->*Member;
        (prev ? (prev->*Member).next : head_) = next;
        (next ? (next->*Member).prev : tail_) = prev;
        item->*Member = {};
        --size_;
    }

    T* pop_head() {
        T* item = head_;
        if (item) remove(item);
        return item;
    }

  private:
    T* head_ = nullptr;
    T* tail_ = nullptr;
    uint64_t size_ = 0;
};

}  // namespace zreplay
