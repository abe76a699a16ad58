// zswap as Linux 6.1 has it, under its frontswap layer (kernel-model 2.2 to 2.7).
//
// Two ways to be driven. `predicted`: the trace says what the kernel was asked to do (store, load, invalidate, pressure)
// and the model decides; its own writebacks replace the recorded ones. `driven`: allocations, frees, evictions and
// compactions happen when the recording says so; no limit is applied. Driven replays test a pool, predicted ones the
// policy too.
//
// What the counters mean:
//   pool_total_size is what the kernel's variable would hold. It is refreshed after a successful store and after an
//   entry is freed, not when the pool changes, and the limit is checked against it.
//   stored_pages counts same-filled entries; they use no pool memory.
//
// The shrink work is one item per pool and runs when the store that queued it is done; on a real machine the worker
// may be scheduled later, and requests meanwhile collapse into the pending one. A `paced` replay takes these moments from
// the recording: work that is pending starts at a recorded shrink, and each recorded writeback is the time of one eviction.
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "cost.hpp"
#include "index/index.hpp"
#include "pool/pool.hpp"
#include "replay/counters.hpp"
#include "replay/events.hpp"
#include "swap/frontswap.hpp"
#include "swap/limits.hpp"
#include "types.hpp"

namespace zreplay {

// A pool's reclaim attempt in steps, for the pools that have one.
template <class P, bool = P::evictable>
struct ReclaimOf {
    using type = typename P::Reclaim;
};
template <class P>
struct ReclaimOf<P, false> {
    using type = std::monostate;
};

// Likewise of its compaction.
template <class P>
struct CompactionOf {
    using type = std::monostate;
};
template <class P>
    requires requires { typename P::Compaction; }
struct CompactionOf<P> {
    using type = typename P::Compaction;
};

template <Pool P>
class Zswap61 {
    // The swap entry's header in front of every object, while the allocator could evict (to 6.4/6.5).
    static constexpr uint32_t header_bytes = P::evictable ? 8 : 0;
    static constexpr int reclaim_retries = 8;
    static constexpr bool compacts = requires(P& pool) { pool.compact(); };

  public:
    static constexpr std::string_view kernel = "6.1";
    static constexpr uint64_t entry_bytes = 64;

    Zswap61(SwapIndex& index, P& pool, Limits limits, std::array<Cost, op_count>& costs, Counters& counters,
             bool paced = false)
        : index_(index), pool_(pool), limits_(limits), costs_(costs), counters_(counters), paced_(paced) {}

    // Both give what the kernel would: 0 or a negative errno; for a load −1 when it must read the device; for a
    // compaction the pages freed.
    int predicted(const Event& event) {
        charge(event.op);
        switch (event.op) {
            case Op::store: {
                int result = store(event, [&] { return admit(event); });
                if (shrink_pending_ && !paced_) run_shrink_work();
                return result;
            }
            // The recorded kernel's decisions; here the model makes its own, though perhaps at the recorded moments.
            case Op::writeback:
                if constexpr (P::evictable)
                    if (paced_) evict_at_recorded_moment(event);
                return 0;
            case Op::shrink:
                if (paced_) begin_at_recorded_moment();
                return 0;
            default: return common(event);
        }
    }

    int driven(const Event& event) {
        charge(event.op);
        switch (event.op) {
            case Op::store: return store(event, [&] { return admit_as_recorded(event); });
            case Op::writeback: return writeback_as_recorded(event);
            case Op::shrink:
                if constexpr (P::evictable) reclaim_.emplace(pool_, reclaim_retries);
                ++counters_.shrinks;
                return 0;
            case Op::compact: return compact_as_recorded(event);
            default: return common(event);
        }
    }

    void warm(SwapEntry entry) const { frontswap_.warm(entry); }

    // A compaction that others interrupted: how far it had come shows in the kernel's own counter at their rows.
    void catch_up_with(uint64_t seen_pool_pages) {
        if constexpr (compacts)
            while (compaction_ && pool_.pages() > seen_pool_pages && compaction_->step()) refresh_total_size();
    }

    // The object the pool's reclaimer would evict next, while a recorded eviction is under way.
    Location victim() const {
        if constexpr (P::evictable)
            if (reclaim_) return reclaim_->victim();
        return {};
    }

  private:
    int common(const Event& event) {
        switch (event.op) {
            case Op::load: return load(event.entry);
            case Op::invalidate: return invalidate(event.entry);
            case Op::invalidate_area: return invalidate_area(event.entry.type());
            case Op::compact:
                if (paced_) return compact_as_recorded(event);
                return event.result == -e_inprogress ? 0 : compact();  // an interrupted one runs at its end
            case Op::migrate: return migrate();
            default: return 0;
        }
    }

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        if (frontswap_.clear(event.entry)) drop(event.entry);
        int result = admit();
        if (result == 0) result = place(event.entry, static_cast<uint32_t>(event.size));
        if (result == 0) frontswap_.set(event.entry);
        else ++counters_.stores_rejected;
        return result;
    }

    // Steps 4, 5 and 9 of a store: everything that can refuse it before the pool is asked.
    int admit(const Event& event) {
        uint64_t pages = total_pages();
        if (limits_.full(pages)) {
            ++counters_.pool_limit_hit;
            reached_full_ = true;
            shrink_pending_ = true;
            return -e_nomem;
        }
        if (reached_full_) {
            if (!limits_.can_accept(pages)) {
                ++counters_.reject_hysteresis;
                return -e_nomem;
            }
            reached_full_ = false;
        }
        return has_size(event);
    }

    int admit_as_recorded(const Event& event) {
        if (event.result.value_or(0) == 0 || event.size > 0) return has_size(event);
        // Refused before an allocation: by the limit, by the hysteresis (no telling them apart), or by the compressor.
        if (*event.result == -e_inval) ++counters_.reject_compress_fail;
        else ++counters_.pool_limit_hit;
        return *event.result;
    }

    int has_size(const Event& event) {
        if (event.size != Event::missing_size) return 0;
        if (event.result == -e_inval) {  // what the page held could not be compressed, whatever the pool
            ++counters_.reject_compress_fail;
            return -e_inval;
        }
        ++counters_.reject_missing_size;
        return -e_nomem;
    }

    // Steps 7 to 14: same-filled or allocated, then indexed.
    int place(SwapEntry entry, uint32_t size) {
        Location location = Location::same_filled();
        if (size == 0) {
            ++counters_.same_filled_pages;
        } else {
            Allocation allocation = pool_.alloc(size + header_bytes, entry);
            if (allocation.error) {
                ++(allocation.error == -e_nospc ? counters_.reject_compress_poor : counters_.reject_alloc_fail);
                return allocation.error;
            }
            location = allocation.location;
            counters_.compressed_bytes += size;
        }
        if (Location old = index_.insert(entry, location)) {
            ++counters_.duplicate_entry;
            free_entry(old);
        }
        ++counters_.stored_pages;
        refresh_total_size();
        return 0;
    }

    int load(SwapEntry entry) {
        if (!frontswap_.test(entry)) {
            ++counters_.loads_unknown;
            ++counters_.loads_missed;
            return -1;
        }
        Location location = index_.find(entry);
        if (!location) {
            ++counters_.loads_missed;
            return -1;
        }
        ++counters_.loads_hit;
        if (!location.is_same_filled()) {
            counters_.loaded_bytes += pool_.size(location) - header_bytes;
            if constexpr (P::evictable) pool_.set_resident(location, true);
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
        index_.for_each(type, [&](uint64_t offset, Location location) { all.emplace_back(offset, location); });
        for (auto [offset, location] : all) {
            index_.erase({type, offset});
            free_entry(location);
        }
        frontswap_.clear_type(type);
        return 0;
    }

    void drop(SwapEntry entry) {
        if (Location location = index_.erase(entry)) free_entry(location);
    }

    void free_entry(Location location) {
        if (location.is_same_filled()) {
            --counters_.same_filled_pages;
        } else {
            counters_.compressed_bytes -= pool_.size(location) - header_bytes;
            pool_.free(location);
        }
        --counters_.stored_pages;
        refresh_total_size();
    }

    void run_shrink_work() {
        shrink_pending_ = false;
        ++counters_.shrinks;
        charge(Op::shrink);
        int result = -e_inval;  // zsmalloc of 6.1 cannot evict: the call fails every time
        if constexpr (P::evictable)
            result = pool_.reclaim(reclaim_retries, [this](Location victim) { return write_back(victim); });
        if (result) ++counters_.reject_reclaim_fail;
    }

    // One object, given by the allocator: its header names the entry.
    bool write_back(Location victim) {
        charge(Op::writeback);
        if (pool_.is_resident(victim)) {  // −EEXIST: a copy is in the swap cache, eviction would be pointless
            ++counters_.writebacks_failed;
            return false;
        }
        SwapEntry entry = pool_.entry(victim);
        if (index_.find(entry) != victim) return true;  // already being freed
        ++counters_.written_back_pages;
        drop(entry);
        return true;
    }

    // The recording says when the worker got the processor, not what it then did.
    void begin_at_recorded_moment() {
        if constexpr (P::evictable)
            while (Location left = victim()) reclaim_->result(write_back(left));
        if (!shrink_pending_) return;
        if constexpr (P::evictable) {
            shrink_pending_ = false;
            ++counters_.shrinks;
            reclaim_.emplace(pool_, reclaim_retries);
        } else {
            run_shrink_work();
        }
    }

    // Whether a page is in the swap cache is an input (kernel-model 8.2), and an eviction tried is the one time it shows.
    void evict_at_recorded_moment(const Event& event)
        requires P::evictable
    {
        if (Location location = index_.find(event.entry); location && !location.is_same_filled())
            pool_.set_resident(location, event.result == -e_exist);
        if (Location next = victim()) {
            const bool no_memory = event.result == -e_nomem;  // for the page in the swap cache: an input likewise
            if (no_memory) ++counters_.writebacks_failed;
            reclaim_->result(!no_memory && write_back(next));
            if (!victim() && reclaim_->error()) ++counters_.reject_reclaim_fail;
        }
    }

    int writeback_as_recorded(const Event& event) {
        bool evicted = event.result.value_or(0) == 0;
        Location location = index_.find(event.entry);
        if (evicted) ++counters_.written_back_pages;
        else ++counters_.writebacks_failed;
        if (evicted && location) drop(event.entry);
        if constexpr (P::evictable)
            if (victim()) reclaim_->result(evicted);
        return event.result.value_or(0);
    }

    int compact() {
        ++counters_.compactions;
        if constexpr (compacts) {
            auto freed = pool_.compact();
            counters_.pages_compacted += freed;
            return static_cast<int>(freed);
        } else {
            return 0;
        }
    }

    // −EINPROGRESS marks the begin of one that was interrupted; the row with its result stands at its end.
    int compact_as_recorded(const Event& event) {
        if constexpr (compacts) {
            if (event.result == -e_inprogress) {
                compaction_.emplace(pool_);
                return event.result.value();
            }
            if (!compaction_) return compact();
            ++counters_.compactions;
            while (compaction_->step()) {
            }
            const uint64_t freed = compaction_->pages_freed();
            compaction_.reset();
            counters_.pages_compacted += freed;
            return static_cast<int>(freed);
        } else {
            return event.result == -e_inprogress ? 0 : compact();
        }
    }

    int migrate() {
        ++counters_.migrations;
        // zbud as merged gives out addresses and keeps no list of who holds them: its pages cannot move.
        if constexpr (!requires { P::movable; }) ++counters_.migrations_not_movable;
        return 0;
    }

    void refresh_total_size() { counters_.pool_total_size = pool_.pages() * page_bytes; }
    uint64_t total_pages() const { return counters_.pool_total_size / page_bytes; }

    void charge(Op op) {
        Cost& cost = costs_[static_cast<size_t>(op)];
        index_.charge(cost);
        pool_.charge(cost);
    }

    SwapIndex& index_;
    P& pool_;
    Limits limits_;
    std::array<Cost, op_count>& costs_;
    Counters& counters_;
    Frontswap frontswap_;
    std::optional<typename ReclaimOf<P>::type> reclaim_;  // the recorded eviction under way, in a driven replay
    std::optional<typename CompactionOf<P>::type> compaction_;  // likewise
    bool paced_;
    bool reached_full_ = false;
    bool shrink_pending_ = false;
};

}  // namespace zreplay
