// What to replay a trace through, and what to write down.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>

#include "mm/future_loads.hpp"
#include "pool/registry.hpp"
#include "swap/missing_size.hpp"
#include "swap/policy.hpp"

namespace zreplay {

inline uint64_t second_level_cache_bytes() {
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (const long known = sysconf(_SC_LEVEL2_CACHE_SIZE); known > 0) return static_cast<uint64_t>(known);
#endif
    return 1 << 20;
}

struct ReplayConfig {
    std::string index = "rbtree";
    std::string pool = "zbud";
    std::string model = "zswap";
    std::string kernel = "6.1";
    std::string mm;  // the reclaim index; empty: the kernel's own
    bool driven = false;  // the recording decides, not the model
    Policy policy;
    PoolOptions pool_options;
    uint64_t sample_keep = 1, sample_of = 1;  // the share of a machine's slots that comes, keep/of
    MissingSize missing_size = MissingSize::reject;
    uint64_t seed = 0;
    std::shared_ptr<const RecordedSizes> recorded_sizes;  // what missing ones are drawn from
    std::shared_ptr<const FutureLoads> future_loads;      // what mm "belady" goes by
    uint64_t sample_events = 1000;  // a row of the timeline every so many events …
    int64_t sample_ns = 0;          // … or, when not 0, every so much trace time
    uint64_t check_every = 0;       // check() both structures every so many events; 0: only at the end
    // A state of this size is looked ahead into: below, it costs more than it saves. 0: from the first event. Radix tree over zbud,
    // random: as fast either way at 1.7 MB where the second level has 1 MiB (Zen 4), at some 5 MB where it has 2 (Sapphire Rapids).
    uint64_t look_above_bytes = 2 * second_level_cache_bytes();
    bool timing = false;            // take times of operations: no look ahead, nodes as the kernel lays them out
    bool verify = false;            // the slow obvious reference beside index, virtual pool and virtual order (plugin/verified.hpp)
    bool observe = false;           // write down the model's state after every event
};

}  // namespace zreplay
