// The pools, slow and obvious: the references of tests/core/reference_pool_*.py said in C++, for campaigns of more
// operations than Python makes. Pages and objects are kept until the round ends, so that one that is gone can be asked.
//
// Each has: alloc(size) → Object* or errno; free(Object*); pages(); place(Object*). What it can beside that, it has
// methods for: Reclaim (as the engine's: victim(), result(), error()), compact(), can_compact(), migrate(), run_work(), set_cpu().
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "pool/z3fold.hpp"
#include "pool/zbud.hpp"
#include "pool/zsmalloc.hpp"

namespace lockstep {

using namespace zreplay;

struct Place {
    uint64_t page = 0, nth = 0, start_bytes = 0;
    friend bool operator==(const Place&, const Place&) = default;
};

template <class Object>
struct Made {
    Object* object = nullptr;
    int error = 0;
};

template <class T>
bool remove(std::vector<T*>& from, T* what) {
    const auto found = std::ranges::find(from, what);
    if (found == from.end()) return false;
    from.erase(found);
    return true;
}
template <class T>
void put_first(std::vector<T*>& into, T* what) {
    into.insert(into.begin(), what);
}
template <class T>
T* take_first(std::vector<T*>& from) {
    T* what = from.front();
    from.erase(from.begin());
    return what;
}

inline uint32_t chunks_of(uint32_t size_bytes) { return (size_bytes + 63) / 64; }

// ---- zbud ----

class ReferenceZbud {
  public:
    struct Page {
        uint64_t id;
        std::array<uint32_t, 2> chunks{};  // of first and last; 0: unused
        bool under_reclaim = false;
        uint32_t free_chunks() const { return 63 - chunks[0] - chunks[1]; }
        bool empty() const { return !chunks[0] && !chunks[1]; }
    };
    struct Object {
        Page* page;
        uint32_t position;
    };

    explicit ReferenceZbud(ZbudOptions options) : movable_(options.movable) {}

    uint64_t pages() const { return pages_; }
    Place place(const Object& object) const { return {object.page->id, object.position}; }

    Made<Object> alloc(uint32_t size_bytes) {
        if (size_bytes == 0) return {nullptr, -e_inval};
        if (size_bytes > 3968) return {nullptr, -e_nospc};
        const uint32_t c = chunks_of(size_bytes);
        Page* page = nullptr;
        for (uint32_t i = c; i < 63 && !page; ++i)
            if (!unbuddied_[i].empty()) page = take_first(unbuddied_[i]);
        if (page) {
            remove(lru_, page);
        } else {
            page = &all_pages_.emplace_back(Page{taken_++});
            ++pages_;
        }
        const uint32_t position = page->chunks[0] ? 1 : 0;
        page->chunks[position] = c;
        enlist(page);
        put_first(lru_, page);
        return {&all_.emplace_back(Object{page, position})};
    }

    void free(Object* object) {
        Page* page = object->page;
        page->chunks[object->position] = 0;
        if (page->under_reclaim) return;
        delist(page);
        if (!page->empty()) return enlist(page);
        remove(lru_, page);
        --pages_;
    }

    class Reclaim {
      public:
        Reclaim(ReferenceZbud& pool, uint32_t retries) : pool_(pool), retries_(retries) {
            if (pool_.lru_.empty() || !retries) error_ = -e_inval;
            else take();
        }
        std::optional<Place> victim() const {
            if (!page_) return {};
            return Place{page_->id, victims_.front()};
        }
        void result(bool evicted) {
            victims_.erase(victims_.begin());
            if (evicted && !victims_.empty()) return;
            victims_.clear();
            Page* page = page_;
            page_ = nullptr;
            page->under_reclaim = false;
            if (page->empty()) {
                --pool_.pages_;
                return;
            }
            pool_.enlist(page);
            put_first(pool_.lru_, page);
            if (--retries_) take();
            else error_ = -e_again;
        }
        int error() const { return error_; }

      private:
        void take() {
            page_ = pool_.lru_.back();
            pool_.lru_.pop_back();
            pool_.delist(page_);
            page_->under_reclaim = true;
            for (uint32_t position : {0u, 1u})
                if (page_->chunks[position]) victims_.push_back(position);
        }
        ReferenceZbud& pool_;
        uint32_t retries_;
        Page* page_ = nullptr;
        std::vector<uint32_t> victims_;
        int error_ = 0;
    };

    // The objects in the page; none: refused.
    std::optional<uint32_t> migrate(Object* object) {
        Page* page = object->page;
        if (!movable_ || page->under_reclaim) return {};
        page->id = taken_++;
        return (page->chunks[0] > 0) + (page->chunks[1] > 0);
    }

  private:
    void enlist(Page* page) {
        if (!page->chunks[0] || !page->chunks[1]) put_first(unbuddied_[page->free_chunks()], page);
    }
    void delist(Page* page) {
        for (auto& pages : unbuddied_)
            if (remove(pages, page)) return;
    }

    const bool movable_;
    uint64_t taken_ = 0, pages_ = 0;
    std::deque<Page> all_pages_;
    std::deque<Object> all_;
    std::vector<Page*> lru_;
    std::array<std::vector<Page*>, 64> unbuddied_;
};

// ---- z3fold ----

class ReferenceZ3fold {
  public:
    enum : uint32_t { first, middle, last, headless };
    struct Page;
    struct Object {
        Page* page;
        uint32_t position, chunks;
        bool foreign = false;
    };
    struct Page {
        uint64_t id;
        std::array<Object*, 4> objects{};
        uint32_t start_middle = 0, references = 1;
        int cpu = -1;
        bool pending = false, claimed = false;

        uint32_t chunks(uint32_t position) const { return objects[position] ? objects[position]->chunks : 0; }
        uint32_t used() const { return static_cast<uint32_t>(4 - std::ranges::count(objects, nullptr)); }
        bool foreign() const {
            return std::ranges::any_of(objects, [](const Object* held) { return held && held->foreign; });
        }
        uint32_t hole_before() const { return objects[first] ? 0 : start_middle - 2; }
        uint32_t hole_after() const { return objects[last] ? 0 : 64 - (start_middle + chunks(middle)); }
        uint32_t free_chunks() const {
            return objects[middle] ? std::max(hole_before(), hole_after()) : 62 - chunks(first) - chunks(last);
        }
    };

    explicit ReferenceZ3fold(Z3foldOptions options) : options_(options), lists_(options.cpus) {}

    uint64_t pages() const { return pages_; }
    Place place(const Object& object) const {
        const uint32_t starts[] = {2, object.page->start_middle, 64 - object.chunks, 0};
        return {object.page->id, object.position, uint64_t{starts[object.position]} * 64};
    }
    void set_cpu(uint32_t cpu) { cpu_ = static_cast<int>(cpu % options_.cpus); }

    Made<Object> alloc(uint32_t size_bytes) {
        if (size_bytes == 0) return {nullptr, -e_inval};
        if (size_bytes > 4096) return {nullptr, -e_nospc};
        Page* page;
        Object* made;
        if (size_bytes > 3904) {
            page = new_page();
            made = &all_.emplace_back(Object{page, headless, 64});
            page->objects[headless] = made;
        } else {
            const uint32_t c = chunks_of(size_bytes);
            page = find(c, cpu_);
            if (!page) page = new_page();
            made = &all_.emplace_back(Object{page, first, c});
            put(made, page);
            add(page, cpu_);
        }
        remove(lru_, page);
        put_first(lru_, page);
        return {made};
    }

    void free(Object* object) {
        Page* page = object->page;
        if (page->objects[headless]) {
            if (!page->claimed) discard(page);
            return;
        }
        page->objects[object->position] = nullptr;
        if (--page->references == 0) return discard(page);
        if (page->claimed || page->pending) return;
        page->pending = true;
        ++page->references;
        if (page->cpu < 0) compact_page(page, cpu_);
        else queue(page, page->cpu);
    }

    void run_work() {
        while (!work_.empty()) {
            const auto [page, cpu] = work_.front();
            work_.pop_front();
            compact_page(page, cpu);
        }
    }

    class Reclaim {
      public:
        Reclaim(ReferenceZ3fold& pool, uint32_t retries) : pool_(pool), retries_(retries) {
            if (retries) take();
            else error_ = -e_inval;
        }
        std::optional<Place> victim() const {
            if (!page_) return {};
            return pool_.place(*victims_.front());
        }
        void result(bool evicted) {
            victims_.erase(victims_.begin());
            if (evicted && !victims_.empty()) return;
            victims_.clear();
            Page* page = page_;
            page_ = nullptr;
            page->claimed = false;
            --page->references;
            put_first(pool_.lru_, page);
            if (page->objects[headless] ? evicted : page->references == 0) return pool_.discard(page);
            if (!page->objects[headless]) pool_.add(page, pool_.cpu_);
            if (--retries_) take();
            else error_ = -e_again;
        }
        int error() const { return error_; }

      private:
        void take() {
            pool_.run_work();
            if (pool_.lru_.empty()) {
                error_ = -e_inval;
                return;
            }
            const auto page = std::find_if(pool_.lru_.rbegin(), pool_.lru_.rend(), [](const Page* p) { return !p->claimed && !p->foreign(); });
            if (page == pool_.lru_.rend()) {
                error_ = -e_again;
                return;
            }
            page_ = *page;
            remove(pool_.lru_, page_);
            pool_.delist(page_);
            page_->cpu = -1;
            page_->claimed = true;
            ++page_->references;
            for (uint32_t position : {middle, first, last, headless})
                if (page_->objects[position]) victims_.push_back(page_->objects[position]);
        }
        ReferenceZ3fold& pool_;
        uint32_t retries_;
        Page* page_ = nullptr;
        std::vector<Object*> victims_;
        int error_ = 0;
    };

    std::optional<uint32_t> migrate(Object* object) {
        Page* page = object->page;
        if (page->objects[headless] || page->pending || page->claimed || page->foreign()) return {};
        delist(page);
        page->id = taken_++;
        remove(lru_, page);
        put_first(lru_, page);
        page->cpu = cpu_;
        page->claimed = options_.claimed_after_migration;
        page->pending = true;
        ++page->references;
        const uint32_t handles = page->used();
        queue(page, cpu_);
        return handles;
    }

  private:
    Page* new_page() {
        ++pages_;
        return &all_pages_.emplace_back(Page{.id = taken_++});
    }
    void delist(Page* page) {
        for (auto& lists : lists_)
            for (auto& pages : lists) remove(pages, page);
    }
    void add(Page* page, int cpu) {
        if (page->used() >= 3) return;
        put_first(lists_[static_cast<size_t>(cpu)][page->free_chunks()], page);
        page->cpu = cpu;
    }
    void discard(Page* page) {
        delist(page);
        remove(lru_, page);
        --pages_;
    }
    Page* take(std::vector<Page*>& pages) {
        Page* page = take_first(pages);
        page->cpu = -1;
        if (page->pending || page->claimed) return nullptr;
        ++page->references;
        return page;
    }
    Page* find(uint32_t c, int cpu) {
        auto& own = lists_[static_cast<size_t>(cpu)];
        for (uint32_t i = c; i < 62;) {
            if (own[i].empty()) {
                ++i;
                continue;
            }
            if (Page* page = take(own[i])) return page;
            i = c;
        }
        for (auto& lists : lists_)
            if (c < 62 && !lists[c].empty())
                if (Page* page = take(lists[c])) return page;
        return nullptr;
    }
    void put(Object* moved, Page* page) {
        uint32_t position;
        if (page->objects[middle]) position = !page->objects[first] && moved->chunks <= page->hole_before() ? first : last;
        else position = !page->objects[first] ? first : !page->objects[last] ? last : middle;
        if (position == middle) page->start_middle = 2 + page->chunks(first);
        page->objects[position] = moved;
        moved->page = page;
        moved->position = position;
    }
    void queue(Page* page, int cpu) {
        work_.emplace_back(page, cpu);
        if (!options_.deferred_work) run_work();
    }
    void compact_page(Page* page, int cpu) {
        page->pending = false;
        delist(page);
        if (--page->references == 0) return discard(page);
        if (page->claimed) return;
        if (!page->foreign() && page->used() == 1) {
            Object* lone = *std::ranges::find_if(page->objects, [](const Object* held) { return held != nullptr; });
            if (Page* target = find(lone->chunks, cpu)) {
                put(lone, target);
                lone->foreign = !options_.frames;  // where slots name pages there are no handle cells
                add(target, cpu);
                return discard(page);
            }
        }
        tidy(page);
        add(page, cpu);
    }
    void tidy(Page* page) {
        const bool has_first = page->objects[first], has_middle = page->objects[middle], has_last = page->objects[last];
        if (!has_middle) return;
        const uint32_t before = page->start_middle - 2 - page->chunks(first);
        const uint32_t after = 64 - page->chunks(last) - page->start_middle - page->chunks(middle);
        if (!has_first && !has_last) {
            page->objects[first] = page->objects[middle];
            page->objects[first]->position = first;
            page->objects[middle] = nullptr;
        } else if (has_first && !has_last && before >= 3) {
            page->start_middle -= before;
        } else if (!has_first && has_last && after >= 3) {
            page->start_middle += after;
        }
    }

    const Z3foldOptions options_;
    int cpu_ = 0;
    uint64_t taken_ = 0, pages_ = 0;
    std::deque<Page> all_pages_;
    std::deque<Object> all_;
    std::vector<Page*> lru_;
    std::vector<std::array<std::vector<Page*>, 63>> lists_;
    std::deque<std::pair<Page*, int>> work_;
};

// ---- zsmalloc ----

class ReferenceZsmalloc {
  public:
    struct Zspage;
    struct Object {
        uint32_t size_class;
        Zspage* zspage;
        uint32_t index;
    };
    struct Zspage {
        std::vector<uint64_t> page_ids;
        std::vector<Object*> slots;
        std::vector<uint32_t> free;
        int group = -1;
        uint32_t in_use() const { return static_cast<uint32_t>(slots.size() - free.size()); }
    };

    explicit ReferenceZsmalloc(ZsmallocOptions options) : twelve_(options.fullness_groups == FullnessGroups::twelve) {
        for (int group = 1; group <= (twelve_ ? 10 : 2); ++group) upward_.push_back(group);
        downward_.assign(upward_.rbegin(), upward_.rend());
        std::map<uint32_t, std::pair<uint32_t, uint32_t>> shapes;
        for (uint32_t size = 32; size <= 4096; size += 16) shapes[size] = shape(size, options.class_rule, options.chain_limit);
        for (const auto& [size, shape] : shapes)
            if (!shapes.contains(size + 16) || shapes[size + 16] != shape) classes_[size] = {shape.first, shape.second, {}};
    }

    uint64_t pages() const { return pages_; }
    Place place(const Object& object) const {
        return {object.zspage->page_ids[object.index * object.size_class / 4096], object.index};
    }

    Made<Object> alloc(uint32_t size_bytes) {
        if (size_bytes < 1 || size_bytes > 4096) return {nullptr, -e_inval};
        auto& [size_class, of] = *classes_.lower_bound(std::min(size_bytes + 8, 4096u));
        Zspage* zspage = nullptr;
        for (int group : downward_)
            if (!zspage && !of.groups[group].empty()) zspage = of.groups[group].front();
        if (!zspage) {
            zspage = &all_zspages_.emplace_back();
            for (uint32_t k = 0; k < of.pages; ++k) zspage->page_ids.push_back(taken_++);
            zspage->slots.resize(of.objects);
            for (uint32_t k = of.objects; k-- > 0;) zspage->free.push_back(k);
            pages_ += of.pages;
        }
        Object* made = &all_.emplace_back(Object{size_class, zspage, 0});
        put(made, zspage);
        regroup(of, zspage);
        return {made};
    }

    void free(Object* object) {
        take_out(object);
        regroup(classes_.at(object->size_class), object->zspage);
    }

    uint64_t can_compact() const {
        uint64_t pages = 0;
        for (const auto& [size, of] : classes_) pages += can_compact(of, nullptr);
        return pages;
    }
    uint64_t compact() {
        const uint64_t before = pages_;
        for (auto of = classes_.rbegin(); of != classes_.rend(); ++of) {
            if (twelve_) compact_in_pairs(of->second);
            else
                while (compact_one_source(of->second)) {}
        }
        return before - pages_;
    }

    std::optional<uint32_t> migrate(Object* object) {
        const uint32_t page = object->index * object->size_class / 4096;
        object->zspage->page_ids[page] = taken_++;
        return static_cast<uint32_t>(std::ranges::count_if(object->zspage->slots, [&](const Object* slot) {
            return slot && slot->index * object->size_class / 4096 == page;
        }));
    }

  private:
    struct Class {
        uint32_t pages = 0, objects = 0;
        std::array<std::vector<Zspage*>, 12> groups;
    };

    // Pages and objects of a zspage of a raw class.
    static std::pair<uint32_t, uint32_t> shape(uint32_t size, ClassRule rule, uint32_t limit) {
        uint32_t pages = 1;
        auto percent = [&](uint32_t k) { return (4096 * k - 4096 * k % size) * 100 / (4096 * k); };
        for (uint32_t k = 2; k <= limit; ++k) {
            if (rule == ClassRule::a && percent(k) > percent(pages)) pages = k;
            if (rule == ClassRule::b && !std::has_single_bit(size) && 4096 * k % size < 4096 * pages % size) pages = k;
        }
        return {pages, 4096 * pages / size};
    }

    int group_of(const Zspage* zspage) const {
        const auto used = zspage->in_use(), objects = static_cast<uint32_t>(zspage->slots.size());
        if (used == 0) return 0;
        if (twelve_) return used == objects ? 11 : static_cast<int>(100 * used / objects / 10 + 1);
        if (used == objects) return 3;
        return used <= 3 * objects / 4 ? 1 : 2;
    }
    void enlist(Class& of, Zspage* zspage) {
        zspage->group = group_of(zspage);
        auto& zspages = of.groups[static_cast<size_t>(zspage->group)];
        const bool second = !twelve_ && !zspages.empty() && zspage->in_use() < zspages.front()->in_use();
        zspages.insert(zspages.begin() + (second ? 1 : 0), zspage);
    }
    static Zspage* take(Class& of, const std::vector<int>& order) {
        for (int group : order)
            if (!of.groups[static_cast<size_t>(group)].empty()) return take_first(of.groups[static_cast<size_t>(group)]);
        return nullptr;
    }
    static void put(Object* moved, Zspage* zspage) {
        moved->zspage = zspage;
        moved->index = zspage->free.back();
        zspage->free.pop_back();
        zspage->slots[moved->index] = moved;
    }
    static void take_out(Object* object) {
        object->zspage->slots[object->index] = nullptr;
        object->zspage->free.push_back(object->index);
    }
    void regroup(Class& of, Zspage* zspage) {
        if (zspage->group != group_of(zspage)) {
            if (zspage->group >= 0) remove(of.groups[static_cast<size_t>(zspage->group)], zspage);
            enlist(of, zspage);
        }
        if (!zspage->in_use()) discard(of, zspage);
    }
    void discard(Class& of, Zspage* zspage) {
        remove(of.groups[0], zspage);
        pages_ -= zspage->page_ids.size();
    }

    // `off_lists`: one that is in somebody's hands.
    static uint64_t can_compact(const Class& of, const Zspage* off_lists) {
        uint64_t unused = off_lists ? off_lists->free.size() : 0;
        for (const auto& group : of.groups)
            for (const Zspage* zspage : group) unused += zspage->free.size();
        return unused / of.objects * of.pages;
    }
    static void move_all(Zspage* source, Zspage* destination) {
        for (Object* moved : std::vector<Object*>(source->slots)) {
            if (!moved) continue;
            if (destination->free.empty()) return;
            take_out(moved);
            put(moved, destination);
        }
    }
    void put_back(Class& of, Zspage* zspage) {
        enlist(of, zspage);
        if (!zspage->in_use()) discard(of, zspage);
    }
    void compact_in_pairs(Class& of) {
        Zspage* destination = nullptr;
        while (can_compact(of, destination)) {
            if (!destination) destination = take(of, downward_);
            Zspage* source = take(of, upward_);
            if (!destination || !source) {
                if (source) put_back(of, source);
                break;
            }
            move_all(source, destination);
            put_back(of, source);
            if (!destination->free.empty()) continue;
            put_back(of, destination);
            destination = nullptr;
        }
        if (destination) put_back(of, destination);
    }
    bool compact_one_source(Class& of) {
        Zspage* source = take(of, upward_);
        if (!source) return false;
        Zspage* destination = nullptr;
        if (can_compact(of, source))
            while (source->in_use()) {
                if (destination) enlist(of, destination);
                destination = take(of, downward_);
                if (!destination) break;
                move_all(source, destination);
            }
        if (destination) enlist(of, destination);
        put_back(of, source);
        return !source->in_use();
    }

    const bool twelve_;
    std::vector<int> upward_, downward_;  // the groups with room, from the emptiest and from the fullest
    std::map<uint32_t, Class> classes_;   // by size
    uint64_t taken_ = 0, pages_ = 0;
    std::deque<Zspage> all_zspages_;
    std::deque<Object> all_;
};

// ---- the bounds ----

struct NoOptions {};

template <bool cuts_objects>
class ReferenceIdeal {
  public:
    struct Object {
        uint32_t size_bytes;
    };
    explicit ReferenceIdeal(NoOptions) {}

    Place place(const Object&) const { return {}; }
    Made<Object> alloc(uint32_t size_bytes) {
        if (size_bytes == 0 || size_bytes > 4096) return {nullptr, -e_inval};
        live_.push_back(&all_.emplace_back(Object{size_bytes}));
        return {live_.back()};
    }
    void free(Object* object) { remove(live_, object); }

    uint64_t pages() const {
        uint64_t most = 0;
        for (uint32_t k = 0; k <= (cuts_objects ? 0 : 2048u); k += 64) most = std::max(most, bound(k));
        return most;
    }

  private:
    // Martello and Toth's L2 for one k; where objects are cut, their bytes in pages.
    uint64_t bound(uint32_t k) const {
        int64_t alone = 0, halves = 0, half_bytes = 0, rest = 0;
        for (const Object* object : live_) {
            const int64_t size = object->size_bytes;
            if (cuts_objects) rest += size;
            else if (size > 4096 - int64_t{k}) ++alone;
            else if (size > 2048) ++halves, half_bytes += size;
            else if (size > k) rest += size;
        }
        const int64_t over = std::max<int64_t>(0, rest - (halves * 4096 - half_bytes));
        return static_cast<uint64_t>(alone + halves + (over + 4095) / 4096);
    }
    std::deque<Object> all_;
    std::vector<Object*> live_;
};

}  // namespace lockstep
