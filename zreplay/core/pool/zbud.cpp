#include "pool/zbud.hpp"

#include <unordered_set>

namespace zreplay {

// Kernel-model 3.2 and 7.9-7, 9, 12: every page is live, holds something, fits, and is on exactly the lists it should
// be on.
void Zbud::check() const {
    PoolUsage seen;
    std::array<uint64_t, usable_chunks> buddied{}, unbuddied{};
    std::unordered_set<const Page*> listed;
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require((nonempty_ >> i & 1) == !unbuddied_[i].empty(), "the bitmap says which unbuddied lists have pages", i);
        for (const Page* page = unbuddied_[i].head(); page; page = ByFreeChunks::next(page)) {
            require(listed.insert(page).second, "a page is on one unbuddied list", page->id);
            require(page->free_chunks() == i, "an unbuddied page is on the list of its free chunks",
                    page->free_chunks(), i);
        }
    }
    auto visit = [&](const Page* page, bool under_reclaim) {
        ++seen.pages;
        require(page->id < next_page_id_, "a page has a number that was given out", page->id, next_page_id_);
        require(page->under_reclaim == under_reclaim, "pages under reclaim are off the LRU", page->under_reclaim,
                under_reclaim);
        require(page->chunks[first] + page->chunks[last] <= static_cast<int>(usable_chunks),
                "first + last <= 63 chunks", page->chunks[first] + page->chunks[last], usable_chunks);
        require(under_reclaim || !page->empty(), "only a page under reclaim may be empty", page->id);
        for (Position position : {first, last}) {
            const uint32_t size_bytes = page->size_bytes[position];
            require(page->chunks[position] == (size_bytes + chunk_bytes - 1) / chunk_bytes, "chunks = ceil(size / 64)",
                    page->chunks[position], (size_bytes + chunk_bytes - 1) / chunk_bytes);
            seen.objects += page->chunks[position] != 0;
            seen.asked_bytes += size_bytes;
            seen.used_bytes += page->chunks[position] * chunk_bytes;
        }
        require(listed.contains(page) == (!under_reclaim && !page->buddied()), "on a list exactly with one buddy",
                page->id);
        if (!under_reclaim) ++(page->buddied() ? buddied : unbuddied)[page->free_chunks()];
    };
    for (const Page* page = lru_.head(); page; page = Lru::next(page)) visit(page, false);
    for (const Page* page = reclaimed_.head(); page; page = Lru::next(page)) visit(page, true);
    for (uint32_t i = 0; i < usable_chunks; ++i) {
        require(buddied[i] == buddied_[i], "buddied pages by free chunks", buddied_[i], buddied[i]);
        require(unbuddied[i] == unbuddied_[i].size(), "unbuddied pages by free chunks", unbuddied_[i].size(),
                unbuddied[i]);
    }
    require(seen.pages == usage_.pages, "every page is on the LRU or under reclaim", seen.pages, usage_.pages);
    require(seen.pages == pages_.live(), "live descriptors are pages", pages_.live(), seen.pages);
    require(seen.objects == usage_.objects, "objects", usage_.objects, seen.objects);
    require(seen.asked_bytes == usage_.asked_bytes, "asked bytes", usage_.asked_bytes, seen.asked_bytes);
    require(seen.used_bytes == usage_.used_bytes, "used bytes", usage_.used_bytes, seen.used_bytes);
}

}  // namespace zreplay
