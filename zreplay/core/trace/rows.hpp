// The rows of a trace: what a reader must be able to rely on, and what a trace holds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_set>

#include "replay/events.hpp"

namespace zreplay {

struct BadRow {
    int64_t row = -1;  // -1: there is none
    std::string column, found, expected;
};

// The first row that cannot be, by the rules of docs/trace-format.md. `previous_ts_ns`: of the row before this batch.
BadRow find_bad_row(const EventBatch& batch, int64_t previous_ts_ns);

// What `zreplay info` tells, gathered in one pass; memory is bounded by the number of distinct slots.
class Survey {
  public:
    void add(const EventBatch& batch);

    std::array<uint64_t, op_count> events{};
    uint64_t rows = 0;
    int64_t first_ts_ns = 0;
    int64_t last_ts_ns = 0;
    uint64_t stores_rejected = 0;
    uint64_t stores_same_filled = 0;
    uint64_t stores_without_size = 0;  // accepted, but nobody recorded how large
    uint64_t loads_missed = 0;
    uint64_t writebacks_failed = 0;
    uint64_t resident_peak = 0;        // slots stored and neither invalidated nor written back
    uint64_t distinct_slots() const { return seen_.size(); }
    const std::array<uint64_t, page_bytes + 1>& sizes() const { return sizes_; }  // of accepted stores, by bytes

  private:
    std::unordered_set<uint64_t> seen_, resident_;
    std::array<uint64_t, page_bytes + 1> sizes_{};
};

}  // namespace zreplay
