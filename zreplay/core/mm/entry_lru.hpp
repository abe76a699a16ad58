// The reclaim index of zswap since 6.6: lists of entries, whatever pages their objects share. An entry is zswap's own
// descriptor, 56 bytes since 6.9, and what a slot of the swap index names.
//
//      byte 0      8        12           13                 16     24       32      40            56
//           | slot | length | referenced | resident |       | pool | object | objcg | lru: prev, next |
//
// Second chance ("zswap: implement a second chance algorithm for dynamic zswap shrinker", 6.12): an entry comes in at the head, referenced. On its first
// turn at the tail it loses the bit and goes back to the head; on its second it is evicted.
//
// There is a list for each cgroup and node ("zswap: make shrinking memcg-aware", 6.8), of which a trace may or may not know;
// where it does not, all entries are on one. objcg leads to the entry's list, as in the kernel to its cgroup.
//
// resident stands in the kernel's padding: the slot also has a page in the swap cache, so eviction would be pointless.
// pool is the entry's size and is left empty: there is one pool.
#pragma once

#include <deque>

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

    static constexpr bool knows_the_future() { return false; }
    static constexpr bool makes_room() { return false; }  // a store evicts what it needs the room of, whatever the threshold
    static uint64_t next_load(const CompressedEntry*) { return 0; }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t /*next_load*/, uint64_t group) {
        CompressedEntry* entry = entries_.make();
        entry->slot = slot;
        entry->object = object;
        entry->length_bytes = length_bytes;
        Group& own = group_of(group);
        entry->objcg = &own;
        own.list.push_head(entry);
        return entry;
    }

    void release(CompressedEntry* entry) {
        list_of(entry).remove(entry);
        entries_.release(entry);
    }

    void loaded(CompressedEntry* entry, uint64_t /*next_load*/) { entry->referenced = true; }

    // Of one cgroup and node.
    CompressedEntry* oldest(uint64_t group) const {
        const Group* own = find(group);
        return own ? own->list.tail() : nullptr;
    }

    void rotate(CompressedEntry* entry) {
        list_of(entry).remove(entry);
        list_of(entry).push_head(entry);
    }

    void add_group(uint64_t group) { group_of(group); }
    // The groups there are, in the order in which they came, as a walk over the tree of cgroups meets them.
    size_t groups() const { return groups_.size(); }
    CompressedEntry* oldest_of_nth(size_t n) const { return groups_[n].list.tail(); }
    size_t place_of(uint64_t group) const {
        size_t n = 0;
        while (n < groups_.size() && groups_[n].key != group) ++n;
        return n;
    }

    uint64_t entries() const { return entries_.live(); }
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const Group& group : groups_)
            for (const CompressedEntry* entry = group.list.head(); entry; entry = Entries::next(entry)) visit(entry);
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
    void check() const {
        uint64_t listed = 0;
        for_each([&](const CompressedEntry* entry) {
            if (!entry->object) assertion_failed(9, "an entry on the LRU has an object", 0, entry->slot, 0, 1);
            if (!list_of(entry).is_linked(entry) || ++listed > entries_.live())
                assertion_failed(9, "the LRU's links meet", 0, entry->slot, listed, entries_.live());
        });
        require(listed == entries_.live(), "assertion 9: every entry is on the LRU", listed, entries_.live());
    }

  private:
    using Entries = List<CompressedEntry, &CompressedEntry::lru>;

    struct Group {
        uint64_t key;
        Entries list;
    };

    static Entries& list_of(const CompressedEntry* entry) { return static_cast<Group*>(entry->objcg)->list; }
    const Group* find(uint64_t key) const {
        for (const Group& group : groups_)
            if (group.key == key) return &group;
        return nullptr;
    }
    Group& group_of(uint64_t key) {
        if (const Group* there = find(key)) [[likely]] return const_cast<Group&>(*there);
        return groups_.emplace_back(key, Entries());
    }

    Arena<CompressedEntry, 64> entries_;  // 64 bytes apart, so that four bits of an address are free
    std::deque<Group> groups_;            // few; a deque, so that they stay where they are
};

}  // namespace zreplay
