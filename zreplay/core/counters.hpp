// What a replay counts. Kernel things carry the names of debugfs zswap/ and /proc/vmstat; every name here is a column of
// timeline.parquet and, at the end of the run, of summary.parquet (docs/run-directory.md).
#pragma once

#include <cstdint>
#include <string_view>

namespace zreplay {

struct Counters {
    // events, by what came of them
    uint64_t events = 0;
    uint64_t stores = 0;
    uint64_t stores_rejected = 0;
    uint64_t loads_hit = 0;
    uint64_t loads_missed = 0;
    uint64_t loads_unknown = 0;  // of those missed: zswap was never given the slot (frontswap's bit is clear)
    uint64_t invalidates = 0;
    uint64_t invalidates_unknown = 0;

    // zswap's own
    uint64_t stored_pages = 0;       // gauge
    uint64_t same_filled_pages = 0;  // gauge
    uint64_t pool_total_size = 0;    // gauge, bytes, as of the kernel's last refresh
    uint64_t pool_limit_hit = 0;
    uint64_t reject_reclaim_fail = 0;
    uint64_t reject_alloc_fail = 0;
    uint64_t reject_compress_poor = 0;
    uint64_t written_back_pages = 0;
    uint64_t duplicate_entry = 0;
    uint64_t stored_incompressible_pages = 0;  // gauge: kept as they are, 4096 bytes (since 6.18)
    uint64_t swpout_zero = 0;                  // stores marked in the zeromap, so that zswap never saw them
    uint64_t swpin_zero = 0;                   // of loads_hit: answered by the zeromap

    // zram's
    uint64_t huge_pages = 0;  // gauge: stored as they are, 4096 bytes

    // refusals that no counter of 6.1 shows
    uint64_t reject_hysteresis = 0;     // reached_full, and not yet below accept_threshold_percent
    uint64_t reject_compress_fail = 0;  // the recording's compressor gave an error (counted by newer kernels)
    uint64_t reject_missing_size = 0;   // the recorded kernel refused before compressing, so the trace has no size

    uint64_t stores_imputed = 0;  // stores of that kind that were given a size (--missing-size)

    // the pool
    uint64_t compressed_bytes = 0;  // gauge: Σ dlen of stored objects, no allocator header
    uint64_t loaded_bytes = 0;      // Σ dlen decompressed
    uint64_t entry_bytes = 0;       // gauge: zswap's entries, where they are not the index's own nodes
    uint64_t shrinks = 0;           // times the shrink work ran
    uint64_t writebacks_failed = 0;
    uint64_t compactions = 0;
    uint64_t pages_compacted = 0;
    uint64_t migrations = 0;
    uint64_t migrations_not_movable = 0;  // of those: asked of a pool whose pages cannot move
    uint64_t migrations_refused = 0;      // of those: by the page (pinned or busy), or there was no page
    uint64_t objects_copied = 0;          // by compaction; migration copies pages
    uint64_t handles_rewritten = 0;       // by compaction and migration
    uint64_t index_slots_rewritten = 0;   // likewise: 0 where slots hold handles
    uint64_t pages_migrated = 0;
    uint64_t objects_migrated = 0;     // in those pages
    uint64_t migrations_again = 0;     // of those refused: by −EAGAIN, somebody is at work in the page
    uint64_t evacuations = 0;          // ranges that CMA asked for
    uint64_t evacuations_failed = 0;   // of those: some page stayed
    uint64_t reject_exists = 0;        // v3 of the 2013 series: there was an object of the slot (−EEXIST)

    // what slots say of objects (swap/slots.hpp)
    uint64_t objects_spilled = 0;  // ever, of those stored: named by a cell, as the slot could not express their place
    uint64_t slots_spilled = 0;    // gauge
    uint64_t handle_bytes = 0;     // gauge: handle cells
    uint64_t mm_nodes = 0;         // gauge: of the memory manager's index of pool pages
    uint64_t mm_bytes = 0;         // gauge: its nodes, by the kernel's sizes

    // reclaim by the memory manager (swap/zswap_two_index.hpp)
    uint64_t pages_reclaimed = 0;       // pool pages written back whole
    uint64_t pages_rotated = 0;         // of those begun: an object's page was resident, so the page stayed
    uint64_t both_buddies_written = 0;  // of those reclaimed: two objects had to go for one page
    uint64_t temporary_pages = 0;       // taken to decompress into, while memory was being sought
    uint64_t temporary_pages_peak = 0;  // at once
};

struct CounterField {
    std::string_view name;
    uint64_t Counters::*member;
};

inline constexpr CounterField counter_fields[] = {
    {"events", &Counters::events},
    {"stores", &Counters::stores},
    {"stores_rejected", &Counters::stores_rejected},
    {"loads_hit", &Counters::loads_hit},
    {"loads_missed", &Counters::loads_missed},
    {"loads_unknown", &Counters::loads_unknown},
    {"invalidates", &Counters::invalidates},
    {"invalidates_unknown", &Counters::invalidates_unknown},
    {"stored_pages", &Counters::stored_pages},
    {"same_filled_pages", &Counters::same_filled_pages},
    {"pool_total_size", &Counters::pool_total_size},
    {"pool_limit_hit", &Counters::pool_limit_hit},
    {"reject_reclaim_fail", &Counters::reject_reclaim_fail},
    {"reject_alloc_fail", &Counters::reject_alloc_fail},
    {"reject_compress_poor", &Counters::reject_compress_poor},
    {"written_back_pages", &Counters::written_back_pages},
    {"duplicate_entry", &Counters::duplicate_entry},
    {"stored_incompressible_pages", &Counters::stored_incompressible_pages},
    {"swpout_zero", &Counters::swpout_zero},
    {"swpin_zero", &Counters::swpin_zero},
    {"huge_pages", &Counters::huge_pages},
    {"reject_hysteresis", &Counters::reject_hysteresis},
    {"reject_compress_fail", &Counters::reject_compress_fail},
    {"reject_missing_size", &Counters::reject_missing_size},
    {"stores_imputed", &Counters::stores_imputed},
    {"compressed_bytes", &Counters::compressed_bytes},
    {"loaded_bytes", &Counters::loaded_bytes},
    {"entry_bytes", &Counters::entry_bytes},
    {"shrinks", &Counters::shrinks},
    {"writebacks_failed", &Counters::writebacks_failed},
    {"compactions", &Counters::compactions},
    {"pages_compacted", &Counters::pages_compacted},
    {"migrations", &Counters::migrations},
    {"migrations_not_movable", &Counters::migrations_not_movable},
    {"migrations_refused", &Counters::migrations_refused},
    {"objects_copied", &Counters::objects_copied},
    {"handles_rewritten", &Counters::handles_rewritten},
    {"index_slots_rewritten", &Counters::index_slots_rewritten},
    {"pages_migrated", &Counters::pages_migrated},
    {"objects_migrated", &Counters::objects_migrated},
    {"migrations_again", &Counters::migrations_again},
    {"evacuations", &Counters::evacuations},
    {"evacuations_failed", &Counters::evacuations_failed},
    {"reject_exists", &Counters::reject_exists},
    {"objects_spilled", &Counters::objects_spilled},
    {"slots_spilled", &Counters::slots_spilled},
    {"handle_bytes", &Counters::handle_bytes},
    {"mm_nodes", &Counters::mm_nodes},
    {"mm_bytes", &Counters::mm_bytes},
    {"pages_reclaimed", &Counters::pages_reclaimed},
    {"pages_rotated", &Counters::pages_rotated},
    {"both_buddies_written", &Counters::both_buddies_written},
    {"temporary_pages", &Counters::temporary_pages},
    {"temporary_pages_peak", &Counters::temporary_pages_peak},
};
static_assert(sizeof(counter_fields) / sizeof(CounterField) * sizeof(uint64_t) == sizeof(Counters),
              "every counter has its line in counter_fields");

}  // namespace zreplay
