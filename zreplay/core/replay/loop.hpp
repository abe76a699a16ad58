// The replay loop, compiled once for each swap model over each pool; each model in a file of its own (loops_*.cpp).
#pragma once

#include <algorithm>
#include <limits>

#include "index/registry.hpp"
#include "pool/registry.hpp"
#include "replay/replay.hpp"

namespace zreplay {

template <template <class> class Model, class P>
class Loop final : public Replay {
    using SwapPool = typename Model<P>::PoolType;  // P, or one for each swap type
    static constexpr int64_t group = 16;
    // Index and descriptors together. Below this fetching ahead costs more than it saves: by a third with a radix tree on a
    // recording of 1.4 MB; above, rbtree on one of 3.8 MB wins a third by it (2 cores with 1 MiB of L2 each).
    static constexpr uint64_t warm_above_bytes = 3 << 20;
    static constexpr uint64_t descriptor_bytes = 48;  // per object
    // Deferred work of a pool is done in pauses between events as long as this.
    static constexpr int64_t worker_pause_ns = 1'000'000;
    // Class rows are many; one timeline sample in this many has them.
    static constexpr uint64_t class_sample_one_in = 10;

  public:
    explicit Loop(const ReplayConfig& config)
        : config_(config),
          index_(index_kind(config.index).make({.entry_bytes = Model<P>::index_entry_bytes})),
          pool_(make_pool(config.pool_options)),
          missing_sizes_(config.missing_size, config.seed, config.recorded_sizes.get()),
          model_(pool_, {*index_, config_.policy, missing_sizes_, costs_, counters_}),
          next_sample_event_(config.sample_ns ? std::numeric_limits<uint64_t>::max() : config.sample_events),
          next_check_(config.check_every ? config.check_every : std::numeric_limits<uint64_t>::max()) {}

    void feed(const EventBatch& batch) override {
        missing_sizes_.enter(batch);
        Ahead now, next;
        for (int64_t row = 0; row < batch.rows; row += group) {
            if (warm_) {
                if (now.first_row != row) look(batch, row, now);
                look(batch, row + group, next);
                fetch_links(now);
                std::swap(now, next);
            }
            const int64_t end = std::min(row + group, batch.rows);
            for (int64_t i = row; i < end; ++i) step(batch, i);
        }
    }

    void finish() override {
        check();
        if (samples_.empty() || last_sampled_ != counters_.events) sample(true);
        else sample_classes();
        tell_moves();
    }

    uint64_t pool_pages() const override { return pool_.pages(); }

  private:
    static SwapPool make_pool(const PoolOptions& options) {
        if constexpr (std::is_same_v<SwapPool, P>) return options.make<P>();
        else return SwapPool([options] { return options.make<P>(); });
    }

    // A group of events that are still to come.
    struct Ahead {
        int64_t first_row = -1;
        size_t count = 0, stores = 0;
        uint32_t changing = 0;  // bit i: entries[i] is stored or invalidated, not only loaded
        std::array<SwapEntry, group> entries;
        std::array<Location, group> found;
        std::array<uint32_t, group> sizes;  // of its stores
    };

    void step(const EventBatch& batch, int64_t row) {
        Event event = batch.event(row);
        if constexpr (requires { pool_.set_cpu(0u); }) prepare_workers(batch, row);
        last_ts_ns_ = batch.ts_ns[row];
        size_t kind = static_cast<size_t>(event.op);
        if (config_.sample_ns) sample_by_time();

        Observation seen{};
        if (config_.observe) observe_before(event, seen);
        int result;
        if (counters_.events % Durations::one_in == 0) {
            int64_t start = Durations::now_ns();
            result = apply(event);
            durations_[kind].add(static_cast<uint64_t>(Durations::now_ns() - start));
        } else {
            result = apply(event);
        }
        if ((config_.driven || config_.policy.paced) && batch.seen_pool_pages.has(row))
            model_.catch_up_with(static_cast<uint64_t>(batch.seen_pool_pages[row]));
        ++op_counts_[kind];
        ++counters_.events;
        pool_pages_sum_ += pool_.pages();
        if (event.op == Op::store) note_peaks();
        if (config_.observe) observe_after(event, result, seen);
        if (counters_.events >= next_sample_event_) {
            sample(false);
            next_sample_event_ += config_.sample_events;
        }
        if (counters_.events >= next_check_) {
            check();
            next_check_ += config_.check_every;
        }
    }

    // z3fold: whose CPU it is, and whether there was time for the workers of a pool whose work is deferred.
    void prepare_workers(const EventBatch& batch, int64_t row) {
        pool_.set_cpu(batch.cpu.get(row, 0));
        if (batch.ts_ns[row] - last_ts_ns_ >= worker_pause_ns) pool_.run_work();
    }

    int apply(const Event& event) { return config_.driven ? model_.driven(event) : model_.predicted(event); }

    void note_peaks() {
        peaks_.stored_pages = std::max(peaks_.stored_pages, counters_.stored_pages);
        peaks_.pool_pages = std::max(peaks_.pool_pages, pool_.pages());
        if (uint64_t nodes = index_->nodes(); nodes > peaks_.index_nodes) {
            peaks_.index_nodes = nodes;
            peaks_.index_bytes = index_->bytes();
        }
    }

    // Where the slots of the group of events from `row` on are found now, and the fetching of their descriptors begun.
    void look(const EventBatch& batch, int64_t row, Ahead& ahead) const {
        ahead.first_row = row;
        ahead.count = ahead.stores = 0;
        ahead.changing = 0;
        const int64_t end = std::min(row + group, batch.rows);
        for (int64_t i = row; i < end; ++i) {
            Op op = batch.op(i);
            if (op > Op::invalidate) continue;
            ahead.entries[ahead.count] = batch.entry(i);
            ahead.changing |= uint32_t{op != Op::load} << ahead.count++;
            if (op == Op::store) ahead.sizes[ahead.stores++] = batch.size.get(i, 0);
        }
        std::span entries(ahead.entries.data(), ahead.count);
        for (SwapEntry entry : entries) model_.warm(entry);
        index_->warm(entries, std::span(ahead.found.data(), ahead.count), ahead.changing);
        fetch(ahead, 0);
    }

    // What the descriptors lead to. They were looked up a group ago, so one may have been freed since: its memory is still
    // there, and what it says is only a hint.
    void fetch_links(const Ahead& ahead) const {
        for (int step = 1; step < Model<P>::warm_steps; ++step) fetch(ahead, step);
    }

    void fetch(const Ahead& ahead, int step) const {
        for (size_t i = 0; i < ahead.count; ++i)
            if (Location found = ahead.found[i]; found && !found.is_same_filled())
                model_.warm(found, step, ahead.changing >> i & 1);
        for (size_t i = 0; i < ahead.stores && step < P::warm_steps; ++i)
            if (ahead.sizes[i]) pool_.warm_alloc(ahead.sizes[i], step);
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
        samples_.push_back({last_ts_ns_, counters_, pool_.usage(), index_->entries(), index_->nodes(), index_->bytes()});
        last_sampled_ = counters_.events;
        warm_ = index_->bytes() + pool_.usage().objects * descriptor_bytes > warm_above_bytes;
        if (with_classes || samples_taken_ % class_sample_one_in == 0) sample_classes();
        ++samples_taken_;
    }

    void tell_moves() {
        if constexpr (requires { pool_.moves(); }) {
            counters_.objects_copied = pool_.moves().objects_copied;
            counters_.handles_rewritten = pool_.moves().handles_rewritten;
        }
    }

    void sample_classes() {
        for (const ClassRow& row : pool_.classes()) class_samples_.push_back({last_ts_ns_, counters_.events, row});
    }

    // Looking is not the kernel's work: it goes on nobody's account.
    void observe_before(const Event& event, Observation& seen) {
        index_->charge(uncounted_);
        Location location;
        if (event.op == Op::writeback) location = model_.victim();
        else if (event.op == Op::invalidate) location = model_.object(index_->find(event.entry));
        describe(location, seen);
    }

    void observe_after(const Event& event, int result, Observation& seen) {
        index_->charge(uncounted_);
        if (event.op == Op::store) describe(result == 0 ? model_.object(index_->find(event.entry)) : Location(), seen);
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

    void check() const {
        try {
            index_->check();
            pool_.check();
            if constexpr (requires { model_.check(); }) model_.check();
            require(index_->entries() == counters_.stored_pages, "index entries are stored_pages", index_->entries(),
                    counters_.stored_pages);
            require(pool_.usage().objects == counters_.stored_pages - counters_.same_filled_pages,
                    "pool objects are stored_pages less same_filled_pages", pool_.usage().objects,
                    counters_.stored_pages - counters_.same_filled_pages);
        } catch (const CheckFailed& error) {
            throw CheckFailed("after event " + std::to_string(counters_.events) + ": " + error.what());
        }
    }

    ReplayConfig config_;
    std::unique_ptr<SwapIndex> index_;
    SwapPool pool_;
    MissingSizes missing_sizes_;
    Model<P> model_;
    Cost uncounted_;
    bool warm_ = false;
    int64_t last_ts_ns_ = 0;
    uint64_t next_sample_event_;
    int64_t next_sample_ns_ = 0;
    uint64_t next_check_;
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
