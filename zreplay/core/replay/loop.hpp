// The replay loop, compiled once for each swap model over each pool; each model in a file of its own (loops_*.cpp).
//
// An event passes through happen(). Whatever a replay wants to know or has to take care of beside that is hung around it in
// happen_with_care(): calls before their rows (early_calls.hpp), a pool's workers, checks (effects.hpp), observations, times.
// A group of events takes the short way where none of it concerns any of them; both ways come to the same.
#pragma once

#include <algorithm>
#include <exception>
#include <future>
#include <limits>
#include <utility>
#include <vector>

#include "index/registry.hpp"
#include "plugin/verified.hpp"
#include "pool/registry.hpp"
#include "replay/crash.hpp"
#include "replay/early_calls.hpp"
#include "replay/effects.hpp"
#include "replay/look_ahead.hpp"
#include "replay/replay.hpp"
#include "swap/consistency.hpp"

namespace zreplay {

template <template <class> class Model, class P>
class Loop final : public Replay {
    using SwapPool = typename Model<P>::PoolType;  // P, or one for each swap type
    static constexpr bool follows_returns = EarlyCalls<Model<P>>::follows_returns;
    static constexpr bool has_workers = requires(SwapPool& pool) { pool.set_cpu(0u); };
    static_assert(Ahead::lanes == Rows::most);
    static constexpr uint64_t descriptor_bytes = 24;  // per object
    // Where no reading says it, deferred work of a pool is done in pauses between events as long as this.
    static constexpr int64_t worker_pause_ns = 1'000'000;
    // Class rows are many; one timeline sample in this many has them.
    static constexpr uint64_t class_sample_one_in = 10;
    // Groups of rows: more than any index looks ahead.
    static constexpr uint64_t rows_fetched_ahead = Ahead::groups + 1;
    static constexpr uint64_t never = std::numeric_limits<uint64_t>::max();

  public:
    explicit Loop(const ReplayConfig& config)
        : config_(config),
          index_(make_index(config)),
          pool_(make_pool(config)),
          missing_sizes_(config.missing_size, config.seed, config.recorded_sizes.get()),
          model_(pool_, {*index_, config_.policy, missing_sizes_, costs_, mm_costs_, counters_, config.future_loads.get(),
                         pool_kind(config.pool).is_bound, config_.mm, config.verify}),
          look_ahead_(*index_, pool_, model_),
          early_(model_, config.driven, follows_readings()),
          effects_(*index_, pool_, counters_),
          always_with_care_(has_workers || config.driven || config.policy.paced || config.observe || config.timing ||
                            config.check_every || config.sample_ns || config.policy.cma.every_events),
          looks_ahead_(config.look_above_bytes == 0),
          next_sample_event_(config.sample_ns ? never : config.sample_events),
          next_check_(config.check_every ? config.check_every : never),
          next_cma_(config.policy.cma.every_events ? config.policy.cma.every_events : never) {
        share_ = static_cast<double>(config.sample_keep) / static_cast<double>(config.sample_of);
    }

    void feed(const DecodedBatch& decoded, std::span<const Call> calls) override {
        const UnderWay under_way(counters_);
        const EventBatch& batch = decoded.batch;
        missing_sizes_.enter(batch);
        early_.enter(batch, rows_fed_, calls);
        const bool looks = looks_ahead_ && !config_.timing;
        for (uint64_t group = 0; group < decoded.groups; ++group) {
            decoded.fetch(group + rows_fetched_ahead);
            const Rows& rows = decoded.group(group);
            const bool with_care = always_with_care_ || early_.concern(rows.first, rows.first + rows.count);
            const auto happen_from = [&](uint32_t from, uint32_t to) {
                if (!with_care) return happen(batch, rows, from, to);
                for (uint32_t i = from; i < to; ++i) happen_with_care(batch, rows.first + i);
            };
            if (looks) look_ahead_.around(decoded, group, happen_from);
            else happen_from(0, rows.count);
        }
        rows_fed_ += batch.rows;
        if (batch.rows) last_ts_ns_ = batch.ts_ns[batch.rows - 1];
    }

    void finish() override {
        const UnderWay under_way(counters_);
        check();
        if (samples_.empty() || last_sampled_ != counters_.events) sample(true);
        else sample_classes();
        tell_moves();
        model_.tell(counters_);
        if (config_.verify) erase_all(*index_);
    }

    uint64_t pool_pages() const override { return pool_.pages(); }

    // The structures for themselves and both engines against each other are different readers of the same memory: of a large
    // state, which is checked no faster than memory comes, both go on at once.
    void check() override {
        or_name_the_event([&] {
            if (state_bytes() < (1 << 20) || !index_->reads_together() || std::is_same_v<P, VirtualPool>) {
                check_structures();
                model_.check();
                return;
            }
            auto structures = std::async(std::launch::async, [&] { check_structures(); });
            std::exception_ptr failed;
            try {
                model_.check();
            } catch (...) {
                failed = std::current_exception();
            }
            structures.get();  // what is wrong in a structure is told rather than what follows from it
            if (failed) std::rethrow_exception(failed);
        });
    }
    const void* index_root(uint32_t type) const override { return index_->root(type); }
    const void* mm_root(uint32_t type) const override {
        if constexpr (requires { model_.mm().root(type); }) return model_.mm().root(type);
        else return nullptr;
    }

  private:
    // Index and descriptors together.
    uint64_t state_bytes() const { return index_->bytes() + pool_.usage().objects * descriptor_bytes; }

    void check_structures() const {
        index_->check();
        pool_.check();
    }

    static SlotWords slot_words(const ReplayConfig& config) {
        switch (config.policy.slots.locate) {
            case Locate::bits: return SlotWords::wide;
            case Locate::value: return SlotWords::value;
            default: return SlotWords::narrow;
        }
    }

    static std::unique_ptr<SwapIndex> make_index(const ReplayConfig& config) {
        auto index = index_kind(config.index).make({.entry_bytes = Model<P>::index_entry_bytes,
                                                    .words = slot_words(config),
                                                    .kernels_layout = config.timing});
        if (!config.verify) return index;
        return verified(std::move(index), config.index);
    }

    static P make_one_pool(const PoolOptions& options, const std::string& name, [[maybe_unused]] bool verify) {
        if constexpr (std::is_same_v<P, VirtualPool>)
            if (verify) return P(verified(pool_kind(name).make(), name));
        return options.make<P>(name);
    }
    static SwapPool make_pool(const ReplayConfig& config) {
        if constexpr (std::is_same_v<SwapPool, P>) return make_one_pool(config.pool_options, config.pool, config.verify);
        else return SwapPool([options = config.pool_options, name = config.pool, verify = config.verify] {
            return make_one_pool(options, name, verify);
        });
    }

    // Flattened: everything that an event of a slot passes through, index apart, is one function without calls.
    [[gnu::flatten, gnu::noinline]] void happen(const EventBatch& batch, const Rows& rows, uint32_t from, uint32_t to) {
        for (uint32_t i = from; i < to; ++i) {
            const Event event = rows.ops[i] <= Op::invalidate ? rows.event(i, batch) : batch.event(rows.first + i);
            const int result = model_.predicted(event);
            if constexpr (follows_returns)
                if (event.op == Op::store && result == 0) model_.returned(0);
            count(event);
            if (counters_.events >= next_sample_event_) [[unlikely]] sample_by_events(batch.ts_ns[event.row]);
        }
    }

    void count(const Event& event) {
        ++op_counts_[static_cast<size_t>(event.op)];
        ++counters_.events;
        pool_pages_sum_ += pool_.pages();
        if (event.op == Op::store) note_peaks();
        else if (event.op > Op::invalidate && share_ < 1) [[unlikely]] count_whole(event);
    }

    [[gnu::noinline]] void count_whole(const Event& event) {
        if (event.has_slot()) return;
        ++whole_events_;
        whole_pages_sum_ += pool_.pages();
    }

    [[gnu::noinline]] void happen_with_care(const EventBatch& batch, int64_t row) {
        Event event = batch.event(row);
        event.returns_later = follows_returns && batch.return_ts_ns.has(row);
        early_.take(row);
        early_.recall(event);
        if (follows_readings() && event.op == Op::store && batch.made_pages.get(row, 0)) model_.hand_over({});
        if constexpr (has_workers) prepare_workers(batch, row);
        last_ts_ns_ = batch.ts_ns[row];
        if (config_.sample_ns) sample_by_time();

        Observation seen{};
        const bool checked = counters_.events + 1 >= next_check_ && early_.nothing_reserved();
        if (checked || config_.observe) charge_nobody();
        if (checked) effects_.before(event);
        if (config_.observe) observe_before(event, seen);

        const int result = config_.timing ? timed(event) : apply(event);
        if (follows_readings() && batch.seen_pool_pages.has(row))
            model_.catch_up_with(static_cast<uint64_t>(batch.seen_pool_pages[row]));
        model_.hand_back();
        if constexpr (follows_returns) {
            const bool stored = event.op == Op::store && result == 0;
            if (event.returns_later) early_.returns_later(event, stored ? 0 : counters_.pool_total_size / page_bytes);
            else if (stored) model_.returned(0);
        }
        count(event);

        if (config_.observe) observe_after(event, result, seen);
        if (counters_.events >= next_sample_event_) sample_by_events(last_ts_ns_);
        if (counters_.events >= next_check_) check_event(event, result, checked);
        if (counters_.events >= next_cma_) ask_for_a_range();
    }

    [[gnu::noinline]] int apply(Event event) { return config_.driven ? model_.driven(event) : model_.predicted(event); }

    int timed(const Event& event) {
        if (counters_.events % Durations::one_in) return apply(event);
        const int64_t start = Durations::now_ns();
        const int result = apply(event);
        durations_[static_cast<size_t>(event.op)].add(Durations::now_ns() - start);
        return result;
    }

    // What the kernel's own counter tells of compactions that others interrupted, and of stores that met in the allocator.
    bool follows_readings() const { return config_.driven || config_.policy.paced; }

    // z3fold: whose CPU it is, and whether the workers of a pool whose work is deferred have run since the last event. The
    // kernel's own count says so where it is followed, since what is freed gives back one page at most; elsewhere a pause is
    // the time for it.
    void prepare_workers(const EventBatch& batch, int64_t row) {
        pool_.set_cpu(batch.cpu.get(row, 0));
        if (follows_readings() && batch.seen_pool_pages.values) {
            const uint64_t freed = batch.op(row) == Op::invalidate;
            if (!batch.seen_pool_pages.has(row) || pool_.pages() <= static_cast<uint64_t>(batch.seen_pool_pages[row]) + freed) return;
        } else if (batch.ts_ns[row] - last_ts_ns_ < worker_pause_ns) {
            return;
        }
        model_.charge_compaction();
        pool_.run_work();
    }

    void check_event(const Event& event, int result, bool looked_before) {
        if (early_.nothing_reserved()) {
            charge_nobody();
            if (looked_before) or_name_the_event([&] { effects_.after(event, result); });
            check();
        }
        next_check_ += config_.check_every;
    }

    void ask_for_a_range() {
        model_.evacuate_a_share();
        ++op_counts_[static_cast<size_t>(Op::cma)];
        next_cma_ += config_.policy.cma.every_events;
        if (config_.check_every == 1 && early_.nothing_reserved()) check();
    }

    template <class Check>
    void or_name_the_event(Check&& check) const {
        try {
            check();
        } catch (const CheckFailed& error) {
            throw CheckFailed("after event " + std::to_string(counters_.events) + ": " + error.what());
        }
    }

    void note_peaks() {
        const bool is_most_entries = counters_.stored_pages > peaks_.stored_pages;  // an index without nodes grows by entries
        peaks_.stored_pages = std::max(peaks_.stored_pages, counters_.stored_pages);
        peaks_.pool_pages = std::max(peaks_.pool_pages, pool_.pages());
        const uint64_t nodes = index_->nodes_now();
        if (nodes > peaks_.index_nodes || is_most_entries) {
            peaks_.index_nodes = std::max(peaks_.index_nodes, nodes);
            peaks_.index_bytes = std::max(peaks_.index_bytes, index_->bytes());
        }
    }

    [[gnu::noinline]] void sample_by_events(int64_t ts_ns) {
        last_ts_ns_ = ts_ns;
        sample(false);
        next_sample_event_ += config_.sample_events;
    }

    // A sample stands for the state before the first event at or after its time.
    void sample_by_time() {
        if (counters_.events == 0) next_sample_ns_ = last_ts_ns_ + config_.sample_ns;
        if (last_ts_ns_ < next_sample_ns_) return;
        sample(false);
        next_sample_ns_ += (last_ts_ns_ - next_sample_ns_) / config_.sample_ns * config_.sample_ns + config_.sample_ns;
    }

    void sample(bool with_classes) {
        tell_moves();
        model_.tell(counters_);
        samples_.push_back({last_ts_ns_, counters_, pool_.usage(), index_->entries(), index_->nodes(), index_->bytes()});
        last_sampled_ = counters_.events;
        sampled_pages_ += samples_.back().usage.pages;
        sampled_movable_ += samples_.back().usage.movable_pages;
        looks_ahead_ = state_bytes() >= config_.look_above_bytes;
        if (with_classes || samples_taken_ % class_sample_one_in == 0) sample_classes();
        ++samples_taken_;
    }

    void tell_moves() {
        if constexpr (requires { pool_.moves(); }) {
            counters_.objects_copied = pool_.moves().objects_copied;
            // Where slots name pages there are only the cells of what spilled, which are counted as they are written.
            if (slot_words(config_) == SlotWords::narrow) counters_.handles_rewritten = pool_.moves().handles_rewritten;
        }
    }

    void sample_classes() {
        for (const ClassRow& row : pool_.classes()) class_samples_.push_back({last_ts_ns_, counters_.events, row});
    }

    // Looking is not the kernel's work: it goes on nobody's account.
    void charge_nobody() {
        index_->charge_nobody();
        pool_.charge(uncounted_);
    }

    void observe_before(const Event& event, Observation& seen) {
        Location location;
        seen.visited = ~uint64_t{0};
        if constexpr (requires { model_.next_visited(event.group()); })
            if (event.op == Op::visit) seen.visited = model_.next_visited(event.group()).word;
        if (event.op == Op::writeback) location = model_.victim();
        if (event.op == Op::invalidate || event.op == Op::load || (event.op == Op::writeback && event.has_slot() && !location))
            location = model_.object_of(event.entry);
        describe(location, seen);
    }

    void observe_after(const Event& event, int result, Observation& seen) {
        charge_nobody();
        if (event.op == Op::store) describe(result == 0 ? model_.object_of(event.entry) : Location(), seen);
        seen.result = result;
        seen.stored_pages = counters_.stored_pages;
        seen.pool_total_pages = counters_.pool_total_size / page_bytes;
        observations_.push_back(seen);
    }

    void describe(Location location, Observation& seen) const {
        seen.page = -1;
        seen.position = 0;
        if constexpr (requires { pool_.page_id(location); })
            if (location && !location.is_same_filled()) {
                seen.page = static_cast<int64_t>(pool_.page_id(location));
                if constexpr (requires { pool_.position(location); }) seen.position = pool_.position(location);
                else seen.position = static_cast<int8_t>(location.position());
            }
    }

    ReplayConfig config_;
    std::unique_ptr<SwapIndex> index_;
    SwapPool pool_;
    MissingSizes missing_sizes_;
    Model<P> model_;
    LookAhead<Model<P>, SwapPool> look_ahead_;
    EarlyCalls<Model<P>> early_;
    Effects<SwapPool> effects_;
    Cost uncounted_;
    const bool always_with_care_;
    bool looks_ahead_;
    int64_t rows_fed_ = 0;
    int64_t last_ts_ns_ = 0;
    uint64_t next_sample_event_;
    int64_t next_sample_ns_ = 0;
    uint64_t next_check_, next_cma_;
    uint64_t last_sampled_ = 0;
    uint64_t samples_taken_ = 0;
};

template <template <class> class Model>
std::unique_ptr<Replay> loop_over(const ReplayConfig& config) {
    return with_pool(config.pool, [&]<class P>(std::type_identity<P>) -> std::unique_ptr<Replay> {
        return std::make_unique<Loop<Model, P>>(config);
    });
}

}  // namespace zreplay
