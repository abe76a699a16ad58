// The second engine of the `two-index` design (kernel-model 7.7): the memory manager's own view of the pool's pages. An index
// of the pages by their number in the pool's address space, and the inactive and active lists on which they stand between
// ordinary pages. Proposed by Jennings on 23 and Stanislawski on 27 September 2013; never posted as code.
//
//      index M:  number in the pool's address space ─▶ page            (3.12's radix tree; tag 0 dirty, tag 1 writeback)
//      lists:    head │ zpool page, ordinary page, zpool page, …  │ tail     newer pages towards the head
//
//      page   byte 0           16        24    32      40              48
//             | lru: prev, next | zpool's | key | stamp | an object in it | active, referenced, isolated |
//
// One slot of M a page, so what the memory manager assumes of a page cache holds: page->mapping is the pool's address space
// of the type, page->index the number. Numbers of pages that went are used again, so that M stays dense.
//
// Ordinary pages are known from the trace alone: in memory from a load of their slot until its next store, freed or not. Only
// their place matters, so an ordinary page is a stamp at its slot and no list item; a list's order is the order of stamps. What
// becomes of ordinary pages when the kernel's reclaim passes them is not in a trace; they keep their places.
//
// The inactive list is kept at least as long as the active one, ordinary pages counted in, as the kernel does for anonymous
// memory of up to 1 GiB.
//
// Invariants, which check() walks (kernel-model 7.9-9): keys of M and live pages one to one, M[page's key] = page; listed
// pages are the live pages less those isolated; stamps fall from head to tail.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "arena.hpp"
#include "cost.hpp"
#include "counters.hpp"
#include "index/radix_tree.hpp"
#include "list.hpp"
#include "pieces.hpp"
#include "types.hpp"

namespace zreplay {

// What an access to an object does to the place of its page.
enum class Touch : uint8_t { none, reference, activate };

struct InactiveLruOptions {
    bool enter_at_tail = false;     // a new page: at the tail of the inactive list; else at its head
    Touch on_load = Touch::reference;
    Touch on_join = Touch::none;    // a second object is stored into the page
    bool first_time_is_old = true;  // a page stored for the first time: older than every zpool page, or newer
};

class InactiveLru {
  public:
    // The memory manager's page: struct page, as far as it matters here.
    struct Page {
        Link<Page> lru;
        const void* zpage = nullptr;
        SwapEntry key;       // type, and number in the address space
        uint64_t stamp = 0;  // greater: nearer to the head
        Location object;     // one that is in it
        bool active = false, referenced = false, isolated = false;
    };

    explicit InactiveLru(InactiveLruOptions options = {}) : options_(options) {}

    // --- what the pool tells: objects come and go, and pages with them ---

    template <class P>
    void stored(const P& pool, SwapEntry entry, Location object) {
        if (pool.buddy(object)) {
            Page* page = of(object);
            page->object = object;
            touch(page, options_.on_join);
        } else {
            add(entry.type(), object);
        }
    }

    template <class P>
    void freeing(const P& pool, Location object) {
        if (Location other = pool.buddy(object)) of(object)->object = other;
        else remove(of(object));
    }

    // The page's contents are elsewhere now: M's slot names the new page, its place on the list and its tags stay.
    void migrated(Location from, Location now) {
        auto item = by_zpage_.extract(from.descriptor<void>());
        item.mapped()->object = now;
        item.mapped()->zpage = now.descriptor<void>();
        item.key() = item.mapped()->zpage;
        uint64_t* slot = tree_.slot(item.mapped()->key, *cost_);
        *slot = reinterpret_cast<uint64_t>(item.mapped());
        ++cost_->slots_written;
        by_zpage_.insert(std::move(item));
    }

    // --- what happens to objects and ordinary pages ---

    void loaded_from(Location object) { touch(of(object), options_.on_load); }
    void ordinary_page_comes(SwapEntry entry) {
        uint64_t& stamp = ordinary_.make(entry)[decltype(ordinary_)::within(entry)];
        ordinary_pages_ += !stamp;
        stamp = ++newest_;
    }
    void ordinary_page_goes(SwapEntry entry) {
        auto* piece = ordinary_.find(entry);
        if (!piece) return;
        uint64_t& stamp = (*piece)[decltype(ordinary_)::within(entry)];
        ordinary_pages_ -= stamp != 0;
        stamp = 0;
    }
    void ordinary_pages_go(uint32_t type) {
        ordinary_.for_each(type, [&](uint64_t, const auto& piece) {
            for (uint64_t stamp : piece) ordinary_pages_ -= stamp != 0;
        });
        ordinary_.clear_type(type);
    }

    // --- reclaim ---

    // How old the page is that the trace stores now: all pages with a smaller stamp were reached before it.
    uint64_t age_of(SwapEntry entry) const {
        if (uint64_t stamp = stamp_of(entry)) return stamp;
        return options_.first_time_is_old ? 0 : newest_ + 1;
    }

    // The zpool page at the tail, if it is older than that, off the list; one that was referenced has its second chance
    // instead. Nullptr: there is none.
    Page* isolate_older_than(uint64_t stamp) {
        deactivate();
        while (Page* page = inactive_.tail()) {
            if (page->stamp >= stamp) return nullptr;
            inactive_.remove(page);
            if (!page->referenced) {
                page->isolated = true;
                return page;
            }
            page->referenced = false;
            push_head(page);
        }
        return nullptr;
    }

    // The page is being written: dirty goes, writeback comes. One walk each.
    void begin_writeback(Page* page) {
        tree_.clear_tag(page->key, dirty_tag, *cost_);
        tree_.set_tag(page->key, writeback_tag, *cost_);
    }
    // It stays, since not all of it could be written.
    void putback(Page* page) {
        tree_.clear_tag(page->key, writeback_tag, *cost_);
        tree_.set_tag(page->key, dirty_tag, *cost_);
        page->isolated = false;
        push_head(page);
    }

    void charge(Cost& cost) { cost_ = &cost; }
    void tell(Counters& counters) const {
        counters.mm_nodes = tree_.nodes();
        counters.mm_bytes = tree_.bytes();
    }
    const RadixRoot* root(uint32_t type) const { return tree_.root(type); }

    // Throws CheckFailed, naming the page.
    template <class P>
    void check(const P& pool) const {
        tree_.check();
        auto require_page = [&](bool holds, const char* assertion, const Page* page, uint64_t found = 0, uint64_t expected = 1) {
            if (!holds)
                assertion_failed(9, assertion, pool.page_id(page->object), pool.entry(page->object), found, expected);
        };
        uint64_t listed = 0, isolated = 0;
        for (const Lru* list : {&inactive_, &active_}) {
            uint64_t stamp = ~uint64_t{0};
            uint64_t length = 0;
            for (const Page* page = list->head(); page; page = Lru::next(page), ++listed) {
                require_page(list->is_linked(page) && ++length <= list->size(), "the LRU's links meet", page);
                require_page(!page->isolated, "an isolated page is on no list", page);
                require_page(page->active == (list == &active_), "a page knows its list", page);
                require_page(page->active || page->stamp < stamp, "stamps fall from head to tail", page);
                stamp = page->stamp;
            }
        }
        for (const auto& [zpage, page] : by_zpage_) {
            isolated += page->isolated;
            Cost nowhere;
            const uint64_t* slot = tree_.slot(page->key, nowhere);
            require_page(slot && *slot == reinterpret_cast<uint64_t>(page), "M[page's number] is the page", page);
            require_page(tree_.tags(page->key, nowhere) == (page->isolated ? 1u << writeback_tag : 1u << dirty_tag),
                         "a page is dirty, or under writeback", page);
        }
        pool.objects_from(0, [&](Location object) {
            const auto place = by_zpage_.find(object.descriptor<void>());
            if (place == by_zpage_.end())
                assertion_failed(9, "a pool page is in M", pool.page_id(object), pool.entry(object), 0, 1);
            return true;
        });
        require(tree_.entries() == by_zpage_.size(), "assertion 9: keys of M and live pages, one to one", tree_.entries(),
                by_zpage_.size());
        require(listed == by_zpage_.size() - isolated, "assertion 9: the LRU holds the live pages less those isolated", listed,
                by_zpage_.size() - isolated);
        require(pool.pages() == by_zpage_.size(), "assertion 9: every pool page is in M", by_zpage_.size(), pool.pages());
    }

  private:
    using Lru = List<Page, &Page::lru>;
    static constexpr uint32_t dirty_tag = 0, writeback_tag = 1;

    Page* of(Location object) const { return by_zpage_.at(object.descriptor<void>()); }

    uint64_t stamp_of(SwapEntry entry) const {
        const auto* piece = ordinary_.find(entry);
        return piece ? (*piece)[decltype(ordinary_)::within(entry)] : 0;
    }

    void add(uint32_t type, Location object) {
        auto& free = free_numbers_[type];
        uint64_t number = free.empty() ? numbers_[type]++ : free.back();
        if (!free.empty()) free.pop_back();
        Page* page = pages_.make();
        page->zpage = object.descriptor<void>();
        page->object = object;
        page->key = {type, number};
        by_zpage_[page->zpage] = page;
        tree_.insert(page->key, reinterpret_cast<uint64_t>(page), *cost_);
        tree_.set_tag(page->key, dirty_tag, *cost_);
        if (options_.enter_at_tail) {
            page->stamp = --oldest_;
            inactive_.push_tail(page);
        } else {
            push_head(page);
        }
    }

    void remove(Page* page) {
        tree_.erase(page->key, *cost_);
        if (!page->isolated) list_of(page).remove(page);
        free_numbers_[page->key.type()].push_back(page->key.offset());
        by_zpage_.erase(page->zpage);
        pages_.release(page);
    }

    void touch(Page* page, Touch how) {
        if (how == Touch::none || page->isolated) return;
        if (how == Touch::reference || page->active) {
            page->referenced = true;
            return;
        }
        inactive_.remove(page);
        page->active = true;
        active_.push_head(page);
    }

    void push_head(Page* page) {
        page->stamp = ++newest_;
        inactive_.push_head(page);
    }

    void deactivate() {
        while (active_.size() > inactive_.size() + ordinary_pages_) {
            Page* page = active_.tail();
            active_.remove(page);
            page->active = page->referenced = false;
            push_head(page);
        }
    }

    Lru& list_of(const Page* page) { return page->active ? active_ : inactive_; }

    static constexpr int piece_bits = 12;
    InactiveLruOptions options_;
    mutable RadixTree<RadixNode<6>> tree_;  // a lookup through it may be written through
    Arena<Page> pages_;
    Lru inactive_, active_;
    std::unordered_map<const void*, Page*> by_zpage_;  // the kernel's page of an address: arithmetic, free of cost
    std::array<std::vector<uint64_t>, swap_types> free_numbers_;
    std::array<uint64_t, swap_types> numbers_{};
    Pieces<std::array<uint64_t, 1 << piece_bits>, piece_bits, 31> ordinary_;
    uint64_t ordinary_pages_ = 0;
    uint64_t newest_ = uint64_t{1} << 62, oldest_ = uint64_t{1} << 62;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

}  // namespace zreplay
