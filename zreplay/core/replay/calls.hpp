// Calls that stand before their rows: what a replay has to be told early, to decide when the kernel decided.
//
// A store's row stands at its allocation, but the kernel looked at its limit when the store was called, and other tasks may
// have filled the pool in between. The row says how many rows stand between (`call_rows`).
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <vector>

#include "events.hpp"

namespace zreplay {

class CallsAhead {
  public:
    struct Call {
        int64_t at, ts_ns, row;
        friend bool operator<(const Call& a, const Call& b) {
            return std::tie(a.at, a.ts_ns, a.row) < std::tie(b.at, b.ts_ns, b.row);
        }
    };

    // The next batch of the trace.
    void add(const EventBatch& batch) {
        for (int64_t i = 0; i < batch.rows && batch.call_rows.values; ++i)
            if (batch.op(i) == Op::store && batch.call_rows.get(i, 0) > 0)
                ahead_.push_back({rows_ + i - batch.call_rows[i], batch.call_ts_ns.get(i, 0), rows_ + i});
        rows_ += batch.rows;
    }

    // Those that stand before the row, in their order. (One that is said to stand before the trace stands at its begin.)
    std::vector<Call> take_before(int64_t row) {
        auto later = std::partition(ahead_.begin(), ahead_.end(), [&](const Call& call) { return call.at >= row; });
        std::vector<Call> taken(later, ahead_.end());
        ahead_.erase(later, ahead_.end());
        std::sort(taken.begin(), taken.end());
        return taken;
    }

  private:
    std::vector<Call> ahead_;
    int64_t rows_ = 0;
};

}  // namespace zreplay
