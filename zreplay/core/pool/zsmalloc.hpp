// zsmalloc: objects of equal size packed into chains of pages, found through handle cells. Kernel-model section 5.
//
// A class of objects (zsmalloc_classes.hpp) is served by zspages: 1 to `chain limit` pages cut into equal objects, some
// of which cross from one page into the next.
//
//      location ─▶ handle cell ─▶ zspage | page 0      | page 1      | page 2      |
//                  (zspage, index)       | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |~|
//                        ▲                 │
//                        └─── cell of the object: handle | 1   (free object: index of the next free one << 1)
//
// The first 8 bytes of an object are the cell. Free objects form a stack through their cells, so the one freed last is
// handed out first. (In the 4096-byte class the kernel keeps the handle in the page's descriptor to leave the object
// all its bytes; here it has a cell like any other.) An object moves by rewriting its handle cell; the location given
// out never changes.
//
// Zspages of a class are listed by how full they are. An allocation takes the head of the fullest group that has room.
// A zspage is listed anew only when its group changes; one that has become empty is freed at once. From the kernel's
// list of full zspages nothing is ever taken; here they are on none. Compaction empties the emptiest zspages into the
// fullest. The memory manager may move a page of a zspage: the objects that start in it get their handle cells
// rewritten.
//
// What the kernel's cell says with a page frame number is here the zspage and the number of the object. Length and swap entry,
// which are zswap's or zram's to remember, are beside the handle cell. Zspages and handles know each other by 32-bit numbers, so
// that a zspage of up to twelve objects is one cache line, and its groups are stacks beside it (gap_stack.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arena.hpp"
#include "pool/frames.hpp"
#include "pool/gap_stack.hpp"
#include "pool/pool.hpp"
#include "pool/zsmalloc_classes.hpp"
#include "prefetch.hpp"

namespace zreplay {

// How a class's zspages are listed and compacted. four: empty, almost empty (up to three quarters), almost full, full;
// a zspage with fewer objects than the head of its new group goes second; each source is emptied into as many
// destinations as it takes. twelve (6.4, "zsmalloc: fine-grained inuse ratio based fullness grouping" and "rework
// compaction algorithm"): empty, ten by tenths, full; always at the head; a destination is kept until it is full.
enum class FullnessGroups { four, twelve };

struct ZsmallocOptions {  // the defaults are 6.1's
    bool frames = false;  // objects are named by the pages they start in (frames.hpp), not by handle cells
    ClassRule class_rule = ClassRule::a;
    uint32_t chain_limit = 4;
    FullnessGroups fullness_groups = FullnessGroups::four;
    // The share of a machine's objects that this pool is given, keep/of. Of a sample's pool, pages are counted as the machine's
    // would be, in the same share (Zsmalloc::pages()).
    uint64_t sample_keep = 1, sample_of = 1;
};

class Zsmalloc {
  public:
    static constexpr std::string_view name = "zsmalloc";
    static constexpr std::string_view summary =
        "size classes over chains of pages; objects move, compaction frees pages";
    static constexpr bool evictable = false;
    static constexpr bool locations_move = false;

    using Options = ZsmallocOptions;

    // Throws std::invalid_argument for a chain limit outside 4 to 16.
    explicit Zsmalloc(Options options = {});

    bool has_room(uint32_t size_bytes) const {
        return size_bytes && size_bytes <= page_bytes && classes_[table_.of_request(size_bytes)].nonempty;
    }

    // Fails with −EINVAL: nothing asked for, or more than a page. `own`: a new zspage, whatever room there is.
    Allocation alloc(uint32_t size_bytes, SwapEntry entry, bool own = false) {
        if (size_bytes == 0 || size_bytes > page_bytes) return {{}, -e_inval};
        Class& of = classes_[table_.of_request(size_bytes)];
        Zspage* zspage;
        bool is_new = false;
        if (of.nonempty && !own) {
            zspage = of.groups[fullest(of.nonempty)].head();
            ++cost_->headers_read;
        } else {
            zspage = make_zspage(of);
            is_new = true;
        }
        Handle* handle = handles_.make();
        handle->entry = entry;
        handle->size_bytes = static_cast<uint16_t>(size_bytes);
        place(handle, zspage);
        ++of.objects_used;
        if (is_new)
            enlist(of, zspage);
        else
            regroup(of, zspage);
        usage_.objects += 1;
        usage_.asked_bytes += size_bytes;
        usage_.used_bytes += of.shape.size_bytes;
        if (is_sample_) [[unlikely]] count_excess(of);
        return {Location(handle, 0), 0};
    }

    void free(Location location) {
        Handle* handle = location.descriptor<Handle>();
        Zspage* zspage = zspage_of(handle);
        Class& of = classes_[zspage->of];
        ++cost_->headers_read;
        push_free(zspage, handle->index);
        --of.objects_used;
        usage_.objects -= 1;
        usage_.asked_bytes -= handle->size_bytes;
        usage_.used_bytes -= of.shape.size_bytes;
        if (zspage->in_use == 0) {
            unlist(of, zspage);
            release(of, zspage);
        } else {
            regroup(of, zspage);
        }
        if (is_sample_) [[unlikely]] count_excess(of);
        handle->size_bytes = 0;
        handles_.release(handle);
    }

    // Pages that compaction could free: whole zspages' worth of free objects, class by class.
    uint64_t can_compact() const {
        uint64_t pages = 0;
        for (const Class& of : classes_) pages += can_compact(of);
        return pages;
    }

    // Moves objects until no class could give a zspage back; gives the pages freed.
    uint64_t compact();

    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        handles_.visit_from(number, [&](const Handle* handle) {  // a freed one has no size, whatever else it still says
            return !handle->size_bytes || visit(Location(handle, 0));
        });
    }

    // Smallest request that is given a whole page; zram stores such pages as they are.
    uint32_t huge_bytes() const { return table_.huge_bytes(); }

    // The same in steps, since the kernel lets go of its lock and others may run in between: after each source zspage, with the
    // compaction of 6.4 after each destination that has become full. False: there is nothing left to move.
    class Compaction {
      public:
        explicit Compaction(Zsmalloc& pool) : pool_(pool) {}
        bool step();
        // Whether the next step is certain to show in the count of the pool's pages, or is the last. With four groups each one
        // that does anything does.
        bool next_step_shows() const;
        uint64_t pages_freed() const { return pages_freed_; }

      private:
        Zsmalloc& pool_;
        size_t next_class_ = 0;
        uint64_t pages_freed_ = 0;
    };

    // The memory manager moves the page the object starts in, which is never refused here.
    bool movable() const { return true; }
    Migration migrate(Location location) { return migrate(location, page_of(location)); }
    // Any page of the object's zspage, by its number in it: one in which no object starts has nobody to be told.
    Migration migrate(Location location, uint32_t page);
    uint32_t pages_of(Location location) const { return shape(zspage_of(location.descriptor<Handle>())).pages; }
    uint32_t page_of(Location location) const {
        const Handle* handle = location.descriptor<Handle>();
        return handle->index * shape(zspage_of(handle)).size_bytes / page_bytes;
    }
    uint64_t page_id(Location location, uint32_t page) const { return page_id(zspage_of(location.descriptor<Handle>()), page); }
    void on_move(OnMove told) { on_move_ = std::move(told); }

    // Where the object starts, with `frames`: the page and the object's number among those starting in it; and back.
    Place place(Location location) const {
        const Handle* handle = location.descriptor<Handle>();
        const uint32_t page = page_of(location);
        const Zspage* zspage = zspage_of(handle);
        return {frames_of(zspage)[page], handle->index - first_object(zspage, page)};
    }
    Location object_at(Place place) const {
        const auto* zspage = static_cast<const Zspage*>(place.frame->owner);
        return Location(handle_in(zspage->cells()[first_object(zspage, place.frame->page) + place.nth]), 0);
    }
    Frame* frame(uint64_t number) const { return frames_.of_number(number); }

    const Moves& moves() const { return moves_; }

    uint32_t size(Location location) const { return location.descriptor<Handle>()->size_bytes; }
    // An object is read: its zspage has the size of its class.
    void map(Location, bool) const { ++cost_->headers_read; }
    SwapEntry entry(Location location) const { return location.descriptor<Handle>()->entry; }
    // Number of the page in which the object starts, given when the page was taken and never again to another.
    uint64_t page_id(Location location) const { return page_id(location, page_of(location)); }
    // Index of the object in its zspage.
    uint32_t object_index(Location location) const { return location.descriptor<Handle>()->index; }

    // Of a sample, what is its share of the machine's. A class has one zspage that is being filled, half of it free, in a pool of
    // any size, and a sample's would be scaled up with all the rest.
    uint64_t pages() const { return pages_; }
    PoolUsage usage() const {
        PoolUsage usage = usage_;
        usage.pages = pages_;
        usage.movable_pages = usage.pages;
        return usage;
    }
    uint64_t handle_bytes() const { return 8 * usage_.objects; }  // the cells, in a slab of their own
    std::vector<ClassRow> classes() const;  // those that have zspages, from the smallest

    static constexpr int warm_steps = 2;
    void warm(Location location, int step, bool freeing) const {
        const Handle* handle = location.descriptor<Handle>();
        if (step == 0) return prefetch_to_write(handle);
        if (!freeing) return;
        const Zspage* zspage = zspage_of(handle);
        prefetch_to_write(zspage);
        prefetch_to_write(&zspage->cells()[handle->index]);
    }
    // The zspage that an allocation takes is the head of a list, most often still in the cache.
    static constexpr int warm_alloc_steps = 1;
    void warm_alloc(uint32_t size_bytes) const {
        const Class& of = classes_[table_.of_request(size_bytes <= page_bytes ? size_bytes : page_bytes)];
        if (of.nonempty) prefetch_to_write(of.groups[fullest(of.nonempty)].head());
    }

    void check() const;
    void charge(Cost& cost) { cost_ = &cost; }

  private:
    static constexpr uint32_t most_groups = 12;
    static constexpr uint16_t no_object = 0xffff;

    struct Class;
    struct Zspage;

    struct alignas(16) Handle {
        SwapEntry entry;
        uint32_t zspage = 0;
        uint16_t index = 0;
        uint16_t size_bytes = 0;  // as asked
    };

    // Followed in memory by the cells of its objects, where a handle alone can find them, and, with the option, the frames of its
    // pages. Its pages have numbers from first_page_id on, unless some were moved.
    struct alignas(64) Zspage {
        uint32_t place = 0;  // on the stack of its group
        uint32_t first_page_id = 0;
        uint16_t in_use = 0;
        uint16_t first_free = 0;
        uint8_t of = 0;
        uint8_t group = 0;
        bool pages_moved = false;

        uint32_t* cells() { return reinterpret_cast<uint32_t*>(reinterpret_cast<std::byte*>(this) + header_bytes); }
        const uint32_t* cells() const { return const_cast<Zspage*>(this)->cells(); }
        static constexpr size_t header_bytes = 16;
    };
    using Group = GapStack<Zspage>;

    struct Class {
        SizeClass shape;
        uint64_t zspages = 0;
        uint64_t objects_used = 0;
        uint32_t nonempty = 0;                     // bit g: groups[g] has a zspage
        std::array<Group, most_groups> groups;     // those between empty and full
        std::vector<uint8_t> group_of;             // by objects in use
        std::vector<Zspage*> memory, discarded;    // ever taken; to use again
        int64_t excess = 0;                        // of a sample (count_excess)

        uint64_t objects_allocated() const { return zspages * shape.objects; }
    };

    // A cell: the number of the object's handle, or of the next free object.
    uint32_t cell_of(const Handle* handle) const { return handles_.number(handle) << 1 | 1; }
    Handle* handle_in(uint32_t cell) const { return handles_.at(cell >> 1); }
    Zspage* zspage_of(const Handle* handle) const { return static_cast<Zspage*>(zspages_.at(handle->zspage)); }
    const SizeClass& shape(const Zspage* zspage) const { return classes_[zspage->of].shape; }
    Frame** frames_of(const Zspage* zspage) const {
        const size_t cells = (shape(zspage).objects + 1) / 2 * 2;  // frames are pointers
        return reinterpret_cast<Frame**>(const_cast<uint32_t*>(zspage->cells()) + cells);
    }
    uint64_t page_id(const Zspage* zspage, uint32_t page) const {
        return zspage->pages_moved ? moved_pages_.at(zspage)[page] : zspage->first_page_id + page;
    }

    static uint32_t fullest(uint32_t groups) { return 31 - static_cast<uint32_t>(std::countl_zero(groups)); }
    static uint32_t emptiest(uint32_t groups) { return static_cast<uint32_t>(std::countr_zero(groups)); }

    static uint64_t can_compact(const Class& of) {
        return (of.objects_allocated() - of.objects_used) / of.shape.objects * of.shape.pages;
    }

    void place(Handle* handle, Zspage* zspage) {
        const uint16_t index = zspage->first_free;
        uint32_t& cell = zspage->cells()[index];
        zspage->first_free = static_cast<uint16_t>(cell >> 1);
        cell = cell_of(handle);
        ++zspage->in_use;
        handle->zspage = zspages_.number(zspage);
        handle->index = index;
    }

    void push_free(Zspage* zspage, uint16_t index) {
        zspage->cells()[index] = uint32_t{zspage->first_free} << 1;
        zspage->first_free = index;
        --zspage->in_use;
    }

    void enlist(Class& of, Zspage* zspage) {
        zspage->group = of.group_of[zspage->in_use];
        if (zspage->group == full_group_) return;
        Group& group = of.groups[zspage->group];
        if (fuller_stays_in_front_ && !group.empty() && zspage->in_use < group.head()->in_use)
            group.push_second(zspage);
        else
            group.push(zspage);
        of.nonempty |= 1u << zspage->group;
    }

    void unlist(Class& of, Zspage* zspage) {
        if (zspage->group == full_group_) return;
        Group& group = of.groups[zspage->group];
        group.remove(zspage);
        if (group.empty()) of.nonempty &= ~(1u << zspage->group);
    }

    void regroup(Class& of, Zspage* zspage) {
        if (of.group_of[zspage->in_use] == zspage->group) return;
        unlist(of, zspage);
        enlist(of, zspage);
    }

    // What a sample's class has in pages beyond its share, in 65536ths of a page. As much as one zspage free is the one that is
    // being filled: of the machine's, half is free. More is fragmentation, which there is more of in a larger pool, and half a
    // zspage of it that one.
    [[gnu::noinline]] void count_excess(Class& of) {
        const auto objects = static_cast<int64_t>(of.shape.objects), keep = static_cast<int64_t>(sample_keep_), all = static_cast<int64_t>(sample_of_);
        const auto free = static_cast<int64_t>(of.objects_allocated() - of.objects_used);
        int64_t excess = 0;  // in objects, times 2 · all
        if (of.zspages) excess = free < objects ? 2 * all * free - keep * (objects - 1) : (all - keep) * (objects - 1);
        excess = excess * static_cast<int64_t>(of.shape.pages) * (excess_of_a_page / 2) / (all * objects);
        excess_ += excess - of.excess;
        of.excess = excess;
        pages_ = usage_.pages - static_cast<uint64_t>(std::max<int64_t>(excess_, 0) / excess_of_a_page);
    }

    Zspage* make_zspage(Class& of);
    void release(Class& of, Zspage* zspage);
    Zspage* isolate(Class& of, uint32_t group);
    bool compact_one_source(Class& of);
    bool compact_one_destination(Class& of);
    void move_object(Zspage* source, uint16_t index, Zspage* destination);
    uint64_t check_objects(const Class& of, const Zspage* zspage) const;

    uint32_t first_object(const Zspage* zspage, uint32_t page) const {  // that starts in the page
        return (page * page_bytes + shape(zspage).size_bytes - 1) / shape(zspage).size_bytes;
    }

    ClassTable table_;
    std::vector<Class> classes_;  // as in table_: from the largest
    bool fuller_stays_in_front_;  // four groups
    uint32_t full_group_;         // the last group; group 0 is the empty
    Arena<Handle> handles_;
    LineArena zspages_;
    PoolUsage usage_;
    static constexpr int64_t excess_of_a_page = 1 << 16;
    bool is_sample_;
    uint64_t sample_keep_, sample_of_;
    int64_t excess_ = 0;  // of all classes
    uint64_t pages_ = 0;  // pages(): asked for at every event
    Moves moves_;
    uint32_t next_page_id_ = 0;  // wraps: four billion pages taken are far apart
    std::unordered_map<const Zspage*, std::vector<uint64_t>> moved_pages_;  // numbers of the pages of those with some moved
    bool with_frames_;
    Frames frames_;
    OnMove on_move_;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

static_assert(Pool<Zsmalloc>);

}  // namespace zreplay
