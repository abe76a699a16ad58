// No kernel's: entries in the order in which they will be loaded, so that the one loaded furthest in the future, or never, is
// evicted first (Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5, 1966). Where
// each object has a page to itself, and leaves when it is loaded, no order of eviction gives fewer misses. Compressed pages
// share pages, so with a real pool this is what a good guess is measured against, not a proven bound.
//
// An entry is the kernel's, with the row of its next load beside it.
#pragma once

#include <map>
#include <tuple>

#include "arena.hpp"
#include "mm/entry_lru.hpp"
#include "mm/future_loads.hpp"

namespace zreplay {

class Belady {
    struct Entry : CompressedEntry {
        uint64_t next_load = 0;
    };
    static_assert(sizeof(Entry) == 64);

  public:
    static constexpr bool knows_the_future() { return true; }
    static constexpr bool makes_room() { return true; }
    static CompressedEntry* entry_of(Location location) { return EntryLru::entry_of(location); }
    static Location location_of(const CompressedEntry* entry) { return EntryLru::location_of(entry); }
    static uint64_t next_load(const CompressedEntry* entry) { return static_cast<const Entry*>(entry)->next_load; }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t /*group*/) {
        Entry* entry = entries_.make();
        entry->slot = slot;
        entry->object = object;
        entry->length_bytes = length_bytes;
        entry->referenced = false;
        entry->next_load = next_load;
        order_.emplace(place(entry), entry);
        return entry;
    }

    void release(CompressedEntry* entry) {
        order_.erase(place(static_cast<Entry*>(entry)));
        entries_.release(static_cast<Entry*>(entry));
    }

    // Without exclusive loads it stays.
    void loaded(CompressedEntry* entry, uint64_t next_load) { reorder(entry, next_load); }

    // Whatever its cgroup.
    CompressedEntry* oldest(uint64_t /*group*/ = 0) const { return order_.empty() ? nullptr : order_.rbegin()->second; }
    static void add_group(uint64_t) {}
    static size_t groups() { return 1; }
    static size_t place_of(uint64_t) { return 0; }
    CompressedEntry* oldest_of_nth(size_t) const { return oldest(); }

    // It could not be evicted, as its page is resident: the last to be asked again.
    void rotate(CompressedEntry* entry) { reorder(entry, 0); }

    uint64_t entries() const { return entries_.live(); }
    uint64_t bytes() const { return entries_.live() * sizeof(CompressedEntry); }

    static constexpr int warm_steps = 1;
    static void warm(const CompressedEntry* entry, int) { prefetch_to_write(entry); }

    void check() const {
        require(order_.size() == entries_.live(), "every entry is in the order of loads", order_.size(), entries_.live());
        for (const auto& [key, entry] : order_)
            require(place(entry) == key, "an entry knows its next load", entry->next_load, std::get<0>(key));
    }
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const auto& [key, entry] : order_) visit(static_cast<const CompressedEntry*>(entry));
    }

  private:
    void reorder(CompressedEntry* entry, uint64_t next_load) {
        auto* own = static_cast<Entry*>(entry);
        order_.erase(place(own));
        own->next_load = next_load;
        order_.emplace(place(own), own);
    }

    // Of entries never loaded again the highest slot goes first: any rule does that is the same on every machine. Two of one
    // slot are there for a moment only, while the newer takes the older's place.
    using Place = std::tuple<uint64_t, uint64_t, const Entry*>;
    static Place place(const Entry* entry) { return {entry->next_load, entry->slot.word, entry}; }

    Arena<Entry, 64> entries_;
    std::map<Place, Entry*> order_;
};

}  // namespace zreplay
