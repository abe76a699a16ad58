// What every model of swap keeps in the same way: the books of its entries. Which page is let in, what becomes of an older
// copy, and who is evicted is each model's own file.
//
//      compress ─▶ allocate ─▶ (the model puts it into the index) ─▶ loaded … ─▶ release
//
// stored_pages counts same-filled entries; they use no pool memory.
#pragma once

#include <array>
#include <algorithm>
#include <optional>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cost.hpp"
#include "counters.hpp"
#include "events.hpp"
#include "mm/future_loads.hpp"
#include "index/index.hpp"
#include "mm/pool_lru.hpp"
#include "pool/pool.hpp"
#include "random.hpp"
#include "swap/consistency.hpp"
#include "swap/missing_size.hpp"
#include "swap/policy.hpp"
#include "swap/slots.hpp"
#include "types.hpp"

namespace zreplay {

// What a model works with besides its pool; all of it is the loop's.
struct ModelParts {
    SwapIndex& index;
    const Policy& policy;
    const MissingSizes& missing_sizes;
    std::array<Cost, op_count>& costs;
    std::array<Cost, op_count>& mm_costs;  // of the memory manager's index
    Counters& counters;
    const FutureLoads* future_loads = nullptr;  // where the future is asked for
    bool pool_is_bound = false;
    std::string_view mm;  // the reclaim index's name
};

// The two engines meet here: slots_ leads from swap entries to objects, mm_ knows the pages they are in (mm/), and each object
// that comes, moves or goes is told to both.
template <Pool P, class Mm = PoolLru>
class Entries {
    static constexpr bool in_steps = requires { typename P::Compaction; };

  public:
    // header_bytes: put in front of every object by zswap itself (the swap entry, while allocators could evict).
    template <class... MmOptions>
    Entries(P& pool, const ModelParts& parts, uint32_t header_bytes, const MmOptions&... mm_options)
        : index_(parts.index),
          pool_(pool),
          slots_(parts.index, pool, parts.policy.slots, parts.counters),
          mm_(mm_options...),
          policy_(parts.policy),
          counters_(parts.counters),
          missing_sizes_(parts.missing_sizes),
          costs_(parts.costs),
          mm_costs_(parts.mm_costs),
          header_bytes_(parts.pool_is_bound ? 0 : header_bytes) {
        if (slots_.names_places() || P::locations_move)
            pool.on_move([this](SwapEntry entry, Location now) { slots_.moved(entry, now); });
    }
    Entries(const Entries&) = delete;
    Entries& operator=(const Entries&) = delete;

    // A compaction that others interrupted: how far it had come shows in the kernel's own counter at their rows. What does not
    // show there is taken to have been done. Pages that the model still has and the kernel has not, z3fold's worker has freed.
    void catch_up_with(uint64_t seen_pool_pages) {
        if constexpr (in_steps) {
            if (compaction_) {
                charge_compaction();
                while (pool_.pages() > seen_pool_pages && compaction_->step()) refresh_total_size(pool_.pages());
                while (!compaction_->next_step_shows() && compaction_->step()) {
                }
            }
        }
        if constexpr (requires { pool_.run_work(); }) {
            if (pool_.pages() > seen_pool_pages) {
                const bool counted = total_pages() == pool_.pages();
                charge_compaction();
                pool_.run_work();
                if (counted) refresh_total_size(pool_.pages());
            }
        }
        drift_ = static_cast<int64_t>(seen_pool_pages - pool_.pages());
    }

    // A store asks the allocator before the row where it takes effect. Where there is room it is given it now; where there is
    // none, the allocator makes a new page, and does not look again when it has it (zs_malloc).
    // Nothing is reserved where a slot names places, since an object that is in no slot yet could not move.
    std::optional<Reservation> reserve(SwapEntry entry, uint32_t size_bytes) {
        if constexpr (requires { pool_.has_room(size_bytes); }) {
            if (slots_.names_places() || P::locations_move) return {};
            charge(Op::store);
            if (!pool_.has_room(size_bytes + header_bytes_)) return Reservation{};
            if (Allocation made = pool_.alloc(size_bytes + header_bytes_, entry); !made.error) return Reservation{made.location};
        }
        return {};
    }
    // For the store that comes next, behind which the kernel counted so many pages; what it does not use goes back.
    void hand_over(const Reservation& reservation, std::optional<uint64_t> seen_pool_pages = {}) {
        reservation_ = reservation;
        seen_pages_ = seen_pool_pages;
    }
    void hand_back() {
        if (!reservation_) [[likely]] return;
        if (reservation_->object) pool_.free(reservation_->object);
        reservation_.reset();
    }

    // What a pool's workers do between events is nobody's event.
    void charge_compaction() { charge(Op::compact); }

  protected:
    // The length of the compressed page, or why there is none. 0: same-filled.
    int compress(const Event& event, uint32_t& size_bytes) {
        if (event.size == Event::missing_size) [[unlikely]] {
            uint32_t drawn = 0;
            const int error = impute(event, drawn);
            size_bytes = drawn;
            return error;
        }
        size_bytes = see_same_filled(static_cast<uint32_t>(event.size));
        return 0;
    }

    Allocation allocate(SwapEntry entry, uint32_t size_bytes) {
        if (size_bytes == 0) {
            ++counters_.same_filled_pages;
            ++counters_.stored_pages;
            return {Location::same_filled(), 0};
        }
        Allocation made = take_memory(size_bytes + header_bytes_, entry);
        if (made.error) {
            ++(made.error == -e_nospc ? counters_.reject_compress_poor : counters_.reject_alloc_fail);
        } else {
            mm_.stored(pool_, entry, made.location);
            counters_.compressed_bytes += size_bytes;
            ++counters_.stored_pages;
        }
        return made;
    }

    // Of a store that met another in the allocator: was there room by the time it looked? If the kernel's count behind it is no
    // further from the model's than the last was, the store made no page.
    bool found_room(uint32_t size_bytes) const {
        return seen_pages_ && pool_.has_room(size_bytes) && static_cast<int64_t>(*seen_pages_ - pool_.pages()) == drift_;
    }

    Allocation take_memory(uint32_t size_bytes, SwapEntry entry) {
        if constexpr (requires { pool_.has_room(size_bytes); })
            if (reservation_) [[unlikely]] {
                const Reservation reservation = *std::exchange(reservation_, std::nullopt);
                if (!reservation.object) return pool_.alloc(size_bytes, entry, !found_room(size_bytes));
                if (pool_.size(reservation.object) == size_bytes) return {reservation.object, 0};
                pool_.free(reservation.object);
            }
        return pool_.alloc(size_bytes, entry);
    }

    void release(Location object) {
        if (object.is_same_filled()) {
            --counters_.same_filled_pages;
        } else {
            counters_.compressed_bytes -= pool_.size(object) - header_bytes_;
            mm_.freeing(pool_, object);
            pool_.free(object);
        }
        --counters_.stored_pages;
    }

    void loaded(Location object) {
        ++counters_.loads_hit;
        if (object.is_same_filled()) return;
        pool_.map(object, entries_apart_ || index_.has_entries());
        counters_.loaded_bytes += pool_.size(object) - header_bytes_;
        mm_.loaded_from(object);
    }

    int missed() {
        ++counters_.loads_missed;
        return -1;
    }

    // A row with −EINPROGRESS marks the begin of a compaction that others interrupted; the row with its result stands at its
    // end. Unless things happen as recorded, all of it does.
    int compact(const Event& event, bool as_recorded) {
        const bool begins = event.result() == -e_inprogress;
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

    // Which of the model's pages the kernel's is, where the recording says in which page each object was put.
    bool follows_pages() const { return policy_.paced || policy_.follows_pages; }
    [[gnu::noinline]] void note_page(Event event, Location object) {
        if (event.page()) kernel_pages_[event.page()] = {pool_.page_id(object), event.entry};
    }

    // Where a recording links pages to objects, the page that migrated is the right one; one that the model does not know, or
    // that the kernel did not move, stays.
    [[gnu::noinline]] int migrate(const Event& event) {
        if (!event.page() || kernel_pages_.empty()) return migrate();
        auto found = kernel_pages_.find(event.left_page());
        if (event.result().value_or(0) != 0 || found == kernel_pages_.end()) return event.result().value_or(0);
        const auto [page, entry] = found->second;
        kernel_pages_.erase(found);
        Location object = slots_.peek(entry);
        if (!object || object.is_same_filled() || pool_.page_id(object) != page) {
            object = {};
            pool_.objects_from(0, [&](Location other) {
                if (pool_.page_id(other) == page) object = other;
                return !object;
            });
        }
        if (!object) return -e_again;
        const SwapEntry moved = pool_.entry(object);
        const int error = migrate(object, page_of(object));
        if (Location now = slots_.peek(moved); now && !error) kernel_pages_[event.page()] = {pool_.page_id(now), moved};
        return error;
    }

    // A trace cannot say which of the model's pages is meant (kernel-model 8.2): the number of the row chooses an object,
    // and the page it is in moves. zbud as merged gives out addresses and keeps no list of who holds them: its pages cannot.
    // Rare, and kept out of line with all that follows from it: what every event goes through stays small.
    [[gnu::noinline]] int migrate() {
        Location chosen;
        if (pool_.movable())
            pool_.objects_from(Random(counters_.events).next(), [&](Location object) { return chosen = object, false; });
        if (chosen) return migrate(chosen, page_of(chosen));
        ++counters_.migrations;
        ++(pool_.movable() ? counters_.migrations_refused : counters_.migrations_not_movable);
        return pool_.movable() ? -e_again : -e_busy;
    }

    // The nth page of what holds the object: a zspage has several.
    [[gnu::noinline]] int migrate(Location object, uint32_t nth) {
        ++counters_.migrations;
        const PoolUsage before = pool_.usage();
        const SwapEntry entry = pool_.entry(object);
        Migration migration;
        if constexpr (in_zspages) migration = pool_.migrate(object, nth);
        else migration = pool_.migrate(object);
        if (migration.error) {
            ++counters_.migrations_refused;
            counters_.migrations_again += migration.error == -e_again;
            return migration.error;
        }
        ++counters_.pages_migrated;
        counters_.objects_migrated += migration.objects;
        mm_.migrated(object, migration.now ? migration.now : object);
        const PoolUsage after = pool_.usage();
        // z3fold goes on to tidy up the page it has moved, which may give it, or another, back.
        require(after.objects == before.objects && after.asked_bytes == before.asked_bytes && after.pages <= before.pages,
                "assertion 11: migration changes no object", entry.offset(), entry.offset());
        return 0;
    }

    // CMA asks for a range of the machine's memory: the pages of objects that lie next to each other, all of which have to
    // go. How many is in the row (`size`), else the policy's share of the pool. A page where somebody is at work is tried
    // once more when the rest has gone; the kernel makes up to ten passes, but here nobody else works in between.
    int evacuate(const Event& event) {
        return evacuate(event.size == Event::missing_size ? std::nullopt : std::optional<uint64_t>(event.size));
    }
    [[gnu::noinline]] int evacuate(std::optional<uint64_t> pages) {
        charge(Op::cma);
        ++counters_.evacuations;
        const uint64_t wanted = std::min(
            pool_.pages(), pages.value_or((pool_.pages() * policy_.cma.percent + 99) / 100));
        if (!pool_.movable()) {
            counters_.migrations += wanted;
            counters_.migrations_not_movable += wanted;
            counters_.evacuations_failed += wanted != 0;
            return wanted ? -e_busy : 0;
        }
        std::vector<PoolPage> chosen, again;
        std::unordered_set<uint64_t> keys;
        if (wanted)
            pool_.objects_from(Random(counters_.events).next(), [&](Location object) {
                for (uint32_t k = 0; k < pages_of(object) && chosen.size() < wanted; ++k) {
                    const PoolPage page{object, k, page_key(object, k)};
                    if (keys.insert(page.key).second) chosen.push_back(page);
                }
                return chosen.size() < wanted;
            });
        uint64_t stayed = 0;
        for (const PoolPage& page : chosen) {
            const int error = migrate(page.object, page.nth);
            if (error == -e_again) again.push_back(page);
            else stayed += error != 0;
        }
        if constexpr (requires { pool_.run_work(); })
            if (!again.empty()) pool_.run_work();
        // Where the work has taken the last object elsewhere, the page has gone by itself.
        for (const PoolPage& page : again)
            stayed += page_key(page.object, page.nth) == page.key && migrate(page.object, page.nth) != 0;
        counters_.evacuations_failed += stayed != 0;
        return stayed ? -e_busy : 0;
    }

    void charge(Op op) {
        Cost& cost = costs_[static_cast<size_t>(op)];
        index_.charge(cost);
        pool_.charge(cost);
        mm_.charge(mm_costs_[static_cast<size_t>(op)]);
    }

    // Zswap's variable, as it stands or as a model last looked at it.
    void refresh_total_size(uint64_t pages) { counters_.pool_total_size = pages * page_bytes; }
    uint64_t total_pages() const { return counters_.pool_total_size / page_bytes; }

    // A page that the recorded kernel refused has no fate in the recording: nobody was asked about it again. Where a model that
    // is held against that recording takes it all the same, it stands for the next page that the kernel took and the model
    // refuses: then that takes its place, so that a decision made too early, and one too late, do not leave a page for good.
    void note_fate(const Event& event) {
        if (!policy_.paced) return;
        forget_fate(event.entry);
        if (event.size == Event::missing_size && event.result().value_or(0) < 0)
            without_fate_.push_back(event.entry);
    }
    std::optional<SwapEntry> stand_in(const Event& event) { return policy_.paced ? stand_in_of(event) : std::nullopt; }
    [[gnu::noinline]] std::optional<SwapEntry> stand_in_of(Event event) {
        forget_fate(event.entry);
        if (event.result().value_or(-1) != 0) return {};
        while (!without_fate_.empty()) {
            const SwapEntry slot = without_fate_.back();
            without_fate_.pop_back();
            if (index_.find(slot)) return slot;  // not loaded, evicted or invalidated since
        }
        return {};
    }
    void forget_fate(SwapEntry slot) {
        if (!without_fate_.empty()) std::erase(without_fate_, slot);
    }

    // What the page held could not be compressed, whatever the pool: the recorded compressor gave an error.
    static bool incompressible(const Event& event) {
        return event.size == Event::missing_size && event.result() == -e_inval;
    }

  public:
    // Gauges that a sample wants.
    void tell(Counters& counters) const {
        mm_.tell(counters);
        counters.handle_bytes = 8 * slots_.cells();
        if constexpr (requires { pool_.handle_bytes(); })
            if (!slots_.names_places()) counters.handle_bytes += pool_.handle_bytes();
    }
    // Throws CheckFailed: the two engines against each other (consistency.hpp).
    void check() {
        check_slots(index_, pool_, counters_.stored_pages, counters_.same_filled_pages,
                    slots_.names_places() ? Location::wide_low_bits : Location::low_bits,
                    [&](SwapEntry entry, Location object) { return slots_.expected(entry, object); });
        mm_.check(pool_);
    }
    // CMA at intervals of the user's, between events of the trace.
    void evacuate_a_share() { evacuate(std::nullopt); }
    // What the index's bindings show a debugger or a test.
    const Mm& mm() const { return mm_; }

  protected:
    bool entries_apart_ = false;  // the model keeps entries of its own beside the index
    SwapIndex& index_;
    P& pool_;
    Slots<P> slots_;
    Mm mm_;
    const Policy& policy_;
    Counters& counters_;

  private:
    // A page of the pool, by an object of what it is part of.
    struct PoolPage {
        Location object;
        uint32_t nth;
        uint64_t key;
    };
    static constexpr bool in_zspages = requires(P& pool) { pool.pages_of(Location()); };

    uint32_t pages_of([[maybe_unused]] Location object) const {
        if constexpr (in_zspages) return pool_.pages_of(object);
        else return 1;
    }
    uint32_t page_of([[maybe_unused]] Location object) const {
        if constexpr (in_zspages) return pool_.page_of(object);
        else return 0;
    }
    // Page numbers of pools that are one for each type begin anew in each.
    uint64_t page_key(Location object, [[maybe_unused]] uint32_t nth) const {
        uint64_t id;
        if constexpr (in_zspages) id = pool_.page_id(object, nth);
        else id = pool_.page_id(object);
        return uint64_t{pool_.entry(object).type()} << 58 ^ id;
    }

    uint32_t see_same_filled(uint32_t size_bytes) const {
        return size_bytes == 0 && !policy_.same_filled ? same_filled_compressed_bytes : size_bytes;
    }

    [[gnu::noinline]] int impute(Event event, uint32_t& size_bytes) {
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
    std::array<Cost, op_count>& mm_costs_;
    const uint32_t header_bytes_;
    std::optional<typename CompactionOf<P>::type> compaction_;  // the recorded one under way
    std::optional<Reservation> reservation_;                    // of the store that is next
    std::optional<uint64_t> seen_pages_;                        // behind it, by the kernel's count
    int64_t drift_ = 0;                                         // the kernel's pages less the model's, when last seen
    std::vector<SwapEntry> without_fate_;
    std::unordered_map<uint64_t, std::pair<uint64_t, SwapEntry>> kernel_pages_;  // address → the model's page, and an object in it
};

}  // namespace zreplay
