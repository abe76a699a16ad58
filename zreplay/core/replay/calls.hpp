// Calls that stand before their rows: what a replay has to be told early, to decide when the kernel decided.
//
// A store's row stands where it takes effect in the pool, but the kernel looked at its limit when the store was called, and
// other tasks may have filled the pool in between; and it looked for room when it asked the allocator, and where it found
// none it made a page of its own, though another task may have brought one meanwhile. The row says how many rows stand
// between (`call_rows`, `alloc_rows`).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <vector>

#include "events.hpp"

namespace zreplay {

class CallsAhead {
  public:
    // The next batch of the trace.
    void add(const EventBatch& batch) {
        for (int64_t first = 0; first < batch.rows; first += 16) {
            // Few rows say one of them; the others are passed by sixteen at a time.
            uint32_t rows = batch.call_rows.has_16(first, batch.rows) | batch.alloc_rows.has_16(first, batch.rows);
            if (batch.rows - first < 16) rows &= (1u << (batch.rows - first)) - 1;
            for (; rows; rows &= rows - 1) add(batch, first + std::countr_zero(rows));
        }
        rows_ += batch.rows;
    }

    // Those that stand before the row, in their order. (One that is said to stand before the trace stands at its begin.)
    std::vector<Call> take_before(int64_t row) {
        auto later = std::partition(ahead_.begin(), ahead_.end(), [&](const Call& call) { return call.at >= row; });
        std::vector<Call> taken(later, ahead_.end());
        ahead_.erase(later, ahead_.end());
        std::sort(taken.begin(), taken.end(), [](const Call& a, const Call& b) {
            return std::tie(a.at, a.ts_ns, a.row, a.what) < std::tie(b.at, b.ts_ns, b.row, b.what);
        });
        return taken;
    }

  private:
    void add(const EventBatch& batch, int64_t i) {
        if (batch.op(i) != Op::store) return;
        const int64_t row = rows_ + i, ts_ns = batch.call_ts_ns.get(i, 0);
        if (int64_t between = batch.call_rows.get(i, 0)) ahead_.push_back({row - between, row, ts_ns, Call::store, {}, 0});
        const bool taken = batch.result.get(i, 0) == 0 && batch.size.get(i, 0) > 0;
        // Where it is known whether the allocation made pages of its own, nothing has to be looked at before.
        if (int64_t between = batch.alloc_rows.get(i, 0); between && taken && !batch.made_pages.has(i))
            ahead_.push_back({row - between, row, ts_ns, Call::alloc, batch.entry(i), batch.size[i]});
    }

    std::vector<Call> ahead_;
    int64_t rows_ = 0;
};

}  // namespace zreplay
