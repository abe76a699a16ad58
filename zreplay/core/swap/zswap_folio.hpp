// zswap called by folio: Linux 6.12, and the latest (6.18). Without frontswap and without allocators that evict (kernel-model
// 2.7 and 2.10).
//
//   swap index ─▶ entry (mm/entry_lru.hpp) ─▶ object in the pool
//
//   * Loads are exclusive: a load takes the entry away. ("mm/zswap: only support zswap_exclusive_loads_enabled", 6.9)
//   * Zero-filled pages are marked in the zeromap and never get here; nothing else is looked for in a page (6.12). A trace of
//     6.12 does not have them. One of an older kernel does not say which same-filled pages are zeroes: all but one in a
//     hundred are, so all count as such.
//   * What does not compress below a page is refused; the latest keeps it as it is, 4096 bytes ("mm/zswap: store <PAGE_SIZE
//     compression failed page as-is", 6.18).
//   * The pool is full at its limit, not above it, and accepts again at the threshold, not below it. Pages are counted when
//     they are asked about, so pool_total_size is never stale. Every store that fails while the pool is full queues the
//     shrink work, and drops an older entry of its slot.
//   * The shrink work visits one entry at a time, the oldest, until the pool is at the threshold or 16 visits have evicted
//     nothing. A visit that only takes the referenced bit away evicts nothing and counts among the 16 ("mm: zswap: fix
//     global shrinker error handling logic", 6.12). Cgroups are asked in turn. It runs when the store that queued it is done.
//   * The memory manager's shrinker visits entries as well ("zswap: shrink zswap pool based on memory pressure", 6.8). When,
//     and how many, is pressure: an input, taken from the trace, as compactions are.
//
// A `paced` replay takes the moments of the work from the recording too: when it began, when it turned to an entry, when a
// written page had left. Whose turn it is, what becomes of it and when there is enough, the model decides.
//
// Without exclusive loads (as in 6.6) a load sets the referenced bit, and leaves a page in the swap cache that makes
// evicting its entry fail.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mm/entry_lru.hpp"
#include "mm/registry.hpp"
#include "plugin/verified.hpp"
#include "swap/entries.hpp"
#include "swap/slot_bits.hpp"

namespace zreplay {

template <Pool P, class Lru = EntryLru>
class ZswapFolio : public Entries<P> {
    using Base = Entries<P>;
    static constexpr int reclaim_retries = 16;

  public:
    ZswapFolio(P& pool, const ModelParts& parts) : Base(pool, parts, 0), lru_(make_order(parts)), future_loads_(parts.future_loads) {
        Base::entries_apart_ = true;
        for (uint64_t cgroup : policy_.cgroups) lru_.add_group(cgroup << 16);
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
    bool warms_slots() const { return zeromap_.are_many(); }
    void warm(SwapEntry slot) const { zeromap_.warm(slot); }
    static constexpr bool warms_objects() { return true; }
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
        lru_.check();
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

    // The slot of the entry that a visit would turn to.
    SwapEntry next_visited(uint64_t group) const {
        const CompressedEntry* entry = lru_.oldest(group);
        return entry ? entry->slot : SwapEntry::from_word(~uint64_t{0});
    }

    // A store looks at the limits when it is called, before its page is compressed and an object allocated for it.
    int decide() {
        charge(Op::store);
        return admit();
    }

    int predicted(const Event& event) {
        const int result = event.op <= Op::invalidate
                               ? act(event, policy_.paced, [&] { return event.admitted ? *event.admitted : admit(); })
                               : predicted_rarely(event);
        if (event.op == Op::store && result < 0 && reached_full_) {
            if (policy_.paced) work_.queued = true;
            else run_shrink_work();
        }
        settle();
        return result;
    }

    int driven(const Event& event) {
        int result;
        switch (event.op) {
            case Op::writeback:
                charge(event.op);
                result = writeback_as_recorded(event);
                break;
            case Op::visit:
                charge(event.op);
                result = visit_as_recorded(event);
                break;
            default: result = act(event, true, [&] { return admit_as_recorded(event); });
        }
        settle();
        return result;
    }

  private:
    using Base::charge, Base::counters_, Base::index_, Base::policy_, Base::pool_;

    static Lru make_order([[maybe_unused]] const ModelParts& parts) {
        if constexpr (!std::is_same_v<Lru, VirtualOrder>) return Lru();
        else if (parts.verify) return Lru(verified(find_order_kind(parts.mm)->make(), std::string(parts.mm)));
        else return Lru(find_order_kind(parts.mm)->make());
    }

    [[gnu::noinline]] int predicted_rarely(Event event) {
        switch (event.op) {
            case Op::shrink: return shrink_at_recorded_moment(event);
            case Op::visit: return visit_at_recorded_moment(event);
            case Op::writeback: return written_at_recorded_moment(event);
            default: charge(event.op); return act_rarely(event, policy_.paced);
        }
    }

    template <class Admit>
    int act(const Event& event, bool as_recorded, Admit&& admit) {
        charge(event.op);
        switch (event.op) {
            case Op::store: return store(event, admit);
            case Op::load: return load(event.entry);
            case Op::invalidate: return invalidate(event.entry);
            default: return act_rarely(event, as_recorded);
        }
    }

    [[gnu::noinline]] int act_rarely(Event event, bool as_recorded) {
        switch (event.op) {
            case Op::invalidate_area: return invalidate_area(event.entry.type());
            case Op::compact: return Base::compact(event, as_recorded);
            case Op::migrate: return Base::migrate(event);
            case Op::cma: return Base::evacuate(event);
            default: return 0;
        }
    }

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        uint32_t size_bytes = page_bytes;
        const bool incompressible = Base::incompressible(event);
        const int unknown = incompressible ? 0 : Base::compress(event, size_bytes);
        if (unknown == 0 && size_bytes == 0) {
            // An older entry of the slot stays, out of reach until it is invalidated or evicted: zswap is not told.
            zeromap_.set(event.entry);
            ++counters_.swpout_zero;
            return 0;
        }
        zeromap_.clear(event.entry);
        next_load_ = future_loads_ ? future_loads_->next_load(counters_.events) : 0;
        int result = admit();
        if (result == 0) {
            result = unknown;
            if (result == 0) result = keep(event, size_bytes, incompressible);
            if (result == 0) Base::note_fate(event);
        } else if (auto slot = Base::stand_in(event)) {
            drop(*slot);
            keep(event, size_bytes, incompressible);
            return result;
        }
        if (result != 0) {
            ++counters_.stores_rejected;
            drop(event.entry);
        }
        return result;
    }

    int keep(const Event& event, uint32_t size_bytes, bool incompressible) {
        if (incompressible && !policy_.keeps_incompressible) {
            ++counters_.reject_compress_fail;
            return -e_inval;
        }
        if (policy_.keeps_incompressible) size_bytes = std::min(size_bytes, page_bytes);
        Allocation made = Base::allocate(event.entry, size_bytes);
        if (made.error) return made.error;
        counters_.stored_incompressible_pages += size_bytes == page_bytes;
        auto* entry = lru_.make(event.entry, made.location, size_bytes, next_load_, event.group());
        if (Location old = index_.insert(event.entry, Lru::location_of(entry))) free_entry(Lru::entry_of(old));
        return 0;
    }

    uint64_t max_pages() const { return *policy_.limits.totalram_pages * policy_.limits.max_pool_percent / 100; }
    uint64_t accept_pages() const { return max_pages() * policy_.limits.accept_threshold_percent / 100; }

    int admit() {
        if (!policy_.limits.totalram_pages) return 0;
        if (lru_.makes_room()) return make_room();
        if (pool_.pages() >= max_pages()) {
            ++counters_.pool_limit_hit;
            reached_full_ = true;
        } else if (reached_full_) {
            if (pool_.pages() <= accept_pages()) reached_full_ = false;
            else ++counters_.reject_hysteresis;
        }
        return reached_full_ ? -e_nomem : 0;
    }

    // The oldest goes. With the future known that is what is loaded last; if that is the new page, it is refused. So it is if the
    // pages of all entries are resident, as they may be where loads are not exclusive.
    int make_room() {
        if (pool_.pages() < max_pages()) return 0;
        ++counters_.pool_limit_hit;
        ++counters_.shrinks;
        for (uint64_t stayed = 0; pool_.pages() >= max_pages();) {
            auto* entry = lru_.oldest(0);
            if (!entry || (lru_.knows_the_future() && lru_.next_load(entry) <= next_load_)) return -e_nomem;
            if (stayed && stayed == lru_.entries()) return -e_nomem;
            stayed = evict(entry) ? 0 : stayed + 1;
        }
        charge(Op::store);
        return 0;
    }

    int admit_as_recorded(const Event& event) {
        const int result = event.result().value_or(0);
        if (result == 0 || Base::incompressible(event)) return 0;
        if (event.size > 0 && result == -e_nomem) ++counters_.reject_alloc_fail;  // the index had no memory for it
        else if (event.size > 0) return 0;                                        // the allocator will say the same
        else ++counters_.pool_limit_hit;
        return result;
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

    [[gnu::noinline]] void run_shrink_work() {
        ++counters_.shrinks;
        charge(Op::shrink);
        for (int attempts = 0, failures = 0; failures < reclaim_retries;) {
            if (turn_ >= lru_.groups()) {  // the walk over all cgroups is over
                turn_ = 0;
                failures += attempts == 0;
                attempts = 0;
            } else if (CompressedEntry* entry = lru_.oldest_of_nth(turn_++)) {
                ++attempts;
                failures += !evict(entry);
            }
            if (pool_.pages() <= accept_pages()) return;
        }
    }

    // Whether the entry was written back and is gone.
    bool evict(CompressedEntry* entry) {
        const SwapEntry slot = entry->slot;
        if (visit(entry, entry->resident) != lru_removed_retry) return false;
        charge(Op::writeback);
        ++counters_.written_back_pages;
        // An index that has lost it, a plugin's perhaps, would have the worker come back to it for ever.
        if (!drop(slot)) assertion_failed(2, "an entry is named by its slot", 0, slot, 0, Lru::location_of(entry).word());
        charge(Op::shrink);
        return true;
    }

    // What becomes of the oldest entry: the verdict of shrink_memcg_cb. An entry to be written back is moved to the head first,
    // and goes when its page has left; one whose page is resident already stays there.
    int visit(CompressedEntry* entry, bool resident) {
        lru_.rotate(entry);
        if (entry->referenced) {
            entry->referenced = false;
            return lru_rotate;
        }
        if (!resident) return lru_removed_retry;
        ++counters_.writebacks_failed;
        ++counters_.reject_reclaim_fail;
        return lru_retry;
    }

    // ---- at recorded moments ----

    // The limit's work. It looks at how full the pool is when an eviction has come to its end, a moment that the trace does not
    // have: it lies between the eviction's row and the next. `enough` and `too_little`: what it would have seen there.
    struct Work {
        bool queued = false, runs = false;
        bool enough = false, too_little = false;
        int failures = 0;
        SwapEntry writes = SwapEntry::from_word(~uint64_t{0});  // the page that is being written, as recorded
    };

    // The recorded work has come to its end before the model's: the rest of it happens at once.
    void finish_work() {
        while (!work_.enough && work_.failures < reclaim_retries) {
            if (turn_ >= lru_.groups()) turn_ = 0;
            CompressedEntry* left = turn_ < lru_.groups() ? lru_.oldest_of_nth(turn_) : nullptr;
            if (lru_.entries() == 0) break;
            ++turn_;
            if (!left) continue;
            work_.failures += !evict(left);
            look_at_limit();
        }
        work_.runs = false;
    }

    int shrink_at_recorded_moment(const Event& event) {
        if (!policy_.paced || event.asked_by() != Asker::limit) return 0;
        if (work_.runs) finish_work();
        if (event.result().value_or(-e_inprogress) != -e_inprogress) return 0;  // was its end
        // A refused store queues the work a moment before it returns; with two CPUs another run of the work may begin first, so
        // the request can be one that the model has already answered.
        if (work_.queued || reached_full_) begin_work();
        return 0;
    }

    void begin_work() {
        work_.queued = false;
        work_.runs = true;
        ++counters_.shrinks;
        // The walk over the cgroups goes on where it ended last time. The first entry is visited whatever the pool; but the limit is
        // looked at after each cgroup that has none, and coming to the end of the walk before anything has been visited counts
        // as a failure: so it is for every work but the first where there is one cgroup.
        work_.failures = 0;
        work_.enough = false;
        work_.too_little = true;
        for (;; ++turn_) {
            if (turn_ < lru_.groups() && lru_.oldest_of_nth(turn_)) return;
            const bool is_end = turn_ >= lru_.groups();
            if (is_end && ++work_.failures >= reclaim_retries) break;
            work_.too_little = false;
            look_at_limit();
            if (work_.enough) {
                turn_ = is_end ? 0 : turn_ + 1;
                break;
            }
            if (is_end) turn_ = static_cast<size_t>(-1);
        }
    }

    // A page that is resident, or for which there is no memory, is an input (kernel-model 8.2); an eviction tried is the one
    // time it shows.
    int visit_at_recorded_moment(const Event& event) {
        const bool by_limit = event.asked_by() == Asker::limit;
        // A model whose pool is a page behind may have a reason to begin, or to begin again, only now.
        if (by_limit && policy_.paced && !work_.runs && work_.queued) begin_work();
        if (by_limit && (!policy_.paced || !work_.runs || !work_.too_little)) return -1;
        charge(Op::visit);
        CompressedEntry* entry = lru_.oldest(event.group());
        if (!entry) return -1;
        const int recorded = event.result().value_or(lru_removed_retry);
        const bool failed = (recorded == lru_retry || recorded == lru_stop) && entry->slot == event.entry;
        const SwapEntry slot = entry->slot;
        int verdict = visit(entry, failed || entry->resident);
        if (verdict == lru_retry && recorded == lru_stop) verdict = lru_stop;
        if (by_limit) {
            work_.enough = work_.too_little = false;
            turn_ = lru_.place_of(event.group()) + 1;
            if (verdict != lru_removed_retry && ++work_.failures >= reclaim_retries) work_.runs = false;
        }
        if (verdict == lru_removed_retry) {
            if (recorded == lru_removed_retry && policy_.paced) leaving_.emplace_back(event.entry, slot);
            else write_back(slot);
            if (by_limit) work_.writes = event.entry;
        }
        return verdict;
    }

    int written_at_recorded_moment(const Event& event) {
        auto found = std::ranges::find(leaving_, event.entry, &std::pair<SwapEntry, SwapEntry>::first);
        if (found == leaving_.end()) return 0;
        const SwapEntry slot = found->second;
        leaving_.erase(found);
        if (event.result().value_or(0) == 0) write_back(slot);
        if (event.entry == work_.writes) work_.enough = work_.too_little = false;  // it looks when the page has left
        return 0;
    }

    void write_back(SwapEntry slot) {
        charge(Op::writeback);
        if (drop(slot)) ++counters_.written_back_pages;
    }

    void look_at_limit() {
        const bool at_threshold = pool_.pages() <= accept_pages();
        work_.enough |= at_threshold;
        work_.too_little |= !at_threshold;
    }

    int visit_as_recorded(const Event& event) {
        Location found = index_.find(event.entry);
        if (!found) return -1;
        const int verdict = event.result().value_or(lru_removed_retry);
        CompressedEntry* entry = Lru::entry_of(found);
        if (verdict == lru_rotate) entry->referenced = false;
        if (verdict == lru_retry || verdict == lru_stop) ++counters_.writebacks_failed;
        if (verdict != lru_skip) lru_.rotate(entry);
        return verdict;
    }

    int writeback_as_recorded(const Event& event) {
        if (int error = event.result().value_or(0)) {
            ++counters_.writebacks_failed;
            return error;
        }
        ++counters_.written_back_pages;
        if (event.has_slot()) drop(event.entry);
        return 0;
    }

    void settle() {
        if (work_.runs) look_at_limit();
        Base::refresh_total_size(pool_.pages());
        counters_.entry_bytes = lru_.bytes();
    }

    Lru lru_;
    const FutureLoads* future_loads_;
    uint64_t next_load_ = 0;  // of the page being stored
    SlotBits zeromap_;
    bool reached_full_ = false;
    size_t turn_ = 0;  // in the walk over cgroups: whom the work asks next
    Work work_;
    std::vector<std::pair<SwapEntry, SwapEntry>> leaving_;  // visited at the recorded slot: whose page is being written
};

}  // namespace zreplay
