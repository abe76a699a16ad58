#include "curve/at_limit.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "curve/entry_queue.hpp"
#include "pool/registry.hpp"

namespace zreplay {

namespace {

template <Pool P>
class Simulation {
    static constexpr int reclaim_retries = 16;
    // As Entries::reserve.
    static constexpr bool has_reservations = requires(P& pool) { pool.has_room(0u); } && !P::locations_move;

  public:
    Simulation(const CurveEvents& events, const ReplayConfig& config, std::optional<uint64_t> limit_pages)
        : events_(events),
          pool_(config.pool_options.make<P>(config.pool)),
          limit_(limit_pages),
          accept_(limit_pages ? *limit_pages * config.policy.limits.accept_threshold_percent / 100 : 0),
          in_lru_order_(config.mm == "lru"),
          entries_(events.most_pages),
          calls_(events.most_calls),
          place_of_(std::max<size_t>(1, events.groups()), no_place) {
        if (!in_lru_order_)
            for (size_t group = 0; group < events.groups_at_begin(); ++group) queue_of(static_cast<uint16_t>(group));
    }

    AtLimit run() {
        happen(events_.ops());
        pages_sum_ += pool_.pages() * (static_cast<uint32_t>(events_.events) - last_row_);
        out_.pool_pages_mean = events_.events ? static_cast<double>(pages_sum_) / static_cast<double>(events_.events) : 0;
        const auto there = std::ranges::count_if(entries_, [](const CurveEntry& entry) { return static_cast<bool>(entry.object); });
        require(pool_.usage().objects == static_cast<uint64_t>(there), "objects are those of entries", pool_.usage().objects,
                static_cast<uint64_t>(there));
        return out_;
    }

  private:
    static constexpr uint16_t no_place = UINT16_MAX;

    // What a store did before its row.
    struct Call {
        std::optional<bool> admitted;
        std::optional<Reservation> reservation;
    };

    // Flattened: what an op of a page passes through, the pool with it, is one function without calls.
    [[gnu::flatten, gnu::noinline]] void happen(std::span<const CurveOp> ops) {
        for (const CurveOp& op : ops) {
            pages_sum_ += pool_.pages() * (op.row - last_row_);
            last_row_ = op.row;
            if (op.what == CurveOp::load) {
                const bool hit = drop(op.page);
                out_.loads_hit += hit;
                out_.loads_missed += !hit;
            } else if (op.what == CurveOp::drop && op.page != CurveOp::none) {
                drop(op.page);
            } else if (op.what == CurveOp::store && op.call == CurveOp::none) {
                if (!admit() || !keep(op)) refuse(op);
            } else {
                happen_rarely(op);
            }
        }
    }

    [[gnu::noinline]] void happen_rarely(const CurveOp& op) {
        switch (op.what) {
            case CurveOp::store:
            case CurveOp::refused: store_with_call(op); break;
            case CurveOp::load: break;
            case CurveOp::drop: hand_back(std::exchange(calls_[op.call], {})); break;
            case CurveOp::compact:
                if constexpr (requires { pool_.compact(); }) pool_.compact();
                break;
            case CurveOp::visit: visit(op); break;
            case CurveOp::decide: calls_[op.call].admitted = admit(); break;
            case CurveOp::reserve: reserve(op); break;
        }
    }

    void store_with_call(const CurveOp& op) {
        Call call;
        if (op.call != CurveOp::none) call = std::exchange(calls_[op.call], {});
        const bool admitted = call.admitted ? *call.admitted : admit();
        if (!admitted || op.what == CurveOp::refused || !keep(op, allocate(op, call))) refuse(op);
        hand_back(call);
    }

    [[gnu::noinline]] void refuse(const CurveOp& op) {
        ++out_.stores_rejected;
        if (op.page != CurveOp::none) drop(op.page);
        if (reached_full_) run_shrink_work();
    }

    bool keep(const CurveOp& op) { return keep(op, pool_.alloc(op.size_bytes, SwapEntry(0, op.page))); }
    bool keep(const CurveOp& op, Allocation made) {
        if (made.error) return false;
        CurveEntry& entry = entries_[op.page];
        const Location old = entry.object;
        entry = {made.location, ++turn_, in_lru_order_ ? uint16_t{0} : op.group, !in_lru_order_};
        queue_of(entry.group).push(op.page, entry.turn);
        if (old) pool_.free(old);
        out_.pool_pages_peak = std::max(out_.pool_pages_peak, pool_.pages());
        return true;
    }

    // An object of a size that was reserved is taken; where the allocator had no room then, it makes a page of its own.
    Allocation allocate(const CurveOp& op, Call& call) {
        const SwapEntry entry(0, op.page);
        if constexpr (has_reservations)
            if (call.reservation) {
                const Reservation reservation = *std::exchange(call.reservation, std::nullopt);
                if (!reservation.object) return pool_.alloc(op.size_bytes, entry, true);
                if (pool_.size(reservation.object) == op.size_bytes) return {reservation.object, 0};
                pool_.free(reservation.object);
            }
        return pool_.alloc(op.size_bytes, entry);
    }

    void reserve([[maybe_unused]] const CurveOp& op) {
        if constexpr (has_reservations) {
            Call& call = calls_[op.call];
            if (call.admitted && !*call.admitted) return;
            if (!pool_.has_room(op.size_bytes)) call.reservation = Reservation{};
            else if (Allocation made = pool_.alloc(op.size_bytes, SwapEntry()); !made.error) call.reservation = Reservation{made.location};
        }
    }

    void hand_back(const Call& call) {
        if (call.reservation && call.reservation->object) pool_.free(call.reservation->object);
    }

    bool drop(uint32_t page) {
        CurveEntry& entry = entries_[page];
        if (!entry.object) return false;
        pool_.free(entry.object);
        entry.object = {};
        return true;
    }

    bool admit() {
        if (!limit_) return true;
        if (in_lru_order_) return make_room();
        if (pool_.pages() >= *limit_) reached_full_ = true;
        else if (reached_full_ && pool_.pages() <= accept_) reached_full_ = false;
        return !reached_full_;
    }

    [[gnu::noinline]] bool make_room() {
        while (pool_.pages() >= *limit_) {
            const uint32_t page = queues_.empty() ? CurveOp::none : queues_.front().oldest();
            if (page == CurveOp::none) return false;
            drop(page);
            ++out_.written_back_pages;
        }
        return true;
    }

    // Each group is asked in turn; a walk over all that has found nobody is a failure, and so is an entry that gets a second
    // chance.
    [[gnu::noinline]] void run_shrink_work() {
        for (int attempts = 0, failures = 0; failures < reclaim_retries;) {
            if (group_turn_ >= queues_.size()) {
                group_turn_ = 0;
                failures += attempts == 0;
                attempts = 0;
            } else if (uint32_t page = queues_[group_turn_++].oldest(); page != CurveOp::none) {
                ++attempts;
                failures += !evict(page);
            }
            if (pool_.pages() <= accept_) return;
        }
    }

    bool evict(uint32_t page) {
        CurveEntry& entry = entries_[page];
        if (entry.referenced) {
            entry.referenced = false;
            rotate(page);
            return false;
        }
        drop(page);
        ++out_.written_back_pages;
        return true;
    }

    void rotate(uint32_t page) {
        CurveEntry& entry = entries_[page];
        entry.turn = ++turn_;
        queue_of(entry.group).push(page, entry.turn);
    }

    // Under pressure one entry at a time, whatever the limit.
    void visit(const CurveOp& op) {
        if (place_of_[op.group] == no_place) return;
        const uint32_t page = queue_of(op.group).oldest();
        if (page == CurveOp::none) return;
        if (page == op.page && !entries_[page].referenced) rotate(page);
        else evict(page);
    }

    // Lists in the order in which they came to be: of a cgroup's first page that was kept.
    EntryQueue& queue_of(uint16_t group) {
        uint16_t& place = place_of_[group];
        if (place == no_place) [[unlikely]] {
            place = static_cast<uint16_t>(queues_.size());
            queues_.emplace_back(entries_);
        }
        return queues_[place];
    }

    const CurveEvents& events_;
    P pool_;
    const std::optional<uint64_t> limit_;
    const uint64_t accept_;
    const bool in_lru_order_;
    std::vector<CurveEntry> entries_;  // by page
    std::vector<Call> calls_;
    std::vector<EntryQueue> queues_;
    std::vector<uint16_t> place_of_;   // group → queue
    size_t group_turn_ = 0;
    uint32_t turn_ = 0;
    uint64_t pages_sum_ = 0;  // over events
    uint32_t last_row_ = 0;
    bool reached_full_ = false;
    AtLimit out_;
};

}  // namespace

AtLimit at_limit(const CurveEvents& events, const ReplayConfig& config, std::optional<uint64_t> limit_pages) {
    return with_pool(config.pool, [&]<class P>(std::type_identity<P>) -> AtLimit {
        if constexpr (requires(P& pool) { pool.run_work(); })
            throw std::invalid_argument("a curve over " + config.pool + ", whose workers are not in it");
        else
            return Simulation<P>(events, config, limit_pages).run();
    });
}

}  // namespace zreplay
