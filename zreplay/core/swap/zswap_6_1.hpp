// zswap as Linux 6.1 has it, under its frontswap layer (kernel-model 2.2 to 2.7).
//
// Store: a set frontswap bit is cleared and zswap told to invalidate before the new page is offered, so a store that fails
// leaves no stale copy behind and `duplicate_entry` stays 0.
//
// A full pool queues the shrink work and refuses, and goes on refusing until it is below the accept threshold. The work is
// one item per pool and runs when the store that queued it is done; on a real machine the worker may be scheduled later,
// and requests meanwhile collapse into the pending one. A `paced` replay takes these moments from the recording: the work
// begins at each recorded shrink, and each recorded writeback is the time of one eviction.
#pragma once

#include "swap/zswap_under_frontswap.hpp"

namespace zreplay {

template <Pool P>
class Zswap61 : public ZswapUnderFrontswap<P> {
    using Base = ZswapUnderFrontswap<P>;

  public:
    // The swap entry's header is in front of every object while the allocator could evict (to 6.4/6.5).
    Zswap61(P& pool, const ModelParts& parts) : Base(pool, parts, evicts(pool) ? 8 : 0) {}
    using PoolType = P;
    static constexpr uint32_t index_entry_bytes = 64;

    // zswap looks at its limit, and queues the work, when a store is called; the page is compressed and allocated for later.
    int decide() {
        charge(Op::store);
        return admit();
    }

    // zswap counts the pool at the end of a store, and when it has freed an entry (`pages` then); the limit is checked against
    // that count.
    void returned(uint64_t pages) { counted_pages_ = pages ? pages : pool_.pages(); }

    // Both give what the kernel would: 0 or a negative errno; for a load −1 when it must read the device; for a
    // compaction the pages freed.
    int predicted(const Event& event) {
        charge(event.op);
        if (event.op == Op::store) {
            int result = store(event, [&] { return event.admitted ? *event.admitted : admit(); });
            if (shrink_pending_ && !policy_.paced) {
                run_shrink_work();
                counted_pages_ = Base::total_pages();
            }
            return result;
        }
        const uint64_t before = Base::total_pages();
        const int result = predicted_but_store(event);
        if (Base::total_pages() != before && !event.returns_later) counted_pages_ = Base::total_pages();  // an entry was freed
        return result;
    }

    int driven(const Event& event) {
        charge(event.op);
        if (event.op == Op::store) return store(event, [&] { return Base::admit_as_recorded(event); });
        return Base::common_driven(event);
    }

  private:
    using Base::charge, Base::counters_, Base::frontswap_, Base::policy_, Base::pool_, Base::reclaim_;

    int predicted_but_store(const Event& event) {
        return event.op <= Op::invalidate ? Base::common(event) : predicted_rarely(event);
    }

    [[gnu::noinline]] int predicted_rarely(Event event) {
        switch (event.op) {
            // The recorded kernel's decisions; here the model makes its own, though perhaps at the recorded moments.
            case Op::writeback:
                if constexpr (P::evictable)
                    if (policy_.paced) evict_at_recorded_moment(event);
                return 0;
            case Op::shrink:
                if (policy_.paced) begin_at_recorded_moment();
                return 0;
            default: return Base::common(event);
        }
    }

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        SlotBits::Bit known = frontswap_.bit(event.entry);
        if (known.clear()) Base::drop(event.entry);
        int result = admit();
        if (result == 0) {
            result = Base::keep(event);
            if (result == 0) Base::note_fate(event);
        } else if (auto slot = Base::stand_in(event)) {
            if (frontswap_.clear(*slot)) Base::drop(*slot);
            if (Base::keep(event) == 0) known.set();
            return result;
        }
        if (result == 0) known.set();
        else ++counters_.stores_rejected;
        return result;
    }

    // Steps 4 and 5 of a store: everything that can refuse it before the page is looked at.
    int admit() {
        const Limits& limits = policy_.limits;
        const uint64_t pages = counted_pages_;
        if (limits.full(pages)) {
            ++counters_.pool_limit_hit;
            reached_full_ = true;
            shrink_pending_ = true;
            return -e_nomem;
        }
        if (reached_full_) {
            if (!limits.can_accept(pages)) {
                ++counters_.reject_hysteresis;
                return -e_nomem;
            }
            reached_full_ = false;
        }
        return 0;
    }

    [[gnu::noinline]] void run_shrink_work() {
        shrink_pending_ = false;
        Base::reclaim({});
    }

    // The recording says when the worker got the processor, not what it then did.
    void begin_at_recorded_moment() {
        if constexpr (P::evictable)
            while (Location left = Base::victim()) reclaim_->result(Base::write_back(left));
        // With two CPUs the request may be one that the run before has already answered, as the model sees it: a store queues
        // the work a moment after its call.
        if constexpr (P::evictable) {
            if (!evicts(pool_)) return run_shrink_work();
            shrink_pending_ = false;
            ++counters_.shrinks;
            reclaim_.emplace(pool_, Base::reclaim_retries);
        } else {
            run_shrink_work();
        }
    }

    // Whether a page is in the swap cache is an input (kernel-model 8.2), and an eviction tried is the one time it shows.
    void evict_at_recorded_moment(const Event& event)
        requires P::evictable
    {
        if (event.has_slot())
            if (Location location = Base::slots_.find(event.entry); location && !location.is_same_filled())
                pool_.set_resident(location, event.result() == -e_exist);
        if (Location next = Base::victim()) {
            const bool no_memory = event.result() == -e_nomem;  // for the page in the swap cache: an input likewise
            if (no_memory) ++counters_.writebacks_failed;
            reclaim_->result(!no_memory && Base::write_back(next));
            if (!Base::victim() && reclaim_->error()) ++counters_.reject_reclaim_fail;
        }
    }

    uint64_t counted_pages_ = 0;
    bool reached_full_ = false;
    bool shrink_pending_ = false;
};

}  // namespace zreplay
