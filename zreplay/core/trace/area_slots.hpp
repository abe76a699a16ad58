// Free slots of one swap area, given out as the kernel does: to a CPU a cluster of 256 that is wholly free, filled in order; when
// there is none, the next free slot from where the last one was found. Slot 0 is the header's.
//
// Which free cluster comes first is the device's affair: on an SSD the one that has been free the longest ("swap: change
// block allocation algorithm for SSD", 3.12), else the lowest.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "types.hpp"

namespace zreplay {

class AreaSlots {
  public:
    static constexpr uint32_t cluster_slots = 256, cluster_words = cluster_slots / 64;

    // `slots` are rounded up to whole clusters, and to one for each CPU. `oldest_first`: as on an SSD.
    AreaSlots(uint64_t slots, bool oldest_first, uint32_t cpus)
        : oldest_first_(oldest_first), in_use_(slots / cluster_slots + 1 + cpus), filling_(cpus) {
        used_.resize(in_use_.size() * cluster_words);
        free_.resize(in_use_.size());
        std::iota(free_.begin(), free_.end(), 0u);
        free_count_ = free_.size();
        for (Filling& filling : filling_) filling = {take_cluster(), 0};
        if (filling_[0].cluster == 0) filling_[0].next = 1;
        take_slot(0);
    }

    uint64_t slots() const { return used_.size() * 64; }
    uint64_t slots_free() const { return slots() - taken_; }

    // Which one the CPU takes next; there is a free one.
    uint64_t next(uint32_t cpu) {
        Filling& filling = filling_[cpu];
        if (filling.next == cluster_slots || is_used(filling.slot())) find_next(filling);
        return filling.slot();
    }
    uint64_t take(uint32_t cpu) {
        const uint64_t slot = next(cpu);
        ++filling_[cpu].next;
        take_slot(slot);
        return slot;
    }

    void give_back(uint64_t slot) {
        used_[slot / 64] &= ~(uint64_t{1} << slot % 64);
        --taken_;
        const auto cluster = static_cast<uint32_t>(slot / cluster_slots);
        if (--in_use_[cluster] == 0 && !is_filling(cluster)) put_cluster(cluster);
    }

  private:
    bool is_used(uint64_t slot) const { return used_[slot / 64] >> slot % 64 & 1; }
    void take_slot(uint64_t slot) {
        used_[slot / 64] |= uint64_t{1} << slot % 64;
        ++taken_;
        ++in_use_[slot / cluster_slots];
    }

    struct Filling {
        uint32_t cluster = 0, next = 0;
        uint64_t slot() const { return uint64_t{cluster} * cluster_slots + next; }
    };
    bool is_filling(uint32_t cluster) const {
        return std::ranges::any_of(filling_, [cluster](const Filling& filling) { return filling.cluster == cluster; });
    }

    void find_next(Filling& filling) {
        const uint32_t left = std::exchange(filling.cluster, ~0u);
        if (in_use_[left] == 0 && !is_filling(left)) put_cluster(left);
        if (free_count_) {
            filling = {take_cluster(), 0};
            return;
        }
        // The kernel scans: the free slot that comes next, round and round.
        uint64_t word = (uint64_t{left} * cluster_slots + filling.next) / 64 % used_.size();
        while (used_[word] == ~uint64_t{0}) word = (word + 1) % used_.size();
        const uint64_t slot = word * 64 + static_cast<uint64_t>(std::countr_one(used_[word]));
        filling = {static_cast<uint32_t>(slot / cluster_slots), static_cast<uint32_t>(slot % cluster_slots)};
    }

    uint32_t take_cluster() {
        --free_count_;
        if (oldest_first_) {
            const uint32_t cluster = free_[first_];
            first_ = (first_ + 1) % free_.size();
            return cluster;
        }
        // A heap of the lowest: few clusters, and one for every 256 slots.
        std::pop_heap(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(free_count_ + 1), std::greater<>());
        return free_[free_count_];
    }
    void put_cluster(uint32_t cluster) {
        if (oldest_first_) {
            free_[(first_ + free_count_++) % free_.size()] = cluster;
            return;
        }
        free_[free_count_++] = cluster;
        std::push_heap(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(free_count_), std::greater<>());
    }

    bool oldest_first_;
    std::vector<uint64_t> used_;     // a bit a slot
    std::vector<uint16_t> in_use_;   // slots of each cluster
    std::vector<uint32_t> free_;     // clusters: a ring, or a heap
    size_t first_ = 0, free_count_ = 0;
    uint64_t taken_ = 0;
    std::vector<Filling> filling_;  // by CPU
};

}  // namespace zreplay
