// When zswap 6.1 is full, and when it accepts again: the exact arithmetic, truncating at every division.
#pragma once

#include <cstdint>
#include <optional>

namespace zreplay {

struct Limits {
    std::optional<uint64_t> totalram_pages;  // unknown: the pool has no limit
    uint64_t max_pool_percent = 20;
    uint64_t accept_threshold_percent = 90;

    // Strict, so a pool at the limit still takes one more page (or zspage).
    bool full(uint64_t pages) const { return totalram_pages && *totalram_pages * max_pool_percent / 100 < pages; }

    bool can_accept(uint64_t pages) const {
        return !totalram_pages || *totalram_pages * accept_threshold_percent / 100 * max_pool_percent / 100 > pages;
    }
};

}  // namespace zreplay
