#include "trace/swap_area.hpp"

#include <algorithm>
#include <cstring>

#include "types.hpp"

namespace zreplay {

SwapArea::SwapArea(uint32_t pages, uint32_t cluster_slots, SlotSearch search, uint32_t cpus, Random& random)
    : pages_(pages), cluster_slots_(cluster_slots), search_(search), random_(random.next()), map_(size_t{pages} + 1),
      cpus_(cpus) {
    if (search != SlotSearch::scan) clusters_.resize(pages / cluster_slots + 1);
    clear();
}

void SwapArea::clear() {
    std::fill(map_.begin(), map_.end(), uint8_t{0});
    map_[0] = in_use;
    lowest_ = 1;
    highest_ = pages_;
    used_ = next_ = run_left_ = frag_count_ = 0;
    next_ = 1;
    for (Cpu& cpu : cpus_) cpu = {nowhere, 0, 1 + random_.below(pages_)};
    if (clusters_.empty()) return;

    for (Ends& ends : ends_) ends = {};
    std::fill(clusters_.begin(), clusters_.end(), Cluster{});
    clusters_.front().used = 1;
    auto count = static_cast<uint32_t>(clusters_.size());
    clusters_.back().used += static_cast<uint16_t>(count * cluster_slots_ - (pages_ + 1));
    // SWAP_CLUSTER_COLS: one cluster of each 64 MB, then the next of each.
    uint32_t columns = (1u << trunk_shift) / cluster_slots_;
    for (uint32_t column = 0; column < columns; ++column)
        for (uint32_t cluster = column; cluster < count; cluster += columns) {
            if (clusters_[cluster].used == 0) move(cluster, free_list);
            else if (search_ == SlotSearch::clusters_6_12 && clusters_[cluster].used < cluster_slots_) move(cluster, nonfull);
        }
}

uint32_t SwapArea::allocate(uint32_t cpu, uint32_t wanted, uint32_t* offsets) {
    switch (search_) {
        case SlotSearch::clusters_6_1: return allocate_6_1(cpu, wanted, offsets);
        case SlotSearch::scan: return allocate_scanning(wanted, offsets);
        case SlotSearch::clusters_6_12: break;
    }
    uint32_t count = 0;
    while (count < wanted && (offsets[count] = allocate_6_12(cpus_[cpu]))) ++count;
    return count;
}

void SwapArea::take(uint32_t offset) {
    map_[offset] = in_use;
    if (!clusters_.empty()) {
        uint32_t cluster = offset / cluster_slots_;
        if (search_ == SlotSearch::clusters_6_1) {
            if (clusters_[cluster].list == free_list) move(cluster, none);
            ++clusters_[cluster].used;
        } else {
            if (clusters_[cluster].list == free_list) move(cluster, nonfull);
            if (++clusters_[cluster].used == cluster_slots_) move(cluster, full);
        }
    }
    if (offset == lowest_) ++lowest_;
    if (offset == highest_) --highest_;
    if (++used_ == pages_) {
        lowest_ = pages_ + 1;
        highest_ = 0;
    }
}

void SwapArea::free(uint32_t offset) {
    map_[offset] = 0;
    lowest_ = std::min(lowest_, offset);
    highest_ = std::max(highest_, offset);
    --used_;
    if (clusters_.empty()) return;
    uint32_t cluster = offset / cluster_slots_;
    if (--clusters_[cluster].used == 0) move(cluster, free_list);
    else if (search_ == SlotSearch::clusters_6_12 && clusters_[cluster].list != nonfull) move(cluster, nonfull);
}

// To the end of a list, from whatever list it is on.
void SwapArea::move(uint32_t cluster, List list) {
    Cluster& moved = clusters_[cluster];
    if (moved.list != none) {
        Ends& ends = ends_[moved.list];
        (moved.before == nowhere ? ends.first : clusters_[moved.before].after) = moved.after;
        (moved.after == nowhere ? ends.last : clusters_[moved.after].before) = moved.before;
        frag_count_ -= moved.list == frag;
    }
    moved.list = list;
    if (list == none) return;
    frag_count_ += list == frag;
    Ends& ends = ends_[list];
    moved.before = ends.last;
    moved.after = nowhere;
    (ends.last == nowhere ? ends.first : clusters_[ends.last].after) = cluster;
    ends.last = cluster;
}

// ---- 6.1: clusters, and a scan where none is free ----

struct SwapArea::Scan {
    uint32_t offset, base;
    int latency = latency_limit;
    bool scanned_many = false;
};

// scan_swap_map_try_ssd_cluster(): the next free slot of the CPU's cluster, or of the first free one.
bool SwapArea::next_in_cluster(Cpu& cpu, Scan& scan) {
    for (;;) {
        if (cpu.cluster == nowhere) {
            if (first(free_list) == nowhere) return false;
            cpu.cluster = first(free_list);
            cpu.next = cpu.cluster * cluster_slots_;
        }
        uint32_t end = std::min(pages_ + 1, (cpu.cluster + 1) * cluster_slots_), offset = cpu.next;
        while (offset < end && map_[offset]) ++offset;
        if (offset < end) {
            cpu.next = offset + 1;
            scan.offset = scan.base = offset;
            return true;
        }
        cpu.cluster = nowhere;
    }
}

// The CPU's cluster has come free as a whole and stands in the queue: it has to take the first of that.
bool SwapArea::is_in_the_middle_of_the_free(Cpu& cpu, uint32_t offset) {
    uint32_t cluster = offset / cluster_slots_;
    if (clusters_[cluster].list != free_list || first(free_list) == cluster) return false;
    cpu.cluster = nowhere;
    return true;
}

bool SwapArea::scan_on(Scan& scan) const {
    auto slow = [&] {
        if (--scan.latency >= 0) return;
        scan.latency = latency_limit;
        scan.scanned_many = true;
    };
    while (++scan.offset <= highest_) {
        slow();
        if (!map_[scan.offset]) return true;
    }
    for (scan.offset = lowest_; scan.offset < scan.base; ++scan.offset) {
        slow();
        if (!map_[scan.offset]) return true;
    }
    return false;
}

// The last thing that is tried for a second slot: those at hand, with the area's lock held.
bool SwapArea::look_near(Scan& scan) const {
    if (scan.scanned_many) return false;
    uint32_t last = scan.offset < scan.base ? scan.base : highest_;
    for (; scan.offset <= last && --scan.latency > 0; ++scan.offset)
        if (!map_[scan.offset]) return true;
    return false;
}

uint32_t SwapArea::allocate_6_1(uint32_t cpu_number, uint32_t wanted, uint32_t* offsets) {
    Cpu& cpu = cpus_[cpu_number];
    Scan scan{cpu.scan_next, cpu.scan_next};
    uint32_t count = 0;
    bool found = next_in_cluster(cpu, scan) || scan_on(scan);
    while (found) {
        if (is_in_the_middle_of_the_free(cpu, scan.offset)) {
            if (count) break;
            found = next_in_cluster(cpu, scan) || scan_on(scan);
            continue;
        }
        if (!highest_) break;
        if (scan.offset > highest_) scan.base = scan.offset = lowest_;
        if (map_[scan.offset]) {
            if (count) break;
            found = scan_on(scan);
            continue;
        }
        take(scan.offset);
        offsets[count++] = scan.offset;
        if (count == wanted || scan.offset >= highest_ || --scan.latency < 0) break;
        found = next_in_cluster(cpu, scan) || look_near(scan);
    }
    if (count) set_scan_next(cpu, scan.offset + 1);
    return count;
}

// A CPU that gets into the next 64 MB goes to some other 64 MB instead.
void SwapArea::set_scan_next(Cpu& cpu, uint32_t next) {
    if (cpu.scan_next >> trunk_shift != next >> trunk_shift) {
        if (highest_ <= lowest_) return;
        next = lowest_ + random_.below(highest_ - lowest_ + 1);
        next = std::max(next >> trunk_shift << trunk_shift, lowest_);
    }
    cpu.scan_next = next;
}

// ---- 6.12: clusters on lists ----

// alloc_swap_scan_cluster(): the first free slot of a cluster at or behind `offset`; 0 if there is none. The CPU goes on
// behind it next time.
uint32_t SwapArea::fill(Cpu& cpu, uint32_t offset) {
    uint32_t cluster = offset / cluster_slots_;
    uint32_t end = std::min(pages_ + 1, (cluster + 1) * cluster_slots_);
    cpu.next = 0;
    if (clusters_[cluster].used >= cluster_slots_) return 0;
    for (; offset < end; ++offset) {
        if (map_[offset]) continue;
        take(offset);
        if (clusters_[cluster].used < cluster_slots_ && offset + 1 < end) cpu.next = offset + 1;
        return offset;
    }
    return 0;
}

uint32_t SwapArea::allocate_6_12(Cpu& cpu) {
    if (cpu.next)
        if (uint32_t found = fill(cpu, cpu.next)) return found;
    if (uint32_t cluster = first(free_list); cluster != nowhere) return fill(cpu, cluster * cluster_slots_);
    uint32_t looked_at = 0;
    for (uint32_t cluster; (cluster = first(nonfull)) != nowhere; ++looked_at) {
        move(cluster, frag);
        if (uint32_t found = fill(cpu, cluster * cluster_slots_)) return found;
    }
    for (; looked_at < frag_count_; ++looked_at) {
        uint32_t cluster = first(frag);
        move(cluster, frag);
        if (uint32_t found = fill(cpu, cluster * cluster_slots_)) return found;
    }
    return 0;
}

// ---- Rotating disks ----

// The begin of the first cluster_slots_ free slots in a row; 0 if there are none. The last slot of a candidate is looked
// at first: if it is used, no run begins before it.
uint32_t SwapArea::first_empty_run() const {
    for (uint32_t begin = lowest_; begin + cluster_slots_ - 1 <= highest_;) {
        uint32_t last = begin + cluster_slots_ - 1;
        for (uint64_t eight; last >= begin + 8; last -= 8) {
            std::memcpy(&eight, &map_[last - 7], 8);
            if (eight) break;
        }
        while (last >= begin && !map_[last]) --last;
        if (last < begin) return begin;
        begin = last + 1;
    }
    return 0;
}

uint32_t SwapArea::allocate_scanning(uint32_t wanted, uint32_t* offsets) {
    Scan scan{next_, next_};
    if (run_left_ == 0) {
        run_left_ = cluster_slots_ - 1;
        if (pages_ - used_ >= cluster_slots_) {
            if (uint32_t begin = first_empty_run()) scan = {begin, lowest_};
            else scan = {lowest_, lowest_};
        }
    } else {
        --run_left_;
    }
    uint32_t count = 0;
    bool found = true;
    while (found && highest_) {
        if (scan.offset > highest_) scan.base = scan.offset = lowest_;
        if (map_[scan.offset]) {
            if (count) break;
            found = scan_on(scan);
            continue;
        }
        take(scan.offset);
        offsets[count++] = scan.offset;
        if (count == wanted || scan.offset >= highest_ || --scan.latency < 0) break;
        if (run_left_ && !map_[++scan.offset]) --run_left_;
        else found = look_near(scan);
    }
    if (!count) return 0;
    next_ = scan.offset + 1;
    return count;
}

}  // namespace zreplay
