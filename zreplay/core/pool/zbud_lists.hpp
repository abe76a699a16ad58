// The orders that zbud keeps its pages in, without lists through them: taking a page out of the middle touches no other page.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "prefetch.hpp"

namespace zreplay {

// Pages with one buddy by free chunks: of each number a list whose head is taken first, as a stack that grows at the head. A
// page that leaves from the middle leaves a gap, and knows its place for that (Page::place).
//
//      tail | page | page |  gap | page | page | head
template <class Page>
class ZbudUnbuddied {
  public:
    static constexpr uint32_t lists = 63;

    // The lists from c on that have a page: bit i for i free chunks.
    uint64_t fitting(uint32_t c) const { return nonempty_ >> c << c; }
    uint64_t size(uint32_t i) const { return stacks_[i].size() - gaps_[i]; }
    Page* top(uint32_t i) const { return stacks_[i].back(); }

    void push(uint32_t i, Page* page) {
        std::vector<Page*>& stack = stacks_[i];
        if (stack.size() == stack.capacity() && gaps_[i] > stack.size() / 2) [[unlikely]] close_gaps(i);
        page->place = static_cast<uint32_t>(stack.size());
        stack.push_back(page);
        nonempty_ |= uint64_t{1} << i;
    }

    Page* pop(uint32_t i) {
        Page* page = stacks_[i].back();
        drop_top(i);
        return page;
    }

    void remove(uint32_t i, Page* page) {
        if (stacks_[i].back() == page) return drop_top(i);
        stacks_[i][page->place] = nullptr;
        ++gaps_[i];
    }

    void replace(uint32_t i, const Page* old, Page* page) { stacks_[i][old->place] = page; }

    // visit(place, page) from the tail to the head, gaps left out.
    template <class Visit>
    void for_each(uint32_t i, Visit&& visit) const {
        for (size_t place = 0; place < stacks_[i].size(); ++place)
            if (stacks_[i][place]) visit(place, stacks_[i][place]);
    }

  private:
    // The top is never a gap.
    void drop_top(uint32_t i) {
        std::vector<Page*>& stack = stacks_[i];
        stack.pop_back();
        while (!stack.empty() && !stack.back()) {
            stack.pop_back();
            --gaps_[i];
        }
        if (stack.empty()) nonempty_ &= ~(uint64_t{1} << i);
    }

    void close_gaps(uint32_t i) {
        std::vector<Page*>& stack = stacks_[i];
        std::erase(stack, nullptr);
        for (size_t place = 0; place < stack.size(); ++place) {
            if (place + 8 < stack.size()) prefetch_to_write(stack[place + 8]);
            stack[place]->place = static_cast<uint32_t>(place);
        }
        gaps_[i] = 0;
    }

    std::array<std::vector<Page*>, lists> stacks_;
    std::array<size_t, lists> gaps_{};
    uint64_t nonempty_ = 0;
};

// Pages by their stamps, for whoever wants the oldest: put in order when first asked for, then taken one by one. A page
// stamped meanwhile is younger than all that are left, so it is passed over here and found when they are put in order anew.
template <class Page>
class ZbudOldest {
  public:
    // There is one that is not under reclaim.
    Page* take(const Arena<Page>& pages) {
        for (;;) {
            for (; next_ < order_.size(); ++next_)
                if (auto [stamp, page] = order_[next_]; page->stamp == stamp && !page->under_reclaim()) return ++next_, page;
            put_in_order(pages);
        }
    }

    void replace(const Page* old, Page* page) {
        auto place = std::lower_bound(order_.begin(), order_.end(), std::pair(old->stamp, static_cast<Page*>(nullptr)));
        if (place != order_.end() && place->first == old->stamp) place->second = page;
    }

    // Stamps from 1 on in the same order; gives the last.
    uint32_t renumber(const Arena<Page>& pages) {
        put_in_order(pages);
        for (size_t i = 0; i < order_.size(); ++i)
            order_[i].first = order_[i].second->stamp = static_cast<uint32_t>(i) + 1;
        return static_cast<uint32_t>(order_.size());
    }

  private:
    void put_in_order(const Arena<Page>& pages) {
        order_.clear();
        next_ = 0;
        pages.visit_from(0, [&](Page* page) {
            if (page->stamp) order_.emplace_back(page->stamp, page);
            return true;
        });
        std::sort(order_.begin(), order_.end());
    }

    std::vector<std::pair<uint32_t, Page*>> order_;
    size_t next_ = 0;
};

}  // namespace zreplay
