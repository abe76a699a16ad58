// One swap area, and how each kernel chooses a free slot of it (6.1 and 6.12, mm/swapfile.c).
//
//      clusters_6_1    an SSD's area to 6.11: a CPU takes the first free cluster and fills it in order; a cluster goes to the
//                      end of the free list when its last slot is freed. Without a free cluster: a scan from where the
//                      CPU was last ("swap: make cluster allocation per-cpu", 3.12)
//      clusters_6_12   the same with lists: without a free cluster the first one that is not full is filled up
//                      ("mm: swap: separate SSD allocation from HDD allocation", 6.12)
//      scan            a rotating disk's, the same in both: the next free slot, and after as many as a cluster has the
//                      first run of so many free ones from the area's begin
//
// A cluster is 512 slots (SWAPFILE_CLUSTER is HPAGE_PMD_NR where huge pages can be swapped, as on x86-64), else 256. At
// swapon free clusters are queued by columns, one of each 64 MB in turn, and cluster 0 is not among them: slot 0 is the
// header. Slots of the last, partial cluster and of the header's are used when no cluster is free.
//
// What is left out: reclaim of slots that only the swap cache holds (that is the caller's), discard, huge pages.
//
// State is a byte a slot, the kernel's swap_map with bits of our own, and 12 bytes a cluster.
#pragma once

#include <cstdint>
#include <vector>

#include "random.hpp"

namespace zreplay {

enum class SlotSearch : uint8_t { clusters_6_1, clusters_6_12, scan };

class SwapArea {
  public:
    // `pages` without the header, so offsets are 1 to `pages`. `random` gives each CPU its place to begin to scan at.
    SwapArea(uint32_t pages, uint32_t cluster_slots, SlotSearch search, uint32_t cpus, Random& random);

    // scan_swap_map_slots(): up to `wanted` free slots for a CPU, fewer if that is all one call of the kernel would find;
    // 0 if there is none. Each is marked in_use.
    uint32_t allocate(uint32_t cpu, uint32_t wanted, uint32_t* offsets);
    void free(uint32_t offset);
    void clear();  // as after swapon

    static constexpr uint8_t in_use = 0x40;  // the lower bits are the caller's, and bit 7
    uint8_t& map(uint32_t offset) { return map_[offset]; }
    uint32_t used() const { return used_; }
    uint32_t pages() const { return pages_; }

  private:
    static constexpr uint32_t nowhere = ~0u;
    static constexpr uint32_t trunk_shift = 14;  // SWAP_ADDRESS_SPACE_SHIFT: 64 MB
    static constexpr int latency_limit = 256;    // LATENCY_LIMIT

    enum List : uint16_t { none, free_list, nonfull, frag, full, lists };
    struct Cluster {
        uint32_t before = nowhere, after = nowhere;
        uint16_t used = 0;
        List list = none;
    };
    struct Ends {
        uint32_t first = nowhere, last = nowhere;
    };
    struct Cpu {
        uint32_t cluster = nowhere;  // 6.1: index; 6.12: not used
        uint32_t next = 0;           // the slot to look at first; 6.12: 0 is none
        uint32_t scan_next = 1;      // cluster_next_cpu
    };
    struct Scan;  // what one call of the scan carries along

    uint32_t allocate_6_1(uint32_t cpu, uint32_t wanted, uint32_t* offsets);
    uint32_t allocate_scanning(uint32_t wanted, uint32_t* offsets);
    uint32_t allocate_6_12(Cpu& cpu);
    bool next_in_cluster(Cpu& cpu, Scan& scan);
    bool is_in_the_middle_of_the_free(Cpu& cpu, uint32_t offset);
    bool scan_on(Scan& scan) const;
    bool look_near(Scan& scan) const;
    uint32_t fill(Cpu& cpu, uint32_t offset);
    uint32_t first_empty_run() const;
    void set_scan_next(Cpu& cpu, uint32_t next);

    void take(uint32_t offset);
    void move(uint32_t cluster, List list);
    uint32_t first(List list) const { return ends_[list].first; }

    uint32_t pages_, cluster_slots_;
    SlotSearch search_;
    Random random_;
    std::vector<uint8_t> map_;
    std::vector<Cluster> clusters_;
    Ends ends_[lists];
    uint32_t frag_count_ = 0;
    std::vector<Cpu> cpus_;
    uint32_t lowest_ = 1, highest_ = 0, used_ = 0;
    uint32_t next_ = 1, run_left_ = 0;  // scan: cluster_next, cluster_nr
};

}  // namespace zreplay
