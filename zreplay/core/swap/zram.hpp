// zram: a block device in memory. A store is a write of one page, a load a read, an invalidate the notice that a slot is
// free. There is no limit, and nothing to fall back to but a backing device (4.14), to which pages go when the user says so.
//
//   * A page of one repeated word is kept in the table (same_filled_pages; zram's statistics say same_pages).
//   * A page that compresses to the allocator's huge class or more is stored as it is, 4096 bytes (huge_pages).
//   * An overwriting write allocates the new object first and then frees the old one, so both are in the pool for a moment.
//   * A read of a slot never written gives zeroes; in a recording it may have been written before the recording began. It
//     counts as a load of an unknown slot.
//
// The recording decides nothing here, so a driven replay is the same as a predicted one, but for writes that failed.
// compressed_bytes is compr_data_size, pool_total_size mem_used_total, compactions those of the `compact` file.
#pragma once

#include <utility>
#include <vector>

#include "swap/entries.hpp"
#include "swap/slot_bits.hpp"

namespace zreplay {

template <Pool P>
class Zram : public Entries<P> {
    using Base = Entries<P>;

  public:
    using PoolType = P;
    static constexpr uint32_t index_entry_bytes = 48;  // links, offset, handle and flags, were the index an rbtree

    Zram(P& pool, const ModelParts& parts) : Base(pool, parts, 0) {
        if constexpr (requires { pool.huge_bytes(); }) huge_bytes_ = pool.huge_bytes();
    }

    static constexpr int warm_steps = P::warm_steps;
    bool warms_slots() const { return false; }
    void warm(SwapEntry) const {}
    bool warms_objects() const { return slots_.holds_locations(); }
    void warm(Location found, int step, bool freeing) const { pool_.warm(found, step, freeing); }
    Location object_of(SwapEntry entry) const { return slots_.find(entry); }
    static Location victim() { return {}; }

    int predicted(const Event& event) { return take(event, Base::policy_.paced); }

    int driven(const Event& event) {
        if (event.op != Op::store || event.result().value_or(0) == 0) return take(event, true);
        Base::charge(event.op);
        ++counters_.stores;
        ++counters_.stores_rejected;
        return *event.result();
    }

  private:
    using Base::counters_, Base::pool_, Base::slots_;

    int take(const Event& event, bool as_recorded) {
        Base::charge(event.op);
        int result = act(event, as_recorded);
        Base::refresh_total_size(pool_.pages());
        return result;
    }

    int act(const Event& event, bool as_recorded) {
        switch (event.op) {
            case Op::store: return write(event);
            case Op::load: return read(event.entry);
            case Op::invalidate: return slot_free(event.entry);
            default: return act_rarely(event, as_recorded);
        }
    }

    [[gnu::noinline]] int act_rarely(Event event, bool as_recorded) {
        switch (event.op) {
            case Op::invalidate_area: return reset(event.entry.type());
            case Op::compact: return Base::compact(event, as_recorded);
            case Op::writeback: return write_back(event);
            case Op::migrate: return Base::migrate(event);
            case Op::cma: return Base::evacuate(event);
            default: return 0;
        }
    }

    int write(const Event& event) {
        ++counters_.stores;
        uint32_t size_bytes = 0;
        int result = Base::compress(event, size_bytes);
        Location object;
        if (result == 0) {
            if (size_bytes >= huge_bytes_) size_bytes = page_bytes;
            Allocation made = Base::allocate(event.entry, size_bytes);
            result = made.error;
            object = made.location;
        }
        if (result != 0) {
            ++counters_.stores_rejected;
            return result;
        }
        on_device_.clear(event.entry);
        counters_.huge_pages += size_bytes == page_bytes;
        if (Location old = slots_.insert(event.entry, object)) free_object(old);
        return 0;
    }

    int read(SwapEntry entry) {
        Location object = slots_.find(entry);
        if (object) {
            Base::loaded(object);
        } else if (on_device_.test(entry)) {
            return Base::missed();
        } else {
            ++counters_.loads_unknown;
            Base::missed();
        }
        return 0;
    }

    // Which pages go to the backing device is the user's choice (idle, huge), and the trace's.
    int write_back(const Event& event) {
        if (!event.has_slot() || event.result().value_or(0) != 0) return 0;
        if (Location object = slots_.erase(event.entry)) {
            free_object(object);
            on_device_.set(event.entry);
            ++counters_.written_back_pages;
        }
        return 0;
    }

    int slot_free(SwapEntry entry) {
        ++counters_.invalidates;
        if (on_device_.clear(entry)) return 0;
        if (Location old = slots_.erase(entry)) free_object(old);
        else ++counters_.invalidates_unknown;
        return 0;
    }

    int reset(uint32_t type) {
        std::vector<std::pair<uint64_t, Location>> all;
        slots_.for_each(type, [&](uint64_t offset, Location object) { all.emplace_back(offset, object); });
        for (auto [offset, object] : all) {
            slots_.erase({type, offset});
            free_object(object);
        }
        return 0;
    }

    void free_object(Location object) {
        if (!object.is_same_filled()) counters_.huge_pages -= pool_.size(object) == page_bytes;
        Base::release(object);
    }

    uint32_t huge_bytes_ = page_bytes;
    SlotBits on_device_;
};

}  // namespace zreplay
