// The generator of workloads: processes that share a memory too small for them, on a kernel that gives out swap slots.
//
// A process has pages of three sorts, and only the second and third are told apart one by one:
//
//      dirty      in memory, without a slot: a number
//      swapped    out, in a slot, by the order in which they went out (PageRing)
//      cached     in memory, by a fault that read: its slot is still its own (a queue)
//
//      new page ──▶ dirty ──reclaim: store──▶ swapped ──fault, read: load──▶ cached
//                     ▲                          │  ▲                         │
//                     └──fault, write: load, slot freed   └──reclaim: nothing, or store to the same slot ──┘
//
// Time goes by in steps. A step is one of: a turn of a process in the foreground (a new page, or a fault on one of its
// swapped pages), a batch of reclaim (32 pages of one process, SWAP_CLUSTER_MAX), a piece of a process that exits, or a
// change in the foreground. Reclaim begins when more than `memory_pages` are in memory, and takes pages in the background
// eight times as gladly as those in the foreground.
//
// What a row says depends on the kernel. To 6.5 (`exclusive_loads` off) a load leaves the entry where it is, and a slot is
// invalidated when it goes back to its area, 64 at a time; a cached page that was written to before it is reclaimed is
// stored to its slot again, behind frontswap's invalidate of the copy there. In 6.12 a load takes its entry out, a page that
// is reclaimed again is stored again, and a slot is invalidated when its last user lets it go, though the slot itself goes
// back with 63 others; zero-filled pages have slots, but no entries, so neither stores nor loads (zeromap, 6.12).
//
// All memory is there before the first event: 8 bytes a page of a process, a byte a slot, 12 bytes a cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trace/swap_slots.hpp"
#include "trace/synth.hpp"

namespace zreplay {

struct WorkloadProcess {
    static constexpr uint32_t nobody = ~0u;

    uint32_t pages = 1;         // at most
    double new_share = 0;       // of its turns: a page it never had; half at least until it has had all
    double write_share = 0;     // of its faults on swapped pages
    double zipf = 0, uniform = 0, loop = 0;  // of these faults; the rest scans
    double dirtied = 0;         // of its pages that were read: written to before they are reclaimed
    double exits = 0;           // chance, when it leaves the foreground
    uint32_t fork_of = nobody;  // begins with the youngest swapped pages of another
    uint64_t cgroup = 0;        // 0: none
    uint32_t own_area_pages = 0;  // an area of its own, which goes with it; 0: it shares the others
    uint32_t sizes = 0;         // which of the recipe's
    double same_filled = 0;     // of its stores
};

struct WorkloadPhase {
    enum class Order : uint8_t { cycle, uniform, zipf };

    uint64_t events = 1, slice_events = 1;  // how long it lasts; how long a process is in the foreground
    std::vector<uint32_t> processes;        // which come into it
    uint32_t at_once = 1;
    Order order = Order::cycle;             // who is next
    uint32_t burst_pages = 0;               // to be free at once when it begins
};

struct WorkloadRecipe {
    uint64_t seed = 0;
    bool exclusive_loads = false;  // 6.12
    uint32_t memory_pages = 1;
    SwapSlotsOptions areas;
    uint32_t mean_gap_ns = 1000;
    uint64_t compact_every = 0, migrate_every = 0, cma_every = 0;  // events; 0 is never
    uint32_t cma_pages = 0;
    std::vector<std::vector<uint64_t>> size_weights;
    std::vector<WorkloadProcess> processes;
    std::vector<WorkloadPhase> phases;  // one after another, and again
};

// next() throws std::invalid_argument if the recipe comes to a point where nothing happens any more.
std::unique_ptr<Synth> make_workload(const WorkloadRecipe& recipe);

}  // namespace zreplay
