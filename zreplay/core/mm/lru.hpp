// No kernel's: entries in the order in which they were stored, the oldest evicted by the store that needs its room. What the
// literature calls LRU: with exclusive loads an entry is used once, so the least recently used is the oldest. Neither second chance
// nor worker nor threshold, nothing is refused for want of room, and nobody asks for
// more under pressure. One list, whatever the cgroup.
//
// It is what a curve by stack distances is exact for (curve/stack_distances.hpp), and says what 6.12's list of entries, which is
// EntryLru, gains or loses by all that.
#pragma once

#include "mm/entry_lru.hpp"

namespace zreplay {

class Lru : public EntryLru {
  public:
    static constexpr bool makes_room() { return true; }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t /*group*/) {
        CompressedEntry* entry = EntryLru::make(slot, object, length_bytes, next_load, 0);
        entry->referenced = false;
        return entry;
    }
    static void add_group(uint64_t) {}
    CompressedEntry* oldest(uint64_t /*group*/) const { return EntryLru::oldest(0); }
    static uint64_t place_of(uint64_t) { return 0; }

    void loaded(CompressedEntry* entry, uint64_t /*next_load*/) { rotate(entry); }
};

}  // namespace zreplay
