// z3fold: up to three objects a page, or one that leaves no room for a header. Kernel-model section 4, as in 6.1.
//
//      byte 0     128                                              4096
//      | 2 chunks | first →   [ start_middle: middle ]        ← last |
//      | headless: one object of 3905 to 4096 bytes                  |
//
// Pages with room are listed by CPU and by free chunks. Freeing an object queues the page's compaction work, which
// moves a lone object into another page, or tidies up inside the page. Until the work has run the page stays where its
// old free chunks put it, and an allocation that meets it there takes it off the lists and looks on: its room cannot be
// used. So what the pool holds depends on when the work runs. `immediate` runs it at the end of the call that queued
// it, `deferred` when run_work() is called, and before any page is taken for reclaim.
//
// A location is a handle cell, since objects move; position() says where one is now. A handle that has moved to another
// page is foreign there; a page holding one is neither reclaimed nor migrated nor emptied by compaction. As an object's
// first home is released in the moment it moves, foreign means: has moved.
//
// refs: objects, one for pending work, one while under reclaim; a page goes when it has none, so an empty page with
// work pending stays. claimed: somebody has plans for the page; nobody else allocates from it, compacts it or takes it.
// Migration in 6.1.190 copies the flag to the new page and never clears it: such a page only waits for its objects to
// go.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "list.hpp"
#include "pool/frames.hpp"
#include "pool/pool.hpp"
#include "prefetch.hpp"

namespace zreplay {

struct Z3foldOptions {  // the defaults are 6.1's, with work that takes no time
    bool deferred_work = false;
    uint32_t cpus = 1;                     // 1 to 127
    bool claimed_after_migration = true;  // the flag migration never clears
    bool frames = false;  // objects are named by page and position (frames.hpp), not by handle cells
};

class Z3fold {
  public:
    static constexpr std::string_view name = "z3fold";
    static constexpr std::string_view summary =
        "up to three objects a page, compacted in the background; evicts by its own LRU";
    static constexpr bool evictable = true;
    static constexpr bool locations_move = false;

    using Options = Z3foldOptions;

    static constexpr uint32_t chunk_bytes = 64, page_chunks = 64, header_chunks = 2;
    static constexpr uint32_t usable_chunks = page_chunks - header_chunks;
    static constexpr uint32_t largest_with_header_bytes = page_bytes - (header_chunks + 1) * chunk_bytes;
    static constexpr uint32_t gap_worth_moving_chunks = 3;
    enum Position : uint8_t { first, middle, last, headless };

  private:
    struct Page;

    // A slots object: the cells of the objects that were allocated in a page. It lives until none of them is in use, also
    // when they have moved elsewhere; a page left without one gets a new one at its next allocation.
    struct Home {
        Page* page = nullptr;
        uint64_t cells = 0;
    };

    struct alignas(16) Handle {
        Page* page = nullptr;
        Home* home = nullptr;  // none: headless
        SwapEntry entry;
        uint16_t size_bytes = 0;  // as asked; 0: freed
        Position position = first;
        bool foreign = false;
        bool resident = false;
    };

    struct alignas(16) Page {
        Link<Page> lru;   // of all pages, or of those under reclaim
        Link<Page> list;  // unbuddied_[cpu].lists[listed]
        std::array<Handle*, 3> objects{};  // by position; a headless page has its one in front
        uint64_t id = 0;
        std::array<uint8_t, 3> chunks{};  // 0: unused
        uint8_t start_middle = 0;         // chunks from the page's start
        uint8_t foreign = 0, refs = 0;
        int8_t cpu = -1;     // whose lists it is on or was last put on by add(); −1 once a search has taken it
        int8_t listed = -1;  // which list it is on: its free chunks at the time
        uint8_t tallied_free = 0, tallied_objects = 0;  // how classes() counts it
        uint8_t tallied_movable = 0;
        bool is_headless = false, needs_compacting = false, claimed = false, under_reclaim = false;
        Frame* frame = nullptr;  // with the option
        Home* home = nullptr;

        uint32_t used() const { return (chunks[first] != 0) + (chunks[middle] != 0) + (chunks[last] != 0); }
        // Of the largest hole an object can go into.
        uint32_t free_chunks() const;
        Position slot_for(uint32_t c) const;
    };

    struct UnbuddiedOfCpu {
        std::array<List<Page, &Page::list>, usable_chunks> lists;
        uint64_t nonempty = 0;  // bit i: lists[i] has a page
    };
    using Lru = List<Page, &Page::lru>;

  public:
    // Throws std::invalid_argument for a number of CPUs outside 1 to 127.
    explicit Z3fold(Options options = {});

    // size_bytes includes the 8-byte swap header, as for zbud. Fails with −EINVAL or −ENOSPC.
    Allocation alloc(uint32_t size_bytes, SwapEntry entry);
    void free(Location location);

    // The CPU of the events that follow; with more CPUs in the trace than here, some share.
    void set_cpu(uint32_t cpu) { cpu_ = static_cast<int8_t>(cpu % options_.cpus); }

    // Runs the compaction work that is pending.
    void run_work();

    // As Zbud::Reclaim: evict victim(), say how it went, until there is none; then error() is 0, −EINVAL or −EAGAIN. A
    // page's victims are middle, first and last, those it had when it was taken. One freed meanwhile still comes up,
    // with size 0.
    class Reclaim {
      public:
        Reclaim(Z3fold& pool, uint32_t retries) : pool_(pool), retries_(retries) {
            if (retries_)
                take();
            else
                error_ = -e_inval;
        }
        // Given up half-way, by a recording that begins another: the page goes back.
        ~Reclaim() {
            if (page_) pool_.end_reclaim(page_, false);
        }
        Reclaim(const Reclaim&) = delete;
        Reclaim& operator=(const Reclaim&) = delete;

        Location victim() const { return page_ ? Location(victims_[next_], 0) : Location(); }

        void result(bool evicted) {
            ++next_;
            if (evicted && next_ < count_) return;
            const bool freed = pool_.end_reclaim(page_, evicted);
            page_ = nullptr;
            if (freed) return;
            if (--retries_)
                take();
            else
                error_ = -e_again;
        }

        int error() const { return error_; }

      private:
        void take();

        Z3fold& pool_;
        Page* page_ = nullptr;
        std::array<Handle*, 3> victims_{};
        uint32_t next_ = 0, count_ = 0;
        uint32_t retries_;
        int error_ = 0;
    };

    template <class Evict>
    int reclaim(uint32_t retries, Evict&& evict) {
        Reclaim attempt(*this, retries);
        while (Location victim = attempt.victim()) attempt.result(evict(victim));
        return attempt.error();
    }

    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        handles_.visit_from(number, [&](const Handle* handle) { return !handle->size_bytes || visit(Location(handle, 0)); });
    }

    // The memory manager moves the page the object is in. Refused for a page that is headless, claimed, waiting for
    // work or holding a foreign handle: that one's cell is another page's, which nobody could find. Where slots name
    // pages there is no such cell.
    bool movable() const { return true; }
    Migration migrate(Location location);
    void on_move(OnMove told) { on_move_ = std::move(told); }

    // Where the object is, with `frames`: its page and position (a headless page has one object, the first); and back.
    Place place(Location location) const {
        const Handle* handle = location.descriptor<Handle>();
        return {handle->page->frame, handle->position == headless ? first : handle->position};
    }
    Location object_at(Place place) const {
        return Location(static_cast<const Page*>(place.frame->owner)->objects[place.nth], 0);
    }
    Frame* frame(uint64_t number) const { return frames_.of_number(number); }

    const Moves& moves() const { return moves_; }

    uint32_t size(Location location) const { return location.descriptor<Handle>()->size_bytes; }
    // An object is read: its page's header says where it is.
    void map(Location, bool) const { ++cost_->headers_read; }
    SwapEntry entry(Location location) const { return location.descriptor<Handle>()->entry; }
    uint64_t page_id(Location location) const { return location.descriptor<Handle>()->page->id; }
    Position position(Location location) const { return location.descriptor<Handle>()->position; }
    // Where in its page the object starts.
    uint32_t start_bytes(Location location) const;

    bool is_resident(Location location) const { return location.descriptor<Handle>()->resident; }
    void set_resident(Location location, bool resident) { location.descriptor<Handle>()->resident = resident; }

    uint64_t pages() const { return usage_.pages; }
    PoolUsage usage() const {
        PoolUsage usage = usage_;
        usage.movable_pages = movable_pages_;
        return usage;
    }
    // Handle cells, by the slots objects they are in: 48 bytes aligned to 64.
    uint64_t handle_bytes() const { return 64 * homes_.live(); }
    std::vector<ClassRow> classes() const;  // pages by the chunks of their largest hole

    static constexpr int warm_steps = 2;
    void warm(Location location, int step, bool) const {
        const Handle* handle = location.descriptor<Handle>();
        prefetch_to_write(step == 0 ? static_cast<const void*>(handle) : handle->page);
    }
    static constexpr int warm_alloc_steps = 0;
    void warm_alloc(uint32_t) const {}

    void check() const;
    void charge(Cost& cost) { cost_ = &cost; }

  private:
    struct Work {
        Page* page;
        int8_t cpu;  // where it runs
    };

    Page* find(uint32_t c, int8_t cpu);
    Page* take_head(UnbuddiedOfCpu& of, uint32_t i);
    void add(Page* page, int8_t cpu);
    void delist(Page* page);
    Page* make_page();
    void release(Page* page);
    bool pinned(const Page* page) const;
    void moved(Handle* handle);
    void release(Handle* handle);
    void put(Handle* handle, Page* page, Position position, uint32_t c);
    void take_out(Page* page, Position position);
    void compact_page(Page* page, int8_t cpu);
    bool move_lone_object(Page* page, int8_t cpu);
    void tidy(Page* page);
    Page* begin_reclaim();
    bool end_reclaim(Page* page, bool evicted);
    void tally(Page* page);
    void untally(Page* page);

    Options options_;
    Arena<Page> pages_;
    Arena<Handle> handles_;
    Arena<Home> homes_;
    std::vector<UnbuddiedOfCpu> unbuddied_;
    Lru lru_;
    Lru reclaimed_;  // pages under reclaim
    std::deque<Work> work_;
    int8_t cpu_ = 0;
    std::array<uint64_t, usable_chunks + 1> pages_by_free_{}, objects_by_free_{};
    PoolUsage usage_;
    Moves moves_;
    uint64_t next_page_id_ = 0, movable_pages_ = 0, headless_pages_ = 0;
    Frames frames_;
    OnMove on_move_;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

static_assert(Pool<Z3fold>);

}  // namespace zreplay
