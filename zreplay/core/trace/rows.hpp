// A batch of trace rows as borrowed Arrow columns: what a reader must be able to rely on, and what a trace holds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_set>

#include "types.hpp"

namespace zreplay {

// One column; `values` is nullptr when the batch does not have it, `valid` (a bit per row) when nothing is null.
template <class T>
struct ColumnView {
    const T* values = nullptr;
    const uint8_t* valid = nullptr;
    int64_t first_bit = 0;

    explicit operator bool() const { return values != nullptr; }
    bool is_null(int64_t row) const {
        int64_t bit = first_bit + row;
        return valid && !(valid[bit >> 3] >> (bit & 7) & 1);
    }
    T operator[](int64_t row) const { return values[row]; }
};

struct RowsView {
    int64_t rows = 0;
    ColumnView<int64_t> ts_ns;
    ColumnView<int8_t> op;  // Op by number
    ColumnView<uint8_t> type;
    ColumnView<uint64_t> offset;
    ColumnView<uint32_t> size;
    ColumnView<int32_t> result;
};

struct BadRow {
    int64_t row = -1;  // -1: there is none
    std::string column, found, expected;
};

// The first row that cannot be, by the rules of docs/trace-format.md. `previous_ts_ns`: of the row before this batch.
BadRow find_bad_row(const RowsView& rows, int64_t previous_ts_ns);

// What `zreplay info` tells, gathered in one pass; memory is bounded by the number of distinct slots.
class Survey {
  public:
    void add(const RowsView& rows);

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
