#include "pool/zbud.hpp"

namespace zreplay {

// Kernel-model 3.2 and 7.9-7, 10, 12: every page is live, holds something, fits, and is on exactly the lists it should be
// on; who is at work in it shows in its references.
void Zbud::check() const {
    PoolUsage seen;
    std::array<uint64_t, usable_chunks> buddied{}, unbuddied{};
    const Page* page = nullptr;
    auto holds = [&](bool holds, int number, const char* assertion, uint64_t found, uint64_t expected) {
        if (holds) return;
        const uint32_t position = page->chunks[first] ? first : last;
        assertion_failed(number, assertion, page->id, page->entries[position], found, expected);
    };
    uint64_t listed = 0;
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require((nonempty_ >> i & 1) == !unbuddied_[i].empty(),
                "assertion 12: the bitmap says which unbuddied lists have pages", i);
        uint64_t length = 0;
        for (page = unbuddied_[i].head(); page; page = ByFreeChunks::next(page)) {
            holds(unbuddied_[i].is_linked(page) && ++length <= unbuddied_[i].size(), 12, "an unbuddied list's links meet", length,
                  unbuddied_[i].size());
            holds(page->free_chunks() == i, 12, "an unbuddied page is on the list of its free chunks", page->free_chunks(), i);
            holds(!page->under_reclaim && !page->buddied(), 12, "on a list exactly with one buddy", page->references, 1);
        }
        listed += length;
    }
    auto visit = [&](bool under_reclaim) {
        ++seen.pages;
        holds(page->id < next_page_id_, 7, "a page has a number that was given out", page->id, next_page_id_);
        holds(page->under_reclaim == under_reclaim, 7, "pages under reclaim are off the LRU", page->under_reclaim,
              under_reclaim);
        holds(page->chunks[first] + page->chunks[last] <= static_cast<int>(usable_chunks), 12, "first + last <= 63 chunks",
              page->chunks[first] + page->chunks[last], usable_chunks);
        holds(under_reclaim || !page->empty(), 7, "only a page under reclaim may be empty", 0, 1);
        uint32_t used = 0;
        for (Position position : {first, last}) {
            const uint32_t size_bytes = page->size_bytes[position];
            holds(page->chunks[position] == (size_bytes + chunk_bytes - 1) / chunk_bytes, 12, "chunks = ceil(size / 64)",
                  page->chunks[position], (size_bytes + chunk_bytes - 1) / chunk_bytes);
            used += page->chunks[position] != 0;
            seen.asked_bytes += size_bytes;
            seen.used_bytes += page->chunks[position] * chunk_bytes;
        }
        seen.objects += used;
        holds(page->references == used + under_reclaim, 10, "references are objects, and one while under reclaim",
              page->references, used + under_reclaim);
        if (!under_reclaim) ++(page->buddied() ? buddied : unbuddied)[page->free_chunks()];
    };
    for (const Lru* list : {&lru_, &reclaimed_}) {
        uint64_t length = 0;
        for (page = list->head(); page; page = Lru::next(page)) {
            holds(list->is_linked(page) && ++length <= list->size(), 12, "the LRU's links meet", length, list->size());
            visit(list == &reclaimed_);
        }
    }
    uint64_t single = 0;
    for (uint64_t pages : unbuddied) single += pages;
    require(listed == single, "assertion 12: every page with one buddy is on a list", listed, single);
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require(buddied[i] == buddied_[i], "assertion 12: buddied pages by free chunks", buddied_[i], buddied[i]);
        require(unbuddied[i] == unbuddied_[i].size(), "assertion 12: unbuddied pages by free chunks", unbuddied_[i].size(),
                unbuddied[i]);
    }
    require(seen.pages == usage_.pages, "assertion 12: every page is on the LRU or under reclaim", seen.pages, usage_.pages);
    require(seen.pages == pages_.live(), "assertion 12: live descriptors are pages", pages_.live(), seen.pages);
    require(seen.objects == usage_.objects, "assertion 12: objects", usage_.objects, seen.objects);
    require(seen.asked_bytes == usage_.asked_bytes, "assertion 12: asked bytes", usage_.asked_bytes, seen.asked_bytes);
    require(seen.used_bytes == usage_.used_bytes, "assertion 12: used bytes", usage_.used_bytes, seen.used_bytes);
}

}  // namespace zreplay
