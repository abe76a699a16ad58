// One replay: a swap model over an index and a pool, fed with batches of events, writing down samples as it goes.
//
// The loop takes sixteen events at a time: a trace tells what comes next, so when the structures have outgrown the cache
// the slots and descriptors that the next group will need are fetched while this one is replayed; their misses then overlap
// instead of following each other. Fetching changes nothing and is not counted, so every counter is the same with and
// without it, and whatever the size of the batches.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cost.hpp"
#include "pool/pool.hpp"
#include "replay/config.hpp"
#include "counters.hpp"
#include "events.hpp"
#include "replay/timing.hpp"
#include "types.hpp"

namespace zreplay {

// A row of timeline.parquet; counters are cumulative, gauges as they stand.
struct Sample {
    int64_t ts_ns;
    Counters counters;
    PoolUsage usage;
    uint64_t index_entries, index_nodes, index_bytes;
};

struct ClassSample {
    int64_t ts_ns;
    uint64_t events;
    ClassRow row;
};

// The model's state after one event, for comparing with a kernel's. Page numbers count from 0 in the order in which the
// pool took its pages; −1: the event concerns no object.
struct Observation {
    int32_t result;
    uint64_t stored_pages;
    uint64_t pool_total_pages;  // pool_total_size / 4096, as last refreshed
    int64_t page;
    int8_t position;
    uint64_t visited;  // of a visit: the slot, as one word, of the entry whose turn it was to the model; else all ones
};

struct Peaks {
    uint64_t stored_pages = 0;
    uint64_t pool_pages = 0;
    uint64_t index_nodes = 0;
    uint64_t index_bytes = 0;
};

struct OperationRow {
    Op op;
    uint64_t count;
    Cost cost;
    Cost mm_cost;  // of the memory manager's index
    const Durations* durations;
};

class Replay {
  public:
    // Throws std::invalid_argument for a name that is in no registry.
    static std::unique_ptr<Replay> make(const ReplayConfig& config);
    virtual ~Replay() = default;

    // `calls`: those that stand in this batch, of stores in it or behind it. Throws CheckFailed, naming the event, when a check
    // does not hold.
    virtual void feed(const DecodedBatch& batch, std::span<const Call> calls = {}) = 0;
    // The last sample and the last check. Nothing may be fed afterwards.
    virtual void finish() = 0;

    const Counters& counters() const { return counters_; }
    const Peaks& peaks() const { return peaks_; }
    virtual uint64_t pool_pages() const = 0;
    // Every structure, and both engines against each other. Throws CheckFailed.
    virtual void check() = 0;
    // Where the trees of a type begin, for a debugger, and for tests that break them; mm: nullptr where there is none.
    virtual const void* index_root(uint32_t type) const = 0;
    virtual const void* mm_root(uint32_t type) const = 0;
    // Over events. A sample has all of those that name no slot, which so have the weight of its share.
    double pool_pages_mean() const {
        auto weighed = [&](uint64_t all, uint64_t whole) { return static_cast<double>(all) - (1 - share_) * static_cast<double>(whole); };
        const double events = weighed(counters_.events, whole_events_);
        return events > 0 ? weighed(pool_pages_sum_, whole_pages_sum_) / events : 0;
    }
    // Of the pool's pages at the samples, how many the memory manager could have moved.
    double movable_percent() const {
        return sampled_pages_ ? 100 * static_cast<double>(sampled_movable_) / static_cast<double>(sampled_pages_) : 0;
    }
    std::vector<OperationRow> operations() const;

    // Each gives what has gathered since the last call.
    std::vector<Sample> take_samples() { return std::exchange(samples_, {}); }
    std::vector<ClassSample> take_class_samples() { return std::exchange(class_samples_, {}); }
    std::vector<Observation> take_observations() { return std::exchange(observations_, {}); }
    uint64_t samples_waiting() const { return samples_.size(); }

  protected:
    Counters counters_;
    Peaks peaks_;
    uint64_t pool_pages_sum_ = 0;
    double share_ = 1;  // of a machine's slots
    uint64_t whole_events_ = 0, whole_pages_sum_ = 0;  // of a sample, of events that name no slot
    uint64_t sampled_pages_ = 0, sampled_movable_ = 0;
    std::array<uint64_t, op_count> op_counts_{};
    std::array<Cost, op_count> costs_{};
    std::array<Cost, op_count> mm_costs_{};
    std::array<Durations, op_count> durations_{};
    std::vector<Sample> samples_;
    std::vector<ClassSample> class_samples_;
    std::vector<Observation> observations_;
};

}  // namespace zreplay
