// The replay loop, compiled once for each swap model over each pool; each model in a file of its own (loops_*.cpp).
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "index/registry.hpp"
#include "pool/registry.hpp"
#include "random.hpp"
#include "replay/replay.hpp"
#include "swap/consistency.hpp"

namespace zreplay {

template <template <class> class Model, class P>
class Loop final : public Replay {
    using SwapPool = typename Model<P>::PoolType;  // P, or one for each swap type
    static constexpr int64_t group = 16;
    // Index and descriptors together. Below this fetching ahead costs more than it saves: by a third with a radix tree on a
    // recording of 1.4 MB; above, rbtree on one of 3.8 MB wins a third by it (2 cores with 1 MiB of L2 each).
    static constexpr uint64_t warm_above_bytes = 3 << 20;
    static constexpr uint64_t descriptor_bytes = 48;  // per object
    // Where no reading says it, deferred work of a pool is done in pauses between events as long as this.
    static constexpr int64_t worker_pause_ns = 1'000'000;
    // Class rows are many; one timeline sample in this many has them.
    static constexpr uint64_t class_sample_one_in = 10;

  public:
    explicit Loop(const ReplayConfig& config)
        : config_(config),
          index_(index_kind(config.index).make({.entry_bytes = Model<P>::index_entry_bytes, .words = slot_words(config)})),
          pool_(make_pool(config.pool_options)),
          missing_sizes_(config.missing_size, config.seed, config.recorded_sizes.get()),
          model_(pool_, {*index_, config_.policy, missing_sizes_, costs_, mm_costs_, counters_, config.future_loads.get()}),
          next_sample_event_(config.sample_ns ? std::numeric_limits<uint64_t>::max() : config.sample_events),
          next_check_(config.check_every ? config.check_every : std::numeric_limits<uint64_t>::max()),
          next_cma_(config.policy.cma.every_events ? config.policy.cma.every_events : std::numeric_limits<uint64_t>::max()) {}

    void feed(const EventBatch& batch, std::span<const Call> calls) override {
        missing_sizes_.enter(batch);
        calls_ = calls;
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
        rows_fed_ += batch.rows;
        calls_ = {};
    }

    void finish() override {
        check();
        if (samples_.empty() || last_sampled_ != counters_.events) sample(true);
        else sample_classes();
        tell_moves();
        model_.tell(counters_);
    }

    uint64_t pool_pages() const override { return pool_.pages(); }

    void check() override {
        try {
            index_->check();
            pool_.check();
            model_.check();
        } catch (const CheckFailed& error) {
            throw CheckFailed("after event " + std::to_string(counters_.events) + ": " + error.what());
        }
    }
    const void* index_root(uint32_t type) const override { return index_->root(type); }
    const void* mm_root(uint32_t type) const override {
        if constexpr (requires { model_.mm().root(type); }) return model_.mm().root(type);
        else return nullptr;
    }

  private:
    static SlotWords slot_words(const ReplayConfig& config) {
        switch (config.policy.slots.locate) {
            case Locate::bits: return SlotWords::wide;
            case Locate::value: return SlotWords::value;
            default: return SlotWords::narrow;
        }
    }

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

    [[gnu::always_inline]] void step(const EventBatch& batch, int64_t row) {
        Event event = batch.event(row);
        event.returns_later = batch.return_ts_ns.has(row);
        if (!(calls_.empty() && returns_.empty())) [[unlikely]] take_calls(batch, row);
        if (!(decided_.empty() && reserved_.empty()) && event.op == Op::store) [[unlikely]] recall(event, batch, row);
        if (batch.made_pages.get(row, 0) && event.op == Op::store && follows_readings()) [[unlikely]] model_.hand_over({});
        if constexpr (requires { pool_.set_cpu(0u); }) prepare_workers(batch, row);
        last_ts_ns_ = batch.ts_ns[row];
        size_t kind = static_cast<size_t>(event.op);
        if (config_.sample_ns) sample_by_time();

        Observation seen{};
        std::optional<Before> before;
        // An object that has been reserved is in the pool and not yet in the index.
        if (counters_.events + 1 >= next_check_ && reserved_.empty()) [[unlikely]] before = look_before(event);
        if (config_.observe) observe_before(event, seen);
        int result;
        if (counters_.events % Durations::one_in == 0) {
            int64_t start = Durations::now_ns();
            result = apply(event);
            durations_[kind].add(static_cast<uint64_t>(Durations::now_ns() - start));
        } else {
            result = apply(event);
        }
        if (follows_readings() && batch.seen_pool_pages.has(row))
            model_.catch_up_with(static_cast<uint64_t>(batch.seen_pool_pages[row]));
        model_.hand_back();
        if constexpr (requires { model_.returned(0); }) {
            const bool stored = event.op == Op::store && result == 0;
            const uint64_t pages = stored ? 0 : counters_.pool_total_size / page_bytes;
            if (event.returns_later) returns_.emplace_back(batch.return_ts_ns[row], pages);
            else if (stored) model_.returned(0);
        }
        ++op_counts_[kind];
        ++counters_.events;
        pool_pages_sum_ += pool_.pages();
        if (event.op == Op::store) note_peaks();
        if (config_.observe) observe_after(event, result, seen);
        if (counters_.events >= next_sample_event_) {
            sample(false);
            next_sample_event_ += config_.sample_events;
        }
        if (before) [[unlikely]] {
            if (reserved_.empty()) {
                check_effect(event, result, *before);
                check();
            }
            next_check_ += config_.check_every;
        }
        if (counters_.events >= next_cma_) [[unlikely]] {
            model_.evacuate_a_share();
            ++op_counts_[static_cast<size_t>(Op::cma)];
            next_cma_ += config_.policy.cma.every_events;
            if (config_.check_every == 1 && reserved_.empty()) check();
        }
    }

    // What happened between the row before and this one, in the order of its times: stores were called, whose rows are this one
    // or stand behind it, and what the model says to them it says now; stores asked the allocator; calls returned, which is
    // when zswap 6.1 counts its pool.
    [[gnu::noinline]] void take_calls(const EventBatch& batch, int64_t row) {
        const int64_t now = rows_fed_ + row;
        std::ranges::sort(returns_);
        auto returned = returns_.begin();
        auto take_returns = [&](int64_t ts_ns) {
            for (; returned != returns_.end() && returned->first <= ts_ns; ++returned)
                if constexpr (requires { model_.returned(0); }) model_.returned(returned->second);
        };
        for (; !calls_.empty() && calls_.front().at <= now; calls_ = calls_.subspan(1)) {
            const Call& call = calls_.front();
            if (call.what == Call::store) {
                take_returns(call.ts_ns);
                decide(call.row);
            } else if (auto decided = std::ranges::find(decided_, call.row, &std::pair<int64_t, int>::first);
                       decided == decided_.end() || decided->second == 0) {
                if (auto reservation = model_.reserve(call.entry, call.size_bytes)) reserved_.emplace_back(call.row, *reservation);
            }
        }
        if (returned != returns_.end() && batch.op(row) == Op::store && batch.call_ts_ns.has(row) && batch.call_rows.get(row, 0) == 0) {
            take_returns(batch.call_ts_ns[row]);
            decide(now);
        }
        take_returns(batch.ts_ns[row]);
        returns_.erase(returns_.begin(), returned);
    }

    // What the kernel's own counter tells of compactions that others interrupted, and of stores that met in the allocator.
    bool follows_readings() const { return config_.driven || config_.policy.paced; }

    void decide(int64_t row) {
        if constexpr (requires { model_.decide(); })
            if (!config_.driven) decided_.emplace_back(row, model_.decide());
    }

    [[gnu::noinline]] void recall(Event& event, const EventBatch& batch, int64_t batch_row) {
        const int64_t row = rows_fed_ + batch_row;
        if (auto found = std::ranges::find(decided_, row, &std::pair<int64_t, int>::first); found != decided_.end()) {
            event.admitted = found->second;
            decided_.erase(found);
        }
        if (auto found = std::ranges::find(reserved_, row, &std::pair<int64_t, Reservation>::first); found != reserved_.end()) {
            std::optional<uint64_t> seen_pages;
            if (follows_readings() && batch.seen_pool_pages.has(batch_row)) seen_pages = batch.seen_pool_pages[batch_row];
            model_.hand_over(found->second, seen_pages);
            reserved_.erase(found);
        }
    }

    // What an event that is checked may change: assertions 13 and 14 of kernel-model 7.9.
    struct Before {
        uint64_t entries = 0, written_back = 0, contents = 0;
        bool had = false;
        PoolUsage usage;
    };

    [[gnu::noinline]] Before look_before(const Event& event) {
        Before before{index_->entries(), counters_.written_back_pages, 0, false, pool_.usage()};
        charge_nobody();
        if (event.op == Op::store) before.had = static_cast<bool>(index_->find(event.entry));
        if (event.op == Op::compact) before.contents = contents();
        return before;
    }

    [[gnu::noinline]] void check_effect(const Event& event, int result, const Before& before) try {
        charge_nobody();
        if (event.op == Op::store && result < 0) {
            // Gone are those written back meanwhile and, where frontswap or the model sees to it, the slot's older copy.
            const uint64_t after = index_->entries() + counters_.written_back_pages - before.written_back;
            const bool dropped = before.had && !index_->find(event.entry);
            if (after != before.entries && !(dropped && after + 1 == before.entries))
                assertion_failed(13, "a failed store leaves everything as it was", 0, event.entry, after, before.entries);
        }
        if (event.op == Op::compact) {
            const PoolUsage usage = pool_.usage();
            require(usage.asked_bytes == before.usage.asked_bytes && contents() == before.contents,
                    "assertion 14: compaction leaves every object as it was", usage.asked_bytes, before.usage.asked_bytes);
            require(usage.pages <= before.usage.pages, "assertion 14: compaction takes no page", usage.pages, before.usage.pages);
        }
    } catch (const CheckFailed& error) {
        throw CheckFailed("after event " + std::to_string(counters_.events) + ": " + error.what());
    }

    // A sum over (slot, length) of all objects, whatever their order.
    uint64_t contents() const {
        uint64_t sum = 0;
        pool_.objects_from(0, [&](Location object) {
            sum += Random(pool_.entry(object).word * 8209 + pool_.size(object)).next();
            return true;
        });
        return sum;
    }

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

    [[gnu::always_inline]] int apply(const Event& event) { return config_.driven ? model_.driven(event) : model_.predicted(event); }

    void note_peaks() {
        const bool is_most_entries = counters_.stored_pages > peaks_.stored_pages;  // an index without nodes grows by entries
        peaks_.stored_pages = std::max(peaks_.stored_pages, counters_.stored_pages);
        peaks_.pool_pages = std::max(peaks_.pool_pages, pool_.pages());
        uint64_t nodes = index_->nodes();
        if (nodes > peaks_.index_nodes || is_most_entries) {
            peaks_.index_nodes = std::max(peaks_.index_nodes, nodes);
            peaks_.index_bytes = std::max(peaks_.index_bytes, index_->bytes());
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
        model_.tell(counters_);
        samples_.push_back({last_ts_ns_, counters_, pool_.usage(), index_->entries(), index_->nodes(), index_->bytes()});
        last_sampled_ = counters_.events;
        sampled_pages_ += samples_.back().usage.pages;
        sampled_movable_ += samples_.back().usage.movable_pages;
        warm_ = index_->bytes() + pool_.usage().objects * descriptor_bytes > warm_above_bytes;
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
        charge_nobody();
        Location location;
        seen.visited = ~uint64_t{0};
        if constexpr (requires { model_.next_visited(event.group); })
            if (event.op == Op::visit) seen.visited = model_.next_visited(event.group).word;
        if (event.op == Op::writeback) location = model_.victim();
        if (event.op == Op::invalidate || event.op == Op::load || (event.op == Op::writeback && event.has_slot && !location))
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
    Cost uncounted_;
    bool warm_ = false;
    int64_t rows_fed_ = 0;
    std::span<const Call> calls_;  // of the batch being fed, those to come
    std::vector<std::pair<int64_t, int>> decided_;  // row → what the model said at its call
    std::vector<std::pair<int64_t, uint64_t>> returns_;  // when calls will return, and pages that they have counted, if any
    std::vector<std::pair<int64_t, Reservation>> reserved_;  // row → what the allocator gave, when it was asked
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
