// Which rows of a trace `zreplay cut` keeps, and how many of those kept stand between a call and its row.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

#include "trace/rows.hpp"
#include "trace/slot_sample.hpp"

namespace zreplay {

struct CutWhat {
    int64_t from_row = 0, to_row = INT64_MAX;      // rows of the trace, the second not included
    int64_t from_ts_ns = INT64_MIN, to_ts_ns = INT64_MAX;  // likewise
    uint32_t types = UINT32_MAX;                   // one bit a type
    std::unordered_set<uint64_t> cgroups;          // empty: all
    uint64_t from_offset = 0, to_offset = UINT64_MAX;
    SlotSample sample;
};

class Cut {
  public:
    // `reach`: the most rows between a call and its row in this trace.
    Cut(CutWhat what, uint64_t reach) : what_(std::move(what)), reach_(reach) {}

    struct Kept {
        std::vector<uint8_t> keep;  // one a row of the batch
        // Of each row of the batch, recounted; what was null or cannot be told has no bit.
        std::vector<uint32_t> call_rows, alloc_rows;
        std::vector<uint8_t> has_call, has_alloc;
    };
    Kept next(const EventBatch& batch);

    bool past_end() const { return past_end_; }  // no later row can be kept

  private:
    bool in_slots(const EventBatch& batch, int64_t i, Op op);

    CutWhat what_;
    uint64_t reach_;
    SlotTable of_cgroups_;  // slots that a store of one of the cgroups filled last
    int64_t row_ = 0;
    int64_t first_row_ = -1;  // of the span: what was called before it has no place in it
    bool past_end_ = false;
    // kept_before_[k]: rows kept before row base_ + k.
    std::vector<uint64_t> kept_before_;
    int64_t base_ = 0;
    uint64_t kept_ = 0;
};

}  // namespace zreplay
