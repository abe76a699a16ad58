// What `zreplay check` finds in the rows of a trace: rows that cannot be, and rows that are odd. Which of the two a finding
// is, and what it is called, is said in zreplay/trace/check.py; here it is counted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trace/rows.hpp"

namespace zreplay {

class Check {
  public:
    static constexpr size_t rows_kept = 5;

    // All rows of one kind of finding: how many, and the first few, counted from the first row of the trace.
    struct Finding {
        std::string name;
        uint64_t count = 0;
        std::vector<int64_t> first_rows;
        std::string example;  // of the first, where a value can be shown
    };

    // `pause_ns`: from where on a time without events is a finding.
    explicit Check(uint64_t pause_ns) : pause_ns_(pause_ns) {}

    // The next batch, its rows not checked yet. Of the rows `unread`, ascending, whose time, event or slot could not be
    // read, nothing is looked at.
    void add(const EventBatch& batch, const std::vector<int64_t>& unread);

    std::vector<Finding> findings() const;  // those that occurred

    std::array<uint64_t, op_count> events{};
    uint64_t rows = 0;
    uint64_t taken = 0;       // stores that succeeded, or nobody knows
    uint64_t taken_out = 0;   // rows that took the entry of such a store out, or may have
    uint64_t store_results = 0, seen_counts = 0;  // rows that have them, for `validate`
    uint32_t types_used = 0, types_stored = 0;    // one bit a type
    uint64_t offset_bits = 0;  // all offsets ored
    uint64_t distinct_stored() const { return slots_.seen(); }

  private:
    enum Kind : uint8_t {
        time_back, null_value, slot_range, size_over_page, not_a_result, not_an_op, negative_count, not_a_flag,
        load_never_stored, load_of_emptied, invalidate_never_stored, store_over_live, taken_without_size, pause,
        call_before_begin, call_after_row, alloc_before_call, kinds
    };
    static constexpr std::array<std::string_view, kinds> names{
        "time_back", "null_value", "slot_range", "size_over_page", "not_a_result", "not_an_op", "negative_count", "not_a_flag",
        "load_never_stored", "load_of_emptied", "invalidate_never_stored", "store_over_live", "taken_without_size", "pause",
        "call_before_begin", "call_after_row", "alloc_before_call"};

    void found(Kind kind, int64_t row) {
        Finding& finding = findings_[kind];
        if (finding.count++ < rows_kept) finding.first_rows.push_back(row);
    }
    void found(Kind kind, int64_t row, const BadRow& bad);
    void look(const EventBatch& batch, int64_t i);
    void take_out(SwapEntry slot);

    uint64_t pause_ns_;
    bool has_time_ = false;  // a row has been looked at that has one
    int64_t last_ts_ns_ = 0;
    SlotTable slots_;  // those that a store has named
    std::array<Finding, kinds> findings_{};
};

}  // namespace zreplay
