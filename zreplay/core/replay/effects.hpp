// What an event that is checked may change: assertions 13 and 14 of kernel-model 7.9.
#pragma once

#include <cstdint>

#include "counters.hpp"
#include "events.hpp"
#include "index/index.hpp"
#include "pool/pool.hpp"
#include "random.hpp"

namespace zreplay {

template <class P>
class Effects {
  public:
    Effects(SwapIndex& index, P& pool, const Counters& counters) : index_(index), pool_(pool), counters_(counters) {}

    // Both look on the account of whoever is charged now.
    void before(const Event& event) {
        entries_ = index_.entries();
        written_back_ = counters_.written_back_pages;
        usage_ = pool_.usage();
        had_ = event.op == Op::store && index_.find(event.entry);
        contents_ = event.op == Op::compact ? contents() : 0;
    }

    // Throws CheckFailed.
    void after(const Event& event, int result) const {
        if (event.op == Op::store && result < 0) {
            // Gone are those written back meanwhile and, where frontswap or the model sees to it, the slot's older copy.
            const uint64_t after = index_.entries() + counters_.written_back_pages - written_back_;
            const bool dropped = had_ && !index_.find(event.entry);
            if (after != entries_ && !(dropped && after + 1 == entries_))
                assertion_failed(13, "a failed store leaves everything as it was", 0, event.entry, after, entries_);
        }
        if (event.op == Op::compact) {
            const PoolUsage usage = pool_.usage();
            require(usage.asked_bytes == usage_.asked_bytes && contents() == contents_,
                    "assertion 14: compaction leaves every object as it was", usage.asked_bytes, usage_.asked_bytes);
            require(usage.pages <= usage_.pages, "assertion 14: compaction takes no page", usage.pages, usage_.pages);
        }
    }

  private:
    // A sum over (slot, length) of all objects, whatever their order.
    uint64_t contents() const {
        uint64_t sum = 0;
        pool_.objects_from(0, [&](Location object) {
            sum += Random(pool_.entry(object).word * 8209 + pool_.size(object)).next();
            return true;
        });
        return sum;
    }

    SwapIndex& index_;
    P& pool_;
    const Counters& counters_;
    uint64_t entries_ = 0, written_back_ = 0, contents_ = 0;
    bool had_ = false;
    PoolUsage usage_;
};

}  // namespace zreplay
