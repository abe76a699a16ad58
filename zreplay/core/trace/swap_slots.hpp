// Slots as a CPU gets and returns them: areas of one priority that take turns, and each CPU's two caches in front of them
// (mm/swap_slots.c, 4.11 to 6.14).
//
//      allocate    from the CPU's cache; when it is empty, up to 64 slots from the area whose turn it is
//      free        into the CPU's other cache; when a 65th comes, its 64 go back to their areas, sorted by type
//
// What is left out: the kernel gives the caches up where fewer than 128 slots a CPU are free. Its sort of returned slots is
// not stable, ours is; that shows only with several areas.
//
// A slot is one word here, its type above its offset; 0 is none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "trace/swap_area.hpp"
#include "types.hpp"

namespace zreplay {

struct Slot {
    static constexpr int offset_bits = 27;  // 512 GB an area
    static constexpr uint32_t word(uint32_t type, uint32_t offset) { return type << offset_bits | offset; }
    static constexpr uint32_t type(uint32_t slot) { return slot >> offset_bits; }
    static constexpr uint32_t offset(uint32_t slot) { return slot & ((1u << offset_bits) - 1); }
};

struct SwapSlotsOptions {
    uint32_t types = 1, first_type = 0;
    uint32_t area_pages = 1, cluster_slots = 512;
    SlotSearch search = SlotSearch::clusters_6_1;
    uint32_t cpus = 1;
    bool caches = true;
};

class SwapSlots {
  public:
    static constexpr uint32_t batch = 64;  // SWAP_SLOTS_CACHE_SIZE

    SwapSlots(const SwapSlotsOptions& options, Random& random)
        : first_type_(options.first_type), wanted_(options.caches ? batch : 1),
          pages_(options.types * uint64_t{options.area_pages}), cpus_(options.cpus) {
        for (uint32_t type = 0; type < options.types; ++type)
            areas_.emplace_back(options.area_pages, options.cluster_slots, options.search, options.cpus, random);
    }

    // 0 if no area has a free slot.
    uint32_t allocate(uint32_t cpu) {
        Cpu& own = cpus_[cpu];
        if (own.next == own.count && !refill(own, cpu)) return 0;
        return own.slots[own.next++];
    }

    // `returned` is called with each slot that goes back to its area, in the kernel's order, before it does.
    template <class Returned>
    void free(uint32_t cpu, uint32_t slot, Returned&& returned) {
        if (wanted_ == 1) return give_back(slot, returned);
        Cpu& own = cpus_[cpu];
        if (own.freed_count == batch) {
            for (uint32_t type = first_type_; type < first_type_ + areas_.size(); ++type)
                for (uint32_t freed : own.freed)
                    if (Slot::type(freed) == type) give_back(freed, returned);
            own.freed_count = 0;
        }
        own.freed[own.freed_count++] = slot;
    }

    // The kernel's count of the slot and the caller's bits; SwapArea::in_use as long as the slot is not in its area.
    uint8_t& map(uint32_t slot) { return area(slot).map(Slot::offset(slot)); }

    void clear() {  // as after swapon of all areas
        for (SwapArea& area : areas_) area.clear();
        std::fill(cpus_.begin(), cpus_.end(), Cpu{});
    }

    uint64_t used() const {
        uint64_t used = 0;
        for (const SwapArea& area : areas_) used += area.used();
        return used;
    }
    uint64_t pages() const { return pages_; }

  private:
    struct Cpu {
        std::array<uint32_t, batch> slots{}, freed{};
        uint32_t next = 0, count = 0, freed_count = 0;
    };

    SwapArea& area(uint32_t slot) { return areas_[Slot::type(slot) - first_type_]; }

    template <class Returned>
    void give_back(uint32_t slot, Returned& returned) {
        returned(slot);
        area(slot).free(Slot::offset(slot));
    }

    // get_swap_pages(): the area whose turn it is goes to the end of those of its priority, found something or not.
    bool refill(Cpu& own, uint32_t cpu) {
        own.next = own.count = 0;
        for (size_t tried = 0; tried < areas_.size() && !own.count; ++tried) {
            uint32_t at = turn_;
            turn_ = (turn_ + 1) % static_cast<uint32_t>(areas_.size());
            own.count = areas_[at].allocate(cpu, wanted_, own.slots.data());
            for (uint32_t i = 0; i < own.count; ++i) own.slots[i] = Slot::word(first_type_ + at, own.slots[i]);
        }
        return own.count > 0;
    }

    uint32_t first_type_, wanted_, turn_ = 0;
    uint64_t pages_;
    std::vector<SwapArea> areas_;
    std::vector<Cpu> cpus_;
};

}  // namespace zreplay
