// The reclaim index of zswap since 6.6: a list of entries, whatever pages their objects share. An entry is zswap's own
// descriptor, 56 bytes in the latest kernels, and what a slot of the swap index names.
//
//      byte 0      8        12           13                 16     24       32      40            56
//           | slot | length | referenced | resident |       | pool | object | objcg | lru: prev, next |
//
// Second chance (2024): an entry comes in at the head, referenced. On its first turn at the tail it loses the bit and goes
// back to the head; on its second it is evicted. The kernel has a list per node and cgroup; here there is one.
//
// resident stands in the kernel's padding: the slot also has a page in the swap cache, so eviction would be pointless.
// pool and objcg are the entry's size and are left empty: one pool, no cgroups.
#pragma once

#include "arena.hpp"
#include "list.hpp"
#include "prefetch.hpp"
#include "types.hpp"

namespace zreplay {

struct CompressedEntry {
    SwapEntry slot;
    uint32_t length_bytes = 0;
    bool referenced = true;
    bool resident = false;
    void* pool = nullptr;
    Location object;
    void* objcg = nullptr;
    Link<CompressedEntry> lru;
};
static_assert(sizeof(CompressedEntry) == 56);

class EntryLru {
  public:
    static CompressedEntry* entry_of(Location location) { return location.descriptor<CompressedEntry>(); }
    static Location location_of(const CompressedEntry* entry) { return Location(entry, 0); }

    static constexpr bool knows_the_future = false;
    static uint64_t next_load(const CompressedEntry*) { return 0; }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t /*next_load*/) {
        CompressedEntry* entry = entries_.make();
        entry->slot = slot;
        entry->object = object;
        entry->length_bytes = length_bytes;
        list_.push_head(entry);
        return entry;
    }

    void release(CompressedEntry* entry) {
        list_.remove(entry);
        entries_.release(entry);
    }

    void loaded(CompressedEntry* entry, uint64_t /*next_load*/) { entry->referenced = true; }

    CompressedEntry* oldest() const { return list_.tail(); }

    void rotate(CompressedEntry* entry) {
        list_.remove(entry);
        list_.push_head(entry);
    }

    uint64_t entries() const { return entries_.live(); }
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const CompressedEntry* entry = list_.head(); entry; entry = Entries::next(entry)) visit(entry);
    }
    uint64_t bytes() const { return entries_.live() * sizeof(CompressedEntry); }

    // The entry, then what leaving the list writes to.
    static constexpr int warm_steps = 2;
    static void warm(const CompressedEntry* entry, int step) {
        if (step == 0) {
            prefetch_to_write(entry);
        } else {
            prefetch_to_write(entry->lru.prev);
            prefetch_to_write(entry->lru.next);
        }
    }

    // Throws CheckFailed.
    template <class P>
    void check(const P& pool) const {
        uint64_t listed = 0;
        for (const CompressedEntry* entry = list_.head(); entry; entry = Entries::next(entry)) {
            if (!entry->object) assertion_failed(9, "an entry on the LRU has an object", 0, entry->slot, 0, 1);
            if (!list_.is_linked(entry) || ++listed > entries_.live())
                assertion_failed(9, "the LRU's links meet", pool.page_id(entry->object), entry->slot, listed, entries_.live());
        }
        require(listed == entries_.live(), "assertion 9: every entry is on the LRU", listed, entries_.live());
    }

  private:
    using Entries = List<CompressedEntry, &CompressedEntry::lru>;

    Arena<CompressedEntry, 64> entries_;  // 64 bytes apart, so that four bits of an address are free
    Entries list_;
};

}  // namespace zreplay
