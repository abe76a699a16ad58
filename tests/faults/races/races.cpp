// What the Python of a comparison has its threads do, without Python, for ThreadSanitizer: one thread makes batches, the
// others replay each of them through replays of their own, and the memory of a batch that all have let go is used again.
//
//      races ROUNDS      prints the events replayed, and fails where replays of one configuration come to different counters
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "replay/models.hpp"
#include "trace/synth.hpp"

using namespace zreplay;

namespace {

struct Held {
    std::shared_ptr<const SynthBatch> batch;
};

EventBatch events_of(const SynthBatch& batch) {
    EventBatch events;
    events.rows = static_cast<int64_t>(batch.rows);
    for (size_t op = 0; op < op_count; ++op) events.op_of_code[op] = static_cast<Op>(op);
    auto bits = [](const std::vector<uint8_t>& of) { return of.empty() ? nullptr : of.data(); };
    events.ts_ns = {batch.ts_ns.data()};
    events.op_code = {batch.op.data()};
    events.type = {batch.type.data(), bits(batch.has_type.empty() ? batch.has_slot : batch.has_type)};
    events.offset = {batch.offset.data(), bits(batch.has_slot)};
    events.size = {batch.size.data(), bits(batch.has_size)};
    events.cpu = {batch.cpu.empty() ? nullptr : batch.cpu.data()};
    return events;
}

// Batches from one thread to several, at most three of them at a time.
class Pass {
  public:
    explicit Pass(size_t readers) : taken_(readers) {}

    void put(std::shared_ptr<const SynthBatch> batch) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return held_.size() < 3; });
        held_.push_back(std::move(batch));
        changed_.notify_all();
    }
    void end() {
        const std::scoped_lock lock(mutex_);
        is_over_ = true;
        changed_.notify_all();
    }
    std::shared_ptr<const SynthBatch> take(size_t reader) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return taken_[reader] - dropped_ < held_.size() || is_over_; });
        if (taken_[reader] - dropped_ >= held_.size()) return nullptr;
        auto batch = held_[taken_[reader]++ - dropped_];
        while (!held_.empty() && *std::min_element(taken_.begin(), taken_.end()) > dropped_) held_.pop_front(), ++dropped_;
        changed_.notify_all();
        return batch;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<const SynthBatch>> held_;
    std::vector<size_t> taken_;
    size_t dropped_ = 0;
    bool is_over_ = false;
};

uint64_t one_pass(uint64_t seed, bool& alike) {
    static const char* const kinds[][2] = {{"rbtree", "zbud"}, {"xarray", "zsmalloc"}, {"radix-tag", "z3fold"},
                                           {"swap-table", "zsmalloc"}, {"rbtree", "zbud"}, {"xarray", "ideal"}};
    std::vector<std::unique_ptr<Replay>> replays;
    for (const auto& [index, pool] : kinds) {
        ReplayConfig config;
        config.index = index;
        config.pool = pool;
        config.kernel = "6.1";
        config.mm = "pool-lru";
        config.policy.limits.totalram_pages = 1500;
        config.sample_events = 100;
        config.check_every = 5000;
        config.look_above_bytes = 0;
        replays.push_back(replay_zswap_6_1(config));
    }
    SynthRecipe recipe{.pattern = "random", .seed = seed, .resident = 500, .types = 2, .cpus = 2, .load_share = 0.3,
                       .rewrite_share = 0.1, .same_filled = 0.1, .compact_every = 500, .migrate_every = 50,
                       .size_weights = std::vector<uint64_t>(page_bytes, 1)};
    Pass pass(replays.size());
    std::vector<std::thread> threads;
    for (size_t reader = 0; reader < replays.size(); ++reader)
        threads.emplace_back([&, reader] {
            while (const auto batch = pass.take(reader)) replays[reader]->feed(DecodedBatch(events_of(*batch)));
            replays[reader]->finish();
        });
    const auto synth = make_synth(recipe);
    for (int n = 0; n < 40; ++n) pass.put(synth->next(500));
    pass.end();
    for (std::thread& thread : threads) thread.join();
    alike = replays[0]->counters().written_back_pages == replays[4]->counters().written_back_pages &&
            replays[0]->pool_pages() == replays[4]->pool_pages();
    uint64_t events = 0;
    for (const auto& replay : replays) events += replay->counters().events;
    return events;
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 1;
    uint64_t events = 0;
    for (int round = 0; round < rounds; ++round) {
        bool alike = false;
        events += one_pass(static_cast<uint64_t>(round) + 1, alike);
        if (!alike) return std::puts("two replays of one configuration differ"), 1;
    }
    std::printf("%llu events\n", static_cast<unsigned long long>(events));
}
