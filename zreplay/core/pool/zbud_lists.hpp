// The orders that zbud keeps its pages in, without lists through them: taking a page out of the middle touches no other page.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "pool/gap_stack.hpp"

namespace zreplay {

// Pages with one buddy by free chunks: of each number a list whose head is taken first.
template <class Page>
class ZbudUnbuddied {
  public:
    static constexpr uint32_t lists = 63;

    // The lists from c on that have a page: bit i for i free chunks.
    uint64_t fitting(uint32_t c) const { return nonempty_ >> c << c; }
    uint64_t size(uint32_t i) const { return lists_[i].size(); }
    Page* top(uint32_t i) const { return lists_[i].head(); }

    void push(uint32_t i, Page* page) {
        lists_[i].push(page);
        nonempty_ |= uint64_t{1} << i;
    }
    Page* pop(uint32_t i) {
        Page* page = lists_[i].pop();
        note_empty(i);
        return page;
    }
    void remove(uint32_t i, Page* page) {
        lists_[i].remove(page);
        note_empty(i);
    }
    void replace(uint32_t i, const Page* old, Page* page) { lists_[i].replace(old, page); }

    template <class Visit>
    void for_each(uint32_t i, Visit&& visit) const {
        lists_[i].for_each(visit);
    }

  private:
    void note_empty(uint32_t i) { nonempty_ &= ~(uint64_t{lists_[i].empty()} << i); }

    std::array<GapStack<Page>, lists> lists_;
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
