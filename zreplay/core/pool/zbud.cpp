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
        const uint32_t position = page->size_bytes(first) ? first : last;
        assertion_failed(number, assertion, page->id, page->entries[position], found, expected);
    };
    uint64_t listed = 0;
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require((unbuddied_.fitting(i) >> i & 1) == (unbuddied_.size(i) != 0),
                "assertion 12: the bitmap says which unbuddied lists have pages", i);
        uint64_t length = 0;
        unbuddied_.for_each(i, [&](uint64_t place, const Page* listed_page) {
            page = listed_page;
            ++length;
            holds(page->place == place, 12, "an unbuddied page knows its place", page->place, place);
            holds(page->free_chunks() == i, 12, "an unbuddied page is on the list of its free chunks", page->free_chunks(), i);
            holds(!page->under_reclaim() && page->objects() == 1, 12, "on a list exactly with one buddy", page->objects(), 1);
        });
        require(length == unbuddied_.size(i), "assertion 12: the length of an unbuddied list", unbuddied_.size(i), length);
        listed += length;
    }
    uint64_t under_reclaim = 0;
    pages_.visit_from(0, [&](const Page* live) {
        page = live;
        if (!page->stamp) {
            holds(page->empty(), 12, "a page that is in use has a stamp", page->stamp, 1);
            return true;
        }
        ++seen.pages;
        under_reclaim += page->under_reclaim();
        holds(page->stamp <= stamp_, 7, "a page has a stamp that was given out", page->stamp, stamp_);
        const uint32_t chunks = chunks_of(page->size_bytes(first)) + chunks_of(page->size_bytes(last));
        holds(chunks <= usable_chunks, 12, "first + last <= 63 chunks", chunks, usable_chunks);
        holds(page->under_reclaim() || !page->empty(), 7, "only a page under reclaim may be empty", 0, 1);
        seen.objects += page->objects();
        seen.asked_bytes += page->size_bytes(first) + page->size_bytes(last);
        seen.used_bytes += chunks * chunk_bytes;
        holds(page->references() == page->objects() + page->under_reclaim(), 10, "references are objects, and one while under reclaim",
              page->references(), page->objects() + page->under_reclaim());
        if (!page->under_reclaim()) ++(page->buddied() ? buddied : unbuddied)[page->free_chunks()];
        return true;
    });
    require(under_reclaim == reclaimed_.size(), "assertion 7: pages under reclaim are off the LRU", reclaimed_.size(), under_reclaim);
    uint64_t single = 0;
    for (uint64_t pages : unbuddied) single += pages;
    require(listed == single, "assertion 12: every page with one buddy is on a list", listed, single);
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require(buddied[i] == buddied_[i], "assertion 12: buddied pages by free chunks", buddied_[i], buddied[i]);
        require(unbuddied[i] == unbuddied_.size(i), "assertion 12: unbuddied pages by free chunks", unbuddied_.size(i),
                unbuddied[i]);
    }
    require(seen.pages == usage_.pages, "assertion 12: every page is on the LRU or under reclaim", seen.pages, usage_.pages);
    require(seen.pages == pages_.live(), "assertion 12: live descriptors are pages", pages_.live(), seen.pages);
    require(seen.objects == usage_.objects, "assertion 12: objects", usage_.objects, seen.objects);
    require(seen.asked_bytes == usage_.asked_bytes, "assertion 12: asked bytes", usage_.asked_bytes, seen.asked_bytes);
    require(seen.used_bytes == usage_.used_bytes, "assertion 12: used bytes", usage_.used_bytes, seen.used_bytes);
}

}  // namespace zreplay
