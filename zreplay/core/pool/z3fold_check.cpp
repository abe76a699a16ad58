#include <unordered_set>

#include "pool/z3fold.hpp"

namespace zreplay {

// Kernel-model 4.2 to 4.8: lists, references and flags agree, objects do not overlap, and handles and pages point at
// each other.
void Z3fold::check() const {
    PoolUsage seen;
    uint64_t handles = 0, pending = 0, movable = 0, headless_seen = 0, cells = 0;
    std::array<uint64_t, usable_chunks + 1> pages_by_free{}, objects_by_free{};
    std::unordered_set<const Page*> listed, queued;
    for (size_t cpu = 0; cpu < unbuddied_.size(); ++cpu)
        for (uint32_t i = 0; i < usable_chunks; ++i) {
            const auto& list = unbuddied_[cpu].lists[i];
            require((unbuddied_[cpu].nonempty >> i & 1) == !list.empty(), "assertion 12: the bitmap says which lists have pages", i);
            for (const Page* page = list.head(); page; page = list.next(page)) {
                require(listed.insert(page).second, "assertion 12: a page is on one list", page->id);
                require(page->listed == static_cast<int>(i) && page->cpu == static_cast<int>(cpu),
                        "a page knows its list", page->listed, i);
                require(page->needs_compacting || page->free_chunks() == i, "assertion 12: a page is listed by its largest hole",
                        page->free_chunks(), i);
                require(!page->claimed && !page->is_headless, "assertion 12: claimed and headless pages are on no list", page->id);
            }
        }
    for (const Work& work : work_)
        require(queued.insert(work.page).second, "assertion 12: a page has one work pending", work.page->id);

    auto visit = [&](const Page* page, bool under_reclaim) {
        auto holds = [&](bool holds, int number, const char* assertion, uint64_t found, uint64_t expected) {
            if (holds) return;
            SwapEntry entry;
            for (const Handle* handle : page->objects)
                if (handle) entry = handle->entry;
            assertion_failed(number, assertion, page->id, entry, found, expected);
        };
        ++seen.pages;
        pages_by_free[page->free_chunks()] += 1;
        movable += !page->needs_compacting && !pinned(page);
        headless_seen += page->is_headless;
        holds(!page->home || page->home->page == page, 12, "a slots object names its page", 0, 1);
        holds(!options_.frames || page->frame->owner == page, 12, "a frame names its page", 0, 1);
        holds(page->under_reclaim == under_reclaim, 7, "pages under reclaim are off the LRU", page->under_reclaim, under_reclaim);
        holds(page->needs_compacting == queued.contains(page), 7, "work is pending as the page says", page->needs_compacting,
              queued.contains(page));
        pending += page->needs_compacting;
        auto back = [&](const Handle* handle, Position position) {
            ++handles;
            if (handle->page != page || handle->position != position)
                assertion_failed(2, "a handle names the place that names it", page->id, handle->entry, handle->position, position);
            holds(handle->size_bytes || under_reclaim || page->is_headless, 7, "an object has bytes", 0, 1);
            cells += handle->home != nullptr;
            if (!handle->size_bytes) return;
            seen.objects += 1;
            seen.asked_bytes += handle->size_bytes;
            objects_by_free[page->free_chunks()] += 1;
        };
        if (page->is_headless) {
            back(page->objects[first], headless);
            if (page->objects[first]->size_bytes) seen.used_bytes += page_bytes;
            return;
        }
        uint32_t foreign = 0;
        for (Position position : {first, middle, last}) {
            const Handle* handle = page->objects[position];
            const uint32_t size_bytes = handle ? handle->size_bytes : 0;
            if (handle) back(handle, position), foreign += handle->foreign;
            holds(page->chunks[position] == (size_bytes + chunk_bytes - 1) / chunk_bytes, 12, "chunks = ceil(size / 64)",
                  page->chunks[position], (size_bytes + chunk_bytes - 1) / chunk_bytes);
            seen.used_bytes += page->chunks[position] * chunk_bytes;
        }
        uint32_t end = header_chunks + page->chunks[first];
        if (page->chunks[middle]) {
            holds(page->start_middle >= end, 12, "middle starts after first", page->start_middle, end);
            end = page->start_middle + page->chunks[middle];
        }
        holds(end + page->chunks[last] <= page_chunks, 12, "last starts after the others", page_chunks - page->chunks[last], end);
        holds(page->foreign == foreign, 12, "foreign handles", page->foreign, foreign);
        holds(page->refs == page->used() + page->needs_compacting + under_reclaim, 10,
              "references are objects, one for pending work, one while under reclaim", page->refs,
              page->used() + page->needs_compacting + under_reclaim);
        holds(page->refs > 0, 7, "a page without references is released", page->refs, 1);
        const bool off_lists = page->claimed || page->needs_compacting || page->used() == 3;
        holds(off_lists || listed.contains(page), 12, "a page with room is on a list", 0, 1);
    };
    for (const Page* page = lru_.head(); page; page = Lru::next(page)) visit(page, false);
    for (const Page* page = reclaimed_.head(); page; page = Lru::next(page)) visit(page, true);
    require(pending == work_.size(), "assertion 12: work is pending for live pages", work_.size(), pending);
    require(cells >= homes_.live(), "assertion 12: every slots object has a cell in use", homes_.live(), cells);
    require(movable == movable_pages_, "assertion 12: movable pages", movable_pages_, movable);
    require(headless_seen == headless_pages_, "assertion 12: headless pages", headless_pages_, headless_seen);
    require(pages_by_free == pages_by_free_, "assertion 12: pages by free chunks");
    require(objects_by_free == objects_by_free_, "assertion 12: objects by free chunks of their page");
    require(seen.pages == usage_.pages, "assertion 12: every page is on the LRU or under reclaim", seen.pages, usage_.pages);
    require(seen.pages == pages_.live(), "assertion 12: live descriptors are pages", pages_.live(), seen.pages);
    require(handles == handles_.live(), "assertion 12: one handle an object", handles_.live(), handles);
    require(seen.objects == usage_.objects, "assertion 12: objects", usage_.objects, seen.objects);
    require(seen.asked_bytes == usage_.asked_bytes, "assertion 12: asked bytes", usage_.asked_bytes, seen.asked_bytes);
    require(seen.used_bytes == usage_.used_bytes, "assertion 12: used bytes", usage_.used_bytes, seen.used_bytes);
}

}  // namespace zreplay
