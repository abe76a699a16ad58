// One limit of a curve that stack distances cannot give: zswap's own policy, whose order of eviction depends on the limit, or a
// pool that takes other than the compressed bytes.
//
// It decides as swap/zswap_folio.hpp does, over the very pools of pool/, and its counters are those of a whole replay to the last
// one; tests hold the two against each other. It is faster because ops (events.hpp) need no index, no costs are counted, and what no
// limit changes was left out.
#pragma once

#include <cstdint>
#include <optional>

#include "curve/events.hpp"
#include "replay/config.hpp"

namespace zreplay {

// Of the sample, where there is one.
struct AtLimit {
    uint64_t stores_rejected = 0, loads_hit = 0, loads_missed = 0, written_back_pages = 0;
    uint64_t pool_pages_peak = 0;
    double pool_pages_mean = 0;  // over events
};

// Of a configuration: pool and its options, mm ("entry-lru" or "lru"), the accept threshold. No limit: nothing is refused for it.
// Throws std::invalid_argument for a pool that it cannot have.
AtLimit at_limit(const CurveEvents& events, const ReplayConfig& config, std::optional<uint64_t> limit_pages);

}  // namespace zreplay
