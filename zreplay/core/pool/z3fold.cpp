#include "pool/z3fold.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace zreplay {

Z3fold::Z3fold(Options options) : options_(options) {
    if (options.cpus < 1 || options.cpus > 127)
        throw std::invalid_argument("z3fold on " + std::to_string(options.cpus) + " CPUs, expected 1 to 127");
    unbuddied_.resize(options.cpus);
}

// --- one page ---

uint32_t Z3fold::Page::free_chunks() const {
    if (is_headless) return 0;
    if (!chunks[middle]) return usable_chunks - chunks[first] - chunks[last];
    const uint32_t before = chunks[first] ? 0 : start_middle - header_chunks;
    const uint32_t after = chunks[last] ? 0 : page_chunks - (start_middle + chunks[middle]);
    return std::max(before, after);
}

// For a page that has room for c chunks.
Z3fold::Position Z3fold::Page::slot_for(uint32_t c) const {
    if (chunks[middle]) return !chunks[first] && c <= start_middle - header_chunks ? first : last;
    if (!chunks[first]) return first;
    return chunks[last] ? middle : last;
}

uint32_t Z3fold::start_bytes(Location location) const {
    const Handle* handle = location.descriptor<Handle>();
    switch (handle->position) {
        case first: return header_chunks * chunk_bytes;
        case middle: return handle->page->start_middle * chunk_bytes;
        case last: return (page_chunks - handle->page->chunks[last]) * chunk_bytes;
        default: return 0;
    }
}

void Z3fold::put(Handle* handle, Page* page, Position position, uint32_t c) {
    page->objects[position] = handle;
    page->chunks[position] = static_cast<uint8_t>(c);
    if (position == middle) page->start_middle = page->chunks[first] + header_chunks;
    handle->page = page;
    handle->position = position;
    tally(page);
}

void Z3fold::take_out(Page* page, Position position) {
    page->chunks[position] = 0;
    page->objects[position] = nullptr;
    tally(page);
}

// --- the lists ---

void Z3fold::add(Page* page, int8_t cpu) {
    if (page->used() == 3) return;
    const uint32_t i = page->free_chunks();
    page->cpu = cpu;
    page->listed = static_cast<int8_t>(i);
    unbuddied_[cpu].lists[i].push_head(page);
    unbuddied_[cpu].nonempty |= uint64_t{1} << i;
}

void Z3fold::delist(Page* page) {
    if (page->listed < 0) return;
    UnbuddiedOfCpu& of = unbuddied_[page->cpu];
    of.lists[page->listed].remove(page);
    if (of.lists[page->listed].empty()) of.nonempty &= ~(uint64_t{1} << page->listed);
    page->listed = -1;
}

// The head of list i; off all lists either way, but nullptr when somebody else has plans for it.
Z3fold::Page* Z3fold::take_head(UnbuddiedOfCpu& of, uint32_t i) {
    Page* page = of.lists[i].head();
    ++cost_->headers_read;
    delist(page);
    page->cpu = -1;
    if (page->needs_compacting || page->claimed) return nullptr;
    ++page->refs;
    return page;
}

Z3fold::Page* Z3fold::find(uint32_t c, int8_t cpu) {
    UnbuddiedOfCpu& own = unbuddied_[cpu];
    while (uint64_t fitting = own.nonempty >> c << c)
        if (Page* page = take_head(own, static_cast<uint32_t>(std::countr_zero(fitting)))) return page;
    for (UnbuddiedOfCpu& other : unbuddied_)  // elsewhere only an exact match, and only one look
        if (!other.lists[c].empty())
            if (Page* page = take_head(other, c)) return page;
    return nullptr;
}

Z3fold::Page* Z3fold::make_page() {
    Page* page = pages_.make();
    page->id = next_page_id_++;
    page->refs = 1;
    if (options_.frames) page->frame = frames_.make(page, 0);
    ++pages_by_free_[0];
    ++usage_.pages;
    return page;
}

// The page is on the LRU.
void Z3fold::release(Page* page) {
    delist(page);
    untally(page);
    lru_.remove(page);
    headless_pages_ -= page->is_headless;
    if (page->frame) frames_.release(page->frame);
    if (page->home) page->home->page = nullptr;
    pages_.release(page);
    --usage_.pages;
}

void Z3fold::release(Handle* handle) {
    Home* home = handle->home;
    if (home && --home->cells == 0) {
        if (home->page) home->page->home = nullptr;
        homes_.release(home);
    }
    handles_.release(handle);
}

// Kernel-model 4.8.
bool Z3fold::pinned(const Page* page) const { return page->is_headless || page->claimed || page->foreign; }

void Z3fold::moved(Handle* handle) {
    if (on_move_) on_move_(handle->entry, Location(handle, 0));
}

// --- allocate and free ---

Allocation Z3fold::alloc(uint32_t size_bytes, SwapEntry entry) {
    if (size_bytes == 0) return {{}, -e_inval};
    if (size_bytes > page_bytes) return {{}, -e_nospc};
    Handle* handle = handles_.make();
    handle->entry = entry;
    handle->size_bytes = static_cast<uint16_t>(size_bytes);
    usage_.objects += 1;
    usage_.asked_bytes += size_bytes;
    if (size_bytes > largest_with_header_bytes) {
        Page* page = make_page();
        page->is_headless = true;
        ++headless_pages_;
        page->objects[first] = handle;
        handle->page = page;
        handle->position = headless;
        tally(page);
        lru_.push_head(page);
        usage_.used_bytes += page_bytes;
        return {Location(handle, 0), 0};
    }
    const uint32_t c = (size_bytes + chunk_bytes - 1) / chunk_bytes;
    Page* page = find(c, cpu_);
    if (page)
        lru_.remove(page);
    else
        page = make_page();
    if (!page->home) {
        page->home = homes_.make();
        page->home->page = page;
    }
    handle->home = page->home;
    ++page->home->cells;
    put(handle, page, page->slot_for(c), c);
    add(page, cpu_);
    lru_.push_head(page);
    usage_.used_bytes += c * chunk_bytes;
    return {Location(handle, 0), 0};
}

void Z3fold::free(Location location) {
    Handle* handle = location.descriptor<Handle>();
    Page* page = handle->page;
    ++cost_->headers_read;
    usage_.objects -= 1;
    usage_.asked_bytes -= handle->size_bytes;
    usage_.used_bytes -= page->is_headless ? page_bytes : page->chunks[handle->position] * chunk_bytes;
    handle->size_bytes = 0;
    if (page->under_reclaim) {  // the reclaimer, who may still ask for the object, finishes it and the page
        if (!page->is_headless) {
            page->chunks[handle->position] = 0;
            --page->refs;
        }
        tally(page);
        return;
    }
    if (page->is_headless) {
        release(page);
        release(handle);
        return;
    }
    if (handle->foreign) --page->foreign;
    take_out(page, handle->position);
    release(handle);
    if (--page->refs == 0) {
        release(page);
        return;
    }
    if (page->claimed || page->needs_compacting) return;
    page->needs_compacting = true;
    tally(page);
    ++page->refs;
    if (page->cpu < 0) {
        compact_page(page, cpu_);
    } else {
        work_.push_back({page, page->cpu});
        if (!options_.deferred_work) run_work();
    }
}

// --- compaction work ---

void Z3fold::run_work() {
    while (!work_.empty()) {
        auto [page, cpu] = work_.front();
        work_.pop_front();
        compact_page(page, cpu);
    }
}

void Z3fold::compact_page(Page* page, int8_t cpu) {
    ++cost_->headers_read;
    page->needs_compacting = false;
    tally(page);
    delist(page);
    if (--page->refs == 0) {
        release(page);
        return;
    }
    if (page->claimed) return;
    if (!page->foreign && page->used() == 1 && move_lone_object(page, cpu)) return;
    tidy(page);
    add(page, cpu);
}

// The page is off the lists, so it cannot find itself. The target keeps its place in the LRU.
bool Z3fold::move_lone_object(Page* page, int8_t cpu) {
    const Position from = page->chunks[first] ? first : page->chunks[middle] ? middle : last;
    const uint32_t c = page->chunks[from];
    Page* target = find(c, cpu);
    if (!target) return false;
    Handle* handle = page->objects[from];
    handle->foreign = !options_.frames;  // where slots name pages there is no cell that the other page would keep
    target->foreign += handle->foreign;
    put(handle, target, target->slot_for(c), c);
    add(target, cpu);
    take_out(page, from);
    --page->refs;
    release(page);
    moved(handle);
    ++moves_.objects_copied;
    ++moves_.handles_rewritten;
    ++moves_.pages_compacted;
    return true;
}

void Z3fold::tidy(Page* page) {
    auto& [f, m, l] = page->chunks;
    if (!m) return;
    if (!f && !l) {
        page->objects[first] = page->objects[middle];
        page->objects[first]->position = first;
        page->objects[middle] = nullptr;
        f = m;
        m = 0;
        page->start_middle = 0;
        ++moves_.objects_copied;
        moved(page->objects[first]);
    } else if (f && !l && page->start_middle - (f + header_chunks) >= gap_worth_moving_chunks) {
        page->start_middle = static_cast<uint8_t>(f + header_chunks);
        ++moves_.objects_copied;
    } else if (!f && l && page_chunks - (l + page->start_middle + m) >= gap_worth_moving_chunks) {
        page->start_middle = static_cast<uint8_t>(page_chunks - l - m);
        ++moves_.objects_copied;
    }
    tally(page);
}

// --- reclaim and migration ---

void Z3fold::Reclaim::take() {
    pool_.run_work();
    page_ = pool_.begin_reclaim();
    if (!page_) {
        error_ = pool_.lru_.empty() ? -e_inval : -e_again;
        return;
    }
    next_ = count_ = 0;
    for (Position position : {middle, first, last})
        if (page_->objects[position]) victims_[count_++] = page_->objects[position];
}

Z3fold::Page* Z3fold::begin_reclaim() {
    for (Page* page = lru_.tail(); page; page = page->lru.prev) {
        ++cost_->headers_read;
        if (page->claimed || page->foreign) continue;
        lru_.remove(page);
        reclaimed_.push_head(page);
        page->claimed = page->under_reclaim = true;
        tally(page);
        if (!page->is_headless) {
            delist(page);
            page->cpu = -1;
            ++page->refs;
        }
        return page;
    }
    return nullptr;
}

// True: the page has gone. No work is queued for one that lost only some of its objects.
bool Z3fold::end_reclaim(Page* page, bool evicted) {
    page->claimed = page->under_reclaim = false;
    tally(page);
    reclaimed_.remove(page);
    lru_.push_head(page);
    if (page->is_headless) {
        // Refused, it stays, even if its object has been freed meanwhile: the next reclaim then finds nobody to evict. And
        // it stays with an object that is still there, whatever a recording says of its eviction.
        if (!evicted || page->objects[first]->size_bytes) return false;
        release(page->objects[first]);
        release(page);
        return true;
    }
    for (Handle*& handle : page->objects) {
        if (!handle || handle->size_bytes) continue;
        release(handle);
        handle = nullptr;
    }
    if (--page->refs == 0) {
        release(page);
        return true;
    }
    add(page, cpu_);
    return false;
}

Migration Z3fold::migrate(Location location) {
    Page* page = location.descriptor<Handle>()->page;
    ++cost_->headers_read;
    if (page->needs_compacting || page->under_reclaim) return {-e_again};
    if (pinned(page)) return {-e_busy};
    delist(page);
    lru_.remove(page);
    Page* target = pages_.make();
    *target = *page;
    pages_.release(page);
    target->id = next_page_id_++;
    if (target->home) target->home->page = target;
    if (target->frame) {
        frames_.release(target->frame);
        target->frame = frames_.make(target, 0);
    }
    uint32_t objects = 0;
    for (Handle* handle : target->objects) {
        if (!handle) continue;
        handle->page = target;
        ++objects;
        moved(handle);
    }
    lru_.push_head(target);
    target->claimed = options_.claimed_after_migration;
    target->needs_compacting = true;
    tally(target);
    target->cpu = cpu_;
    ++target->refs;
    ++moves_.pages_migrated;
    moves_.handles_rewritten += objects;
    work_.push_back({target, cpu_});
    if (!options_.deferred_work) run_work();
    return {0, objects};
}

// --- what there is ---

// Keeps the counts of classes(); after every change of a page.
void Z3fold::tally(Page* page) {
    untally(page);
    page->tallied_free = static_cast<uint8_t>(page->free_chunks());
    page->tallied_objects =
        static_cast<uint8_t>(page->is_headless ? page->objects[first]->size_bytes != 0 : page->used());
    page->tallied_movable = !page->needs_compacting && !pinned(page);
    pages_by_free_[page->tallied_free] += 1;
    objects_by_free_[page->tallied_free] += page->tallied_objects;
    movable_pages_ += page->tallied_movable;
}

void Z3fold::untally(Page* page) {
    movable_pages_ -= page->tallied_movable;
    pages_by_free_[page->tallied_free] -= 1;
    objects_by_free_[page->tallied_free] -= page->tallied_objects;
}

std::vector<ClassRow> Z3fold::classes() const {
    std::vector<ClassRow> rows;
    for (uint32_t i = 0; i <= usable_chunks; ++i)
        if (pages_by_free_[i])
            rows.push_back({.free_chunks = i, .pages = pages_by_free_[i], .objects_used = objects_by_free_[i]});
    return rows;
}

}  // namespace zreplay
