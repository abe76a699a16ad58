// zswap of the latest kernels (6.18), without frontswap and without allocators that evict (kernel-model 2.7 and 2.10).
//
//   swap index ─▶ entry (mm/entry_lru.hpp) ─▶ object in the pool
//
//   * Loads are exclusive: a load takes the entry away. ("mm/zswap: only support zswap_exclusive_loads_enabled", 6.9)
//   * Zero-filled pages are marked in the zeromap and never get here; nothing else is looked for in a page. A trace does
//     not say which same-filled pages are zeroes: all but one in a hundred are, so all count as such.
//   * What does not compress below a page is kept as it is, 4096 bytes ("mm/zswap: store <PAGE_SIZE compression failed
//     page as-is", 6.18).
//   * The pool is full at its limit, not above it, and accepts again at the threshold, not below it. Pages are counted when
//     they are asked about, so pool_total_size is never stale. Every store that fails while the pool is full queues the
//     shrink work, and drops an older entry of its slot.
//   * The shrink work looks at one entry at a time, the oldest, until the pool is at the threshold or 16 looks have evicted
//     nothing. A look that only takes the referenced bit away evicts nothing and counts among the 16 ("mm: zswap: fix
//     global shrinker error handling logic", 6.12). It runs when the store that queued it is done.
//
// Without exclusive loads (as in 6.6) a load sets the referenced bit, and leaves a page in the swap cache that makes
// evicting its entry fail.
#pragma once

#include <algorithm>
#include <vector>

#include "mm/belady.hpp"
#include "mm/entry_lru.hpp"
#include "swap/entries.hpp"
#include "swap/slot_bits.hpp"

namespace zreplay {

template <Pool P, class Lru = EntryLru>
class ZswapLatest : public Entries<P> {
    using Base = Entries<P>;
    static constexpr int reclaim_retries = 16;

  public:
    ZswapLatest(P& pool, const ModelParts& parts) : Base(pool, parts, 0), future_loads_(parts.future_loads) {
        Base::entries_apart_ = true;
        // Slots name entries, so a moved page is told to them: one walk to the entry, and the write.
        if (P::locations_move)
            pool.on_move([this](SwapEntry slot, Location now) {
                Lru::entry_of(index_.find(slot))->object = now;
                ++counters_.handles_rewritten;
            });
    }

    using PoolType = P;
    static constexpr uint32_t index_entry_bytes = 24;  // the links alone, were the index an rbtree; the entry is here

    static constexpr int warm_steps = Lru::warm_steps + P::warm_steps - 1;
    void warm(SwapEntry slot) const { zeromap_.warm(slot); }
    void warm(Location found, int step, bool freeing) const {
        freeing |= policy_.exclusive_loads;
        const CompressedEntry* entry = Lru::entry_of(found);
        if (step == 0 || (freeing && step < Lru::warm_steps)) Lru::warm(entry, step);
        if (step > 0) pool_.warm(entry->object, step - 1, freeing);
    }
    Location object_of(SwapEntry slot) const {
        Location found = index_.find(slot);
        return found ? Lru::entry_of(found)->object : Location();
    }
    static Location victim() { return {}; }

    // Throws CheckFailed.
    void check() {
        lru_.check(pool_);
        index_.charge_nobody();
        lru_.for_each([&](const CompressedEntry* entry) {
            if (Location found = index_.find(entry->slot); found != Lru::location_of(entry))
                assertion_failed(found ? 1 : 2, "an entry is named by its slot", pool_.page_id(entry->object), entry->slot,
                                 found.word(), Lru::location_of(entry).word());
            if (pool_.entry(entry->object) != entry->slot)
                assertion_failed(2, "an object is its entry's", pool_.page_id(entry->object), entry->slot,
                                 pool_.entry(entry->object).word, entry->slot.word);
        });
        require(lru_.entries() == index_.entries(), "assertion 3: entries of the index are those on the LRU", index_.entries(),
                lru_.entries());
        require(index_.entries() == counters_.stored_pages, "assertion 3: entries of the index are stored_pages",
                index_.entries(), counters_.stored_pages);
        require(pool_.usage().objects == counters_.stored_pages, "assertion 3: objects are stored_pages",
                pool_.usage().objects, counters_.stored_pages);
    }

    int predicted(const Event& event) {
        int result = act(event, policy_.paced, [this] { return admit(); });
        if (event.op == Op::store && result < 0 && reached_full_) run_shrink_work();
        settle();
        return result;
    }

    int driven(const Event& event) {
        int result;
        if (event.op == Op::writeback) {
            charge(event.op);
            result = writeback_as_recorded(event);
        } else {
            result = act(event, true, [&] { return admit_as_recorded(event); });
        }
        settle();
        return result;
    }

  private:
    using Base::charge, Base::counters_, Base::index_, Base::policy_, Base::pool_;

    template <class Admit>
    int act(const Event& event, bool as_recorded, Admit&& admit) {
        charge(event.op);
        switch (event.op) {
            case Op::store: return store(event, admit);
            case Op::load: return load(event.entry);
            case Op::invalidate: return invalidate(event.entry);
            case Op::invalidate_area: return invalidate_area(event.entry.type());
            case Op::compact: return Base::compact(event, as_recorded);
            case Op::migrate: return Base::migrate();
            case Op::cma: return Base::evacuate(event);
            default: return 0;
        }
    }

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        uint32_t size_bytes = page_bytes;
        int result = Base::incompressible(event) ? 0 : Base::compress(event, size_bytes);
        if (result == 0 && size_bytes == 0) {
            // An older entry of the slot stays, out of reach until it is invalidated or evicted: zswap is not told.
            zeromap_.set(event.entry);
            ++counters_.swpout_zero;
            return 0;
        }
        zeromap_.clear(event.entry);
        next_load_ = future_loads_ ? future_loads_->next_load(counters_.events) : 0;
        if (result == 0) result = admit();
        if (result == 0) result = keep(event.entry, size_bytes);
        if (result != 0) {
            ++counters_.stores_rejected;
            drop(event.entry);
        }
        return result;
    }

    int keep(SwapEntry slot, uint32_t size_bytes) {
        size_bytes = std::min(size_bytes, page_bytes);
        Allocation made = Base::allocate(slot, size_bytes);
        if (made.error) return made.error;
        counters_.stored_incompressible_pages += size_bytes == page_bytes;
        auto* entry = lru_.make(slot, made.location, size_bytes, next_load_);
        if (Location old = index_.insert(slot, Lru::location_of(entry))) free_entry(Lru::entry_of(old));
        return 0;
    }

    uint64_t max_pages() const { return *policy_.limits.totalram_pages * policy_.limits.max_pool_percent / 100; }
    uint64_t accept_pages() const { return max_pages() * policy_.limits.accept_threshold_percent / 100; }

    int admit() {
        if (!policy_.limits.totalram_pages) return 0;
        if constexpr (Lru::knows_the_future) return make_room();
        if (pool_.pages() >= max_pages()) {
            ++counters_.pool_limit_hit;
            reached_full_ = true;
        } else if (reached_full_) {
            if (pool_.pages() <= accept_pages()) reached_full_ = false;
            else ++counters_.reject_hysteresis;
        }
        return reached_full_ ? -e_nomem : 0;
    }

    // With the future known: whatever is loaded later than the new page goes; if that is the new page, it is refused.
    int make_room() {
        if (pool_.pages() < max_pages()) return 0;
        ++counters_.pool_limit_hit;
        ++counters_.shrinks;
        while (pool_.pages() >= max_pages()) {
            auto* entry = lru_.oldest();
            if (!entry || lru_.next_load(entry) <= next_load_) return -e_nomem;
            evict(entry);
        }
        charge(Op::store);
        return 0;
    }

    int admit_as_recorded(const Event& event) {
        if (event.result.value_or(0) == 0 || event.size > 0 || Base::incompressible(event)) return 0;
        ++counters_.pool_limit_hit;
        return *event.result;
    }

    int load(SwapEntry slot) {
        if (zeromap_.test(slot)) {
            ++counters_.swpin_zero;
            ++counters_.loads_hit;
            return 0;
        }
        Location found = index_.find(slot);
        if (!found) return Base::missed();
        CompressedEntry* entry = Lru::entry_of(found);
        Base::loaded(entry->object);
        if (policy_.exclusive_loads) {
            drop(slot);
        } else {
            entry->resident = true;
            lru_.loaded(entry, future_loads_ ? future_loads_->next_load(counters_.events) : 0);
        }
        return 0;
    }

    int invalidate(SwapEntry slot) {
        ++counters_.invalidates;
        bool was_zero = zeromap_.clear(slot);
        if (!drop(slot) && !was_zero) ++counters_.invalidates_unknown;
        return 0;
    }

    int invalidate_area(uint32_t type) {
        std::vector<CompressedEntry*> all;
        index_.for_each(type, [&](uint64_t, Location found) { all.push_back(Lru::entry_of(found)); });
        for (CompressedEntry* entry : all) {
            index_.erase(entry->slot);
            free_entry(entry);
        }
        zeromap_.clear_type(type);
        return 0;
    }

    bool drop(SwapEntry slot) {
        Location found = index_.erase(slot);
        if (found) free_entry(Lru::entry_of(found));
        return static_cast<bool>(found);
    }

    void free_entry(CompressedEntry* entry) {
        counters_.stored_incompressible_pages -= entry->length_bytes == page_bytes;
        Base::release(entry->object);
        lru_.release(entry);
    }

    void run_shrink_work() {
        ++counters_.shrinks;
        charge(Op::shrink);
        for (int failures = 0; failures < reclaim_retries;) {
            CompressedEntry* entry = lru_.oldest();
            if (!entry) return;
            failures += !evict(entry);
            if (pool_.pages() <= accept_pages()) return;
        }
    }

    bool evict(CompressedEntry* entry) {
        if (entry->referenced) {
            entry->referenced = false;
            lru_.rotate(entry);
            return false;
        }
        charge(Op::writeback);
        bool written = !entry->resident;  // else −EEXIST: a copy is in the swap cache
        if (written) {
            ++counters_.written_back_pages;
            drop(entry->slot);
        } else {
            ++counters_.writebacks_failed;
            ++counters_.reject_reclaim_fail;
            lru_.rotate(entry);
        }
        charge(Op::shrink);
        return written;
    }

    int writeback_as_recorded(const Event& event) {
        if (int error = event.result.value_or(0)) {
            ++counters_.writebacks_failed;
            return error;
        }
        ++counters_.written_back_pages;
        if (event.has_slot) drop(event.entry);
        return 0;
    }

    void settle() {
        Base::refresh_total_size(pool_.pages());
        counters_.entry_bytes = lru_.bytes();
    }

    Lru lru_;
    const FutureLoads* future_loads_;
    uint64_t next_load_ = 0;  // of the page being stored
    SlotBits zeromap_;
    bool reached_full_ = false;
};

}  // namespace zreplay
