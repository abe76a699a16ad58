// zbud: at most two objects a page, one at each end. Kernel-model section 3; the same rules from 3.12 until the pool's
// own reclaim left in 6.5 (and, without reclaim, until 6.15).
//
//      byte 0        64                                        4096
//      | header chunk | first buddy →      free      ← last buddy |
//
// A page is cut into 64 chunks of 64 bytes; the header takes one, so first + last ≤ 63. One more is always kept back
// for a second buddy, so the largest object is 62 chunks, 3968 bytes.
//
// A page with one buddy is on the list of pages with exactly as many free chunks; the best fit for c chunks is the head
// of the first list from c up that is not empty. A page with both buddies is on none of them: the kernel has a list for
// those pages from which nothing is ever taken, so here they are only counted. Every page is on the LRU, newest
// allocation at its head, except while it is under reclaim: then it is on no list, nobody can allocate from it, and
// objects freed by others only lose their chunks; the reclaimer finishes the page.
//
// The kernel's lists go through the page's header, so that taking a page off one writes to two others, somewhere in memory.
// Here the same orders are kept with one foreign line at most: a list of pages with one buddy is a stack (gap_stack.hpp), and
// the LRU is the order of the pages' stamps, which is only put together when somebody asks for the oldest.
//
// Objects never move within the pool, so there is nothing to compact. zbud as merged keeps no list of who names a page,
// so none can be migrated either; in the designs of the 2013 thread the page's header names the slots of its objects, and
// `movable` pages move: references = objects, or somebody is at work in the page and the answer is −EAGAIN. What the
// kernel keeps in the object's first 8 bytes (the swap entry) and in zswap's entry (the exact length) is in the page's
// descriptor here, one cache line; v3 of the series kept them so too.
//
// first, last: the two positions. c: a count of chunks. free chunks: 63 − first − last.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "pool/pool.hpp"
#include "pool/zbud_lists.hpp"
#include "prefetch.hpp"

namespace zreplay {

struct ZbudOptions {
    bool movable = false;  // the memory manager may move pages: never so in a released kernel
};

class Zbud {
  public:
    static constexpr std::string_view name = "zbud";
    static constexpr std::string_view summary = "at most two objects a page, found by best fit; evicts by its own LRU";
    static constexpr bool evictable = true;
    static constexpr bool locations_move = true;

    using Options = ZbudOptions;

    static constexpr uint32_t chunk_bytes = 64;
    static constexpr uint32_t usable_chunks = 63;
    static constexpr uint32_t largest_bytes = page_bytes - 2 * chunk_bytes;
    enum Position : uint32_t { first = 0, last = 1 };

  private:
    struct alignas(32) Page {
        std::array<SwapEntry, 2> entries;
        uint32_t stamp = 0;  // greater than that of every page less recently used; 0: no page
        uint32_t place = 0;  // on its stack, while it has one buddy
        uint32_t id = 0;
        // bits 0 to 11 and 12 to 23: the lengths as asked, of first and last; 0: unused
        //      24, 25: references: objects, and one while under reclaim
        //      26, 27: resident, one bit a position;   28: under reclaim
        uint32_t bits = 0;

        static constexpr uint32_t reference = 1u << 24, reclaim_bit = 1u << 28, size_mask = 0xfff;
        static constexpr uint32_t resident_bit(uint32_t position) { return 1u << 26 << position; }

        uint32_t size_bytes(uint32_t position) const { return bits >> 12 * position & size_mask; }
        void add(uint32_t position, uint32_t size_bytes) {
            bits = (bits & ~resident_bit(position)) + (size_bytes << 12 * position) + reference;
        }
        void take(uint32_t position) { bits = (bits & ~(size_mask << 12 * position)) - reference; }
        uint32_t references() const { return bits >> 24 & 3; }
        bool under_reclaim() const { return bits & reclaim_bit; }
        uint32_t free_chunks() const { return usable_chunks - chunks_of(size_bytes(first)) - chunks_of(size_bytes(last)); }
        bool buddied() const { return size_bytes(first) && size_bytes(last); }
        bool empty() const { return !(bits & 0xffffff); }
        uint32_t objects() const { return (size_bytes(first) != 0) + (size_bytes(last) != 0); }
    };
    static_assert(sizeof(Page) == 32);

    static constexpr uint32_t chunks_of(uint32_t size_bytes) { return (size_bytes + chunk_bytes - 1) / chunk_bytes; }

  public:
    explicit Zbud(Options options = {}) : options_(options) {}

    bool has_room(uint32_t size_bytes) const {
        const uint32_t c = chunks_of(size_bytes);
        return c <= usable_chunks && unbuddied_.fitting(c);
    }

    // size_bytes includes the 8-byte swap header of the kernels where zbud evicts; adding it is the caller's affair.
    // The object is not resident. Fails with −EINVAL (nothing asked for) or −ENOSPC (too large for any page). `own`: a new page,
    // whatever room there is.
    Allocation alloc(uint32_t size_bytes, SwapEntry entry, bool own = false) {
        if (size_bytes == 0) return {{}, -e_inval};
        if (size_bytes > largest_bytes) return {{}, -e_nospc};
        const uint32_t c = chunks_of(size_bytes);
        Page* page;
        uint32_t position = first;
        if (const uint64_t fitting = unbuddied_.fitting(c); fitting && !own) {
            const auto list = static_cast<uint32_t>(std::countr_zero(fitting));
            page = unbuddied_.pop(list);
            ++cost_->headers_read;
            position = page->size_bytes(first) != 0;
            ++buddied_[list - c];
        } else {
            page = pages_.make();
            page->id = next_page_id_++;
            ++usage_.pages;
            unbuddied_.push(usable_chunks - c, page);
        }
        page->add(position, size_bytes);
        page->entries[position] = entry;
        page->stamp = next_stamp();
        usage_.objects += 1;
        usage_.asked_bytes += size_bytes;
        usage_.used_bytes += c * chunk_bytes;
        return {Location(page, position), 0};
    }

    // The page keeps its place in the LRU.
    void free(Location location) {
        Page* page = location.descriptor<Page>();
        const uint32_t position = location.position();
        ++cost_->headers_read;
        const uint32_t size_bytes = page->size_bytes(position);
        usage_.objects -= 1;
        usage_.asked_bytes -= size_bytes;
        usage_.used_bytes -= chunks_of(size_bytes) * chunk_bytes;
        if (page->under_reclaim()) [[unlikely]] {
            page->take(position);
            return;
        }
        const uint32_t free_chunks = page->free_chunks();
        if (page->buddied()) {
            --buddied_[free_chunks];
            page->take(position);
            unbuddied_.push(free_chunks + chunks_of(size_bytes), page);
        } else {
            unbuddied_.remove(free_chunks, page);
            page->take(position);
            release(page);
        }
    }

    // One attempt to free a page, in steps, because other tasks allocate and free while an object is being written out:
    // evict victim(), say how it went with result(), until victim() is empty; then error() is 0, −EINVAL or −EAGAIN.
    //
    //      take the LRU's tail ──▶ victim: first, then last ──▶ all gone: page freed, 0
    //             ▲                        │ refused, or something is left
    //             └── retries left ── back on its list and at the LRU's head ── no retries left: −EAGAIN
    //
    // A successful eviction has freed the object through free(). The victims are those the page had when it was taken:
    // one that somebody else has freed meanwhile still comes up (size 0), as the kernel's reclaimer still calls for it.
    class Reclaim {
      public:
        Reclaim(Zbud& pool, uint32_t retries) : pool_(pool), retries_(retries) {
            if (retries_ && pool_.usage_.pages > pool_.reclaimed_.size())
                take();
            else
                error_ = -e_inval;
        }
        // Given up half-way, by a recording that begins another: the page goes back.
        ~Reclaim() {
            if (page_) pool_.end_reclaim(page_);
        }
        Reclaim(const Reclaim&) = delete;
        Reclaim& operator=(const Reclaim&) = delete;

        Location victim() const {
            return page_ ? Location(page_, static_cast<uint32_t>(std::countr_zero(remaining_))) : Location();
        }

        void result(bool evicted) {
            remaining_ &= remaining_ - 1;
            if (evicted && remaining_) return;
            const bool freed = pool_.end_reclaim(page_);
            page_ = nullptr;
            if (freed) return;
            if (--retries_)  // the page itself is there to be taken again, if no other is
                take();
            else
                error_ = -e_again;
        }

        int error() const { return error_; }

      private:
        void take() {
            page_ = pool_.begin_reclaim();
            remaining_ = (page_->size_bytes(first) ? 1u << first : 0) | (page_->size_bytes(last) ? 1u << last : 0);
        }

        Zbud& pool_;
        Page* page_ = nullptr;
        uint32_t remaining_ = 0;  // one bit a position still to be evicted
        uint32_t retries_;
        int error_ = 0;
    };

    // All steps at once: evict(Location) → bool frees the object through free() where it succeeds.
    template <class Evict>
    int reclaim(uint32_t retries, Evict&& evict) {
        Reclaim attempt(*this, retries);
        while (Location victim = attempt.victim()) attempt.result(evict(victim));
        return attempt.error();
    }

    uint32_t size(Location location) const { return location.descriptor<Page>()->size_bytes(location.position()); }
    // An object is read: where it is follows from the handle alone, and the header has the length, unless zswap's entry has.
    void map(Location, bool length_known) const { cost_->headers_read += !length_known; }
    SwapEntry entry(Location location) const { return location.descriptor<Page>()->entries[location.position()]; }
    // A number given to each page when it is taken, never again to another.
    uint64_t page_id(Location location) const { return location.descriptor<Page>()->id; }

    // Whether the slot also has a page in the swap cache, which makes its eviction pointless.
    bool is_resident(Location location) const {
        return location.descriptor<Page>()->bits & Page::resident_bit(location.position());
    }
    void set_resident(Location location, bool resident) {
        Page* page = location.descriptor<Page>();
        const uint32_t bit = Page::resident_bit(location.position());
        page->bits = resident ? page->bits | bit : page->bits & ~bit;
    }

    // The page's other object; empty when it has none.
    Location buddy(Location location) const {
        const Page* page = location.descriptor<Page>();
        const uint32_t other = 1 - location.position();
        return page->size_bytes(other) ? Location(page, other) : Location();
    }

    // v3 of the series: a slot names the page, and the slots that its header names are compared with the one asked for.
    Location find_in_page(Location page_of, SwapEntry entry) const {
        const Page* page = page_of.descriptor<Page>();
        for (Position position : {first, last})
            if (page->size_bytes(position) && page->entries[position] == entry) return Location(page, position);
        return {};
    }

    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        pages_.visit_from(number, [&](const Page* page) {  // an emptied page has no sizes, whatever else it still says
            return (!page->size_bytes(first) || visit(Location(page, first))) &&
                   (!page->size_bytes(last) || visit(Location(page, last)));
        });
    }

    bool movable() const { return options_.movable; }
    void on_move(OnMove told) { on_move_ = std::move(told); }

    // The contents go to a new page, which takes the old one's place on every list.
    Migration migrate(Location location) {
        Page* page = location.descriptor<Page>();
        const uint32_t objects = page->objects();
        if (!options_.movable) return {-e_busy};
        if (page->references() != objects) return {-e_again};
        cost_->headers_read += objects;  // whose slots name the page
        Page* moved = pages_.make();
        *moved = *page;
        moved->id = next_page_id_++;
        oldest_.replace(page, moved);
        if (!page->buddied()) unbuddied_.replace(page->free_chunks(), page, moved);
        *page = {};
        pages_.release(page);
        for (Position position : {first, last})
            if (moved->size_bytes(position) && on_move_) on_move_(moved->entries[position], Location(moved, position));
        return {0, objects, Location(moved, location.position())};
    }

    uint64_t pages() const { return usage_.pages; }
    PoolUsage usage() const {
        PoolUsage usage = usage_;
        usage.movable_pages = options_.movable ? usage.pages - reclaimed_.size() : 0;
        return usage;
    }

    // Pages by free chunks, whatever list they are on or off; not those emptied but still under reclaim.
    std::vector<ClassRow> classes() const {
        std::array<uint64_t, usable_chunks> pages = buddied_, objects;
        for (uint32_t i = 0; i < usable_chunks; ++i) {
            objects[i] = 2 * pages[i] + unbuddied_.size(i);
            pages[i] += unbuddied_.size(i);
        }
        for (const Page* page : reclaimed_)
            if (!page->empty()) {
                pages[page->free_chunks()] += 1;
                objects[page->free_chunks()] += page->objects();
            }
        std::vector<ClassRow> rows;
        for (uint32_t i = 0; i < usable_chunks; ++i)
            if (pages[i]) rows.push_back({.free_chunks = i, .pages = pages[i], .objects_used = objects[i]});
        return rows;
    }

    // The gap that a page leaves on its stack is only written, which nobody waits for.
    static constexpr int warm_steps = 1;
    void warm(Location location, int, bool) const { prefetch_to_write(location.descriptor<Page>()); }
    static constexpr int warm_alloc_steps = 1;
    void warm_alloc(uint32_t size_bytes) const {
        const uint32_t c = chunks_of(size_bytes);
        if (const uint64_t fitting = c < usable_chunks ? unbuddied_.fitting(c) : 0)
            prefetch_to_write(unbuddied_.top(static_cast<uint32_t>(std::countr_zero(fitting))));
    }

    void check() const;
    void charge(Cost& cost) { cost_ = &cost; }

  private:
    // Stamps are 32 bits: when they run out, every page gets a new one, in the same order.
    uint32_t next_stamp() {
        if (++stamp_ == 0) [[unlikely]] stamp_ = oldest_.renumber(pages_) + 1;
        return stamp_;
    }

    void enlist(Page* page) {
        const uint32_t i = page->free_chunks();
        if (page->buddied()) ++buddied_[i];
        else unbuddied_.push(i, page);
    }

    // Before the sizes change.
    void unlist(Page* page) {
        const uint32_t i = page->free_chunks();
        if (page->buddied()) --buddied_[i];
        else unbuddied_.remove(i, page);
    }

    Page* begin_reclaim() {
        Page* page = oldest_.take(pages_);
        ++cost_->headers_read;
        unlist(page);
        page->bits += Page::reclaim_bit + Page::reference;
        reclaimed_.push_back(page);
        return page;
    }

    // True: nothing was left in it.
    bool end_reclaim(Page* page) {
        page->bits -= Page::reclaim_bit + Page::reference;
        std::erase(reclaimed_, page);
        if (page->empty()) {
            release(page);
            return true;
        }
        enlist(page);
        page->stamp = next_stamp();
        return false;
    }

    void release(Page* page) {
        page->stamp = 0;
        pages_.release(page);
        --usage_.pages;
    }

    Options options_;
    Arena<Page> pages_;
    ZbudUnbuddied<Page> unbuddied_;
    std::array<uint64_t, usable_chunks> buddied_{};  // pages with both buddies, by free chunks
    uint32_t stamp_ = 0;
    ZbudOldest<Page> oldest_;
    std::vector<Page*> reclaimed_;  // pages under reclaim
    PoolUsage usage_;
    uint32_t next_page_id_ = 0;  // wraps: four billion pages taken are far apart
    OnMove on_move_;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

static_assert(Pool<Zbud>);

}  // namespace zreplay
