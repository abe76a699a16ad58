// zswap as Linux 6.1 has it, under its frontswap layer (kernel-model 2.2 to 2.7).
//
// Store: a set frontswap bit is cleared and zswap told to invalidate before the new page is offered, so a store that fails
// leaves no stale copy behind and `duplicate_entry` stays 0.
//
// A full pool queues the shrink work and refuses, and goes on refusing until it is below the accept threshold. The work is
// one item per pool and runs when the store that queued it is done; on a real machine the worker may be scheduled later,
// and requests meanwhile collapse into the pending one.
#pragma once

#include "swap/zswap_under_frontswap.hpp"

namespace zreplay {

template <Pool P>
class Zswap61 : public ZswapUnderFrontswap<P, P::evictable ? 8 : 0> {
    // The swap entry's header is in front of every object while the allocator could evict (to 6.4/6.5).
    using Base = ZswapUnderFrontswap<P, P::evictable ? 8 : 0>;

  public:
    using Base::Base;
    using PoolType = P;
    static constexpr uint32_t index_entry_bytes = 64;

    // Both give what the kernel would: 0 or a negative errno; for a load −1 when it must read the device; for a
    // compaction the pages freed.
    int predicted(const Event& event) {
        charge(event.op);
        switch (event.op) {
            case Op::store: {
                int result = store(event, [&] { return admit(); });
                if (shrink_pending_) {
                    shrink_pending_ = false;
                    Base::reclaim(event.entry);
                }
                return result;
            }
            case Op::writeback:
            case Op::shrink: return 0;  // the recorded kernel's decisions; here the model makes its own
            default: return Base::common(event);
        }
    }

    int driven(const Event& event) {
        charge(event.op);
        if (event.op == Op::store) return store(event, [&] { return Base::admit_as_recorded(event); });
        return Base::common_driven(event);
    }

  private:
    using Base::charge, Base::counters_, Base::frontswap_;

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        if (frontswap_.clear(event.entry)) Base::drop(event.entry);
        int result = admit();
        if (result == 0) result = Base::keep(event);
        if (result == 0) frontswap_.set(event.entry);
        else ++counters_.stores_rejected;
        return result;
    }

    // Steps 4 and 5 of a store: everything that can refuse it before the page is looked at.
    int admit() {
        const Limits& limits = Base::policy_.limits;
        uint64_t pages = Base::total_pages();
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

    bool reached_full_ = false;
    bool shrink_pending_ = false;
};

}  // namespace zreplay
