// zswap while it stood behind frontswap (3.11 to 6.5), as far as 3.12 and 6.1 are the same: everything but which stores are
// let in, and who pays for room (kernel-model 2.3 to 2.8).
//
// Two ways to be driven. `predicted`: the trace says what the kernel was asked to do (store, load, invalidate, pressure)
// and the model decides; its own writebacks replace the recorded ones. `driven`: allocations, frees, evictions and
// compactions happen when the recording says so; no limit is applied. Driven replays test a pool, predicted ones the
// policy too.
//
// pool_total_size is what the kernel's variable would hold. It is refreshed after a successful store and after an entry is
// freed, not when the pool changes, and the limit is checked against it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "swap/entries.hpp"
#include "swap/slot_bits.hpp"

namespace zreplay {

template <Pool P, class Mm = PoolLru>
class ZswapUnderFrontswap : public Entries<P, Mm> {
    using Base = Entries<P, Mm>;

  public:
    using Base::Base;
    static constexpr int reclaim_retries = 8;

    static constexpr int warm_steps = P::warm_steps;
    bool warms_slots() const { return frontswap_.are_many(); }
    void warm(SwapEntry entry) const { frontswap_.warm(entry); }
    bool warms_objects() const { return slots_.holds_locations(); }
    void warm(Location found, int step, bool freeing) const { pool_.warm(found, step, freeing); }
    Location object_of(SwapEntry entry) const { return slots_.find(entry); }

    // The object the pool's reclaimer would evict next, while a recorded eviction is under way.
    Location victim() const {
        if constexpr (P::evictable)
            if (reclaim_) return reclaim_->victim();
        return {};
    }

  protected:
    using Base::charge, Base::counters_, Base::policy_, Base::pool_, Base::slots_;

    // v3 of the 2013 series has the slot and the length in the page's header, and nothing in front of the object.
    static uint32_t header_bytes_3_12(const Policy& policy) { return policy.slots.locate == Locate::header ? 0 : 8; }

    // Every event that a limit has no say in. What is rare is out of line, with a copy of the event, so that those of slots pass in
    // registers.
    int common(const Event& event) {
        if (event.op == Op::load) return load(event.entry);
        if (event.op == Op::invalidate) return invalidate(event.entry);
        return rare(event);
    }

    [[gnu::noinline]] int rare(Event event) {
        switch (event.op) {
            case Op::invalidate_area: return invalidate_area(event.entry.type());
            case Op::compact: return Base::compact(event, policy_.paced);
            case Op::migrate: return Base::migrate(event);
            case Op::cma: return Base::evacuate(event);
            default: return 0;
        }
    }

    // Recorded evictions, one by one; anything else than a store or an eviction is common.
    int common_driven(const Event& event) {
        switch (event.op) {
            case Op::writeback: return writeback_as_recorded(event);
            case Op::shrink:
                if constexpr (P::evictable) reclaim_.emplace(pool_of(event.entry), reclaim_retries);
                ++counters_.shrinks;
                return 0;
            case Op::compact: return Base::compact(event, true);
            default: return common(event);
        }
    }

    int admit_as_recorded(const Event& event) {
        if (event.result().value_or(0) == 0 || event.size > 0) return 0;
        // Refused before an allocation: by the limit, by the hysteresis (no telling them apart), or by the compressor.
        if (*event.result() == -e_inval) ++counters_.reject_compress_fail;
        else ++counters_.pool_limit_hit;
        return *event.result();
    }

    // A store of 3.12 that was let in, or was not (`result` < 0). frontswap's bit is set when zswap has taken the page, else
    // cleared; an older copy that the store did not replace stays.
    int keep_as_3_12(const Event& event, int result) {
        SlotBits::Bit known = frontswap_.bit(event.entry);
        if (result == 0) result = keep(event);
        if (result == 0) {
            known.set();
        } else {
            known.clear();
            ++counters_.stores_rejected;
        }
        return result;
    }

    // Steps 7 to 14 of a store: compressed, same-filled or allocated, then indexed.
    int keep(const Event& event) {
        uint32_t size_bytes = 0;
        if (int error = Base::compress(event, size_bytes)) return error;
        Allocation made = Base::allocate(event.entry, size_bytes);
        if (made.error) return made.error;
        if (Base::follows_pages()) [[unlikely]] Base::note_page(event, made.location);
        // v3 of the 2013 series, whose tree is inside zbud: it has allocated by now, and its tree refuses.
        if (policy_.slots.locate == Locate::header && slots_.refuses(event.entry)) {
            Base::release(made.location);
            ++counters_.reject_exists;
            return -e_exist;
        }
        if (Location old = slots_.insert(event.entry, made.location)) {
            ++counters_.duplicate_entry;
            free_entry(event.entry, old);
        }
        refresh_total_size(event.entry);
        return 0;
    }

    void drop(SwapEntry entry) {
        if (Location location = slots_.erase(entry)) free_entry(entry, location);
    }

    // The pool is asked to free a page, to make room for more of the entry's kind.
    int reclaim([[maybe_unused]] SwapEntry entry) {
        ++counters_.shrinks;
        charge(Op::shrink);
        int result = -e_inval;  // zsmalloc cannot evict: the call fails every time
        if constexpr (P::evictable)
            result = pool_of(entry).reclaim(reclaim_retries, [this](Location victim) {
                const bool evicted = write_back(victim);
                charge(Op::shrink);  // whose affair the next page is
                return evicted;
            });
        if (result) ++counters_.reject_reclaim_fail;
        return result;
    }

    // One object, given by the allocator: its header names the entry.
    bool write_back(Location victim) {
        charge(Op::writeback);
        if (pool_.is_resident(victim)) {  // −EEXIST: a copy is in the swap cache, eviction would be pointless
            ++counters_.writebacks_failed;
            return false;
        }
        SwapEntry entry = pool_.entry(victim);
        if (slots_.peek(entry) != victim) return true;  // already being freed
        ++counters_.written_back_pages;
        drop(entry);
        return true;
    }

    SlotBits frontswap_;
    std::optional<typename ReclaimOf<P>::type> reclaim_;  // an eviction at recorded moments that is under way

  private:
    int load(SwapEntry entry) {
        if (!frontswap_.test(entry)) {
            ++counters_.loads_unknown;
            return Base::missed();
        }
        Location location = slots_.find(entry);
        if (!location) return Base::missed();
        Base::loaded(location);
        if (policy_.exclusive_loads) {
            frontswap_.clear(entry);
            drop(entry);
        } else if constexpr (P::evictable) {
            if (!location.is_same_filled()) pool_.set_resident(location, true);
        }
        return 0;
    }

    int invalidate(SwapEntry entry) {
        ++counters_.invalidates;
        if (!frontswap_.clear(entry)) ++counters_.invalidates_unknown;
        else drop(entry);
        return 0;
    }

    int invalidate_area(uint32_t type) {
        std::vector<std::pair<uint64_t, Location>> all;
        slots_.for_each(type, [&](uint64_t offset, Location location) { all.emplace_back(offset, location); });
        for (auto [offset, location] : all) {
            slots_.erase({type, offset});
            free_entry({type, offset}, location);
        }
        frontswap_.clear_type(type);
        return 0;
    }

    void free_entry(SwapEntry entry, Location location) {
        Base::release(location);
        refresh_total_size(entry);
    }

    int writeback_as_recorded(const Event& event) {
        bool evicted = event.result().value_or(0) == 0;
        const Location location = event.has_slot() ? slots_.find(event.entry) : Location();
        if (evicted) ++counters_.written_back_pages;
        else ++counters_.writebacks_failed;
        if (evicted && location) drop(event.entry);
        if constexpr (P::evictable)
            if (victim()) reclaim_->result(evicted);
        return event.result().value_or(0);
    }

    auto& pool_of(SwapEntry entry) {
        if constexpr (requires { pool_.of(entry); }) return pool_.of(entry);
        else return pool_;
    }
    void refresh_total_size(SwapEntry entry) { Base::refresh_total_size(pool_of(entry).pages()); }
};

}  // namespace zreplay
