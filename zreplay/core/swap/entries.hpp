// What every model of swap keeps in the same way: the books of its entries. Which page is let in, what becomes of an older
// copy, and who is evicted is each model's own file.
//
//      compress ─▶ allocate ─▶ (the model puts it into the index) ─▶ loaded … ─▶ release
//
// stored_pages counts same-filled entries; they use no pool memory.
#pragma once

#include <array>
#include <optional>
#include <type_traits>

#include "cost.hpp"
#include "index/index.hpp"
#include "pool/pool.hpp"
#include "counters.hpp"
#include "events.hpp"
#include "swap/missing_size.hpp"
#include "swap/policy.hpp"
#include "types.hpp"

namespace zreplay {

// What a model works with besides its pool; all of it is the loop's.
struct ModelParts {
    SwapIndex& index;
    const Policy& policy;
    const MissingSizes& missing_sizes;
    std::array<Cost, op_count>& costs;
    Counters& counters;
};

// header_bytes: put in front of every object by zswap itself (the swap entry, while allocators could evict).
template <Pool P, uint32_t header_bytes>
class Entries {
    static constexpr bool in_steps = requires { typename P::Compaction; };

  public:
    Entries(P& pool, const ModelParts& parts)
        : index_(parts.index),
          pool_(pool),
          policy_(parts.policy),
          counters_(parts.counters),
          missing_sizes_(parts.missing_sizes),
          costs_(parts.costs) {}

    // A compaction that others interrupted: how far it had come shows in the kernel's own counter at their rows.
    void catch_up_with(uint64_t seen_pool_pages) {
        if constexpr (in_steps)
            while (compaction_ && pool_.pages() > seen_pool_pages && compaction_->step())
                refresh_total_size(pool_.pages());
    }

  protected:
    // The length of the compressed page, or why there is none. 0: same-filled.
    int compress(const Event& event, uint32_t& size_bytes) {
        if (event.size == Event::missing_size) [[unlikely]] return impute(event, size_bytes);
        size_bytes = see_same_filled(static_cast<uint32_t>(event.size));
        return 0;
    }

    Allocation allocate(SwapEntry entry, uint32_t size_bytes) {
        if (size_bytes == 0) {
            ++counters_.same_filled_pages;
            ++counters_.stored_pages;
            return {Location::same_filled(), 0};
        }
        Allocation made = pool_.alloc(size_bytes + header_bytes, entry);
        if (made.error) {
            ++(made.error == -e_nospc ? counters_.reject_compress_poor : counters_.reject_alloc_fail);
        } else {
            counters_.compressed_bytes += size_bytes;
            ++counters_.stored_pages;
        }
        return made;
    }

    void release(Location object) {
        if (object.is_same_filled()) {
            --counters_.same_filled_pages;
        } else {
            counters_.compressed_bytes -= pool_.size(object) - header_bytes;
            pool_.free(object);
        }
        --counters_.stored_pages;
    }

    void loaded(Location object) {
        ++counters_.loads_hit;
        if (!object.is_same_filled()) counters_.loaded_bytes += pool_.size(object) - header_bytes;
    }

    int missed() {
        ++counters_.loads_missed;
        return -1;
    }

    // A row with −EINPROGRESS marks the begin of a compaction that others interrupted; the row with its result stands at its
    // end. Unless things happen as recorded, all of it does.
    int compact(const Event& event, bool as_recorded) {
        const bool begins = event.result == -e_inprogress;
        if constexpr (in_steps) {
            if (as_recorded && begins) compaction_.emplace(pool_);
            if (as_recorded && !begins && compaction_) return finish_compaction();
        }
        if (begins) return as_recorded ? -e_inprogress : 0;
        const uint64_t before = pool_.pages();
        if constexpr (requires { pool_.compact(); }) pool_.compact();
        else if constexpr (requires { pool_.run_work(); }) pool_.run_work();  // z3fold's, where it is deferred
        return compacted(before - pool_.pages());
    }

    // A trace cannot say which of the model's pages is meant (kernel-model 8.2): the number of the row chooses an object,
    // and the page it is in moves. The slots of the index name handle cells, so none of them is rewritten.
    int migrate() {
        ++counters_.migrations;
        if constexpr (requires { pool_.migrate(Location()); }) {
            Location chosen = pool_.any_object(Random(counters_.events).next());
            if (!chosen || !pool_.migrate(chosen).moved) ++counters_.migrations_refused;
        } else {
            // zbud as merged gives out addresses and keeps no list of who holds them: its pages cannot move.
            ++counters_.migrations_not_movable;
        }
        return 0;
    }

    void charge(Op op) {
        Cost& cost = costs_[static_cast<size_t>(op)];
        index_.charge(cost);
        pool_.charge(cost);
    }

    // Zswap's variable, as it stands or as a model last looked at it.
    void refresh_total_size(uint64_t pages) { counters_.pool_total_size = pages * page_bytes; }
    uint64_t total_pages() const { return counters_.pool_total_size / page_bytes; }

    // What the page held could not be compressed, whatever the pool: the recorded compressor gave an error.
    static bool incompressible(const Event& event) {
        return event.size == Event::missing_size && event.result == -e_inval;
    }

    SwapIndex& index_;
    P& pool_;
    const Policy& policy_;
    Counters& counters_;

  private:
    uint32_t see_same_filled(uint32_t size_bytes) const {
        return size_bytes == 0 && !policy_.same_filled ? same_filled_compressed_bytes : size_bytes;
    }

    [[gnu::noinline]] int impute(const Event& event, uint32_t& size_bytes) {
        if (incompressible(event)) {
            ++counters_.reject_compress_fail;
            return -e_inval;
        }
        if (auto drawn = missing_sizes_.of(event, counters_.events)) {
            ++counters_.stores_imputed;
            size_bytes = see_same_filled(*drawn);
            return 0;
        }
        ++counters_.reject_missing_size;
        return -e_nomem;
    }

    int finish_compaction() {
        while (compaction_->step()) {
        }
        const uint64_t freed = compaction_->pages_freed();
        compaction_.reset();
        return compacted(freed);
    }

    int compacted(uint64_t pages) {
        ++counters_.compactions;
        counters_.pages_compacted += pages;
        return static_cast<int>(pages);
    }

    const MissingSizes& missing_sizes_;
    std::array<Cost, op_count>& costs_;
    std::optional<typename CompactionOf<P>::type> compaction_;  // the recorded one under way
};

}  // namespace zreplay
