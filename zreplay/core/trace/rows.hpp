// The rows of a trace: what a reader must be able to rely on, and what a trace holds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "events.hpp"

namespace zreplay {

struct BadRow {
    int64_t row = -1;  // -1: there is none
    std::string column, found, expected;
};

// The first row that cannot be, by the rules of docs/trace-format.md. `previous_ts_ns`: of the row before this batch.
BadRow find_bad_row(const EventBatch& batch, int64_t previous_ts_ns);

// The same of one row.
BadRow bad_row_at(const EventBatch& batch, int64_t row, int64_t previous_ts_ns);

// Whether find_bad_row has to look at the rows one by one. May say yes for what lies under a null, never no for a bad row.
bool may_be_bad(const EventBatch& batch, int64_t previous_ts_ns);

// Every slot a trace names, and whether something is stored there: open addressing, since this is all that a survey's
// speed hangs on. Slots are never taken out, so an empty cell ends a search.
class SlotTable {
  public:
    enum State : uint8_t { is_empty, is_seen, is_resident };

    State state(SwapEntry slot) const;  // is_empty: never seen
    void see(SwapEntry slot) { cell(slot); }
    void set_resident(SwapEntry slot, bool resident) {
        uint8_t& state = states_[cell(slot)];
        residents_ += (resident ? 1 : 0) - (state == is_resident ? 1 : 0);
        state = resident ? is_resident : is_seen;
    }
    void clear_type(uint32_t type);
    uint64_t seen() const { return seen_; }
    uint64_t residents() const { return residents_; }

  private:
    size_t cell(SwapEntry slot);
    size_t find(SwapEntry slot) const;
    void grow();

    static constexpr int first_bits = 12;
    int bits_ = first_bits;
    std::vector<uint64_t> words_ = std::vector<uint64_t>(size_t{1} << first_bits);
    std::vector<uint8_t> states_ = std::vector<uint8_t>(size_t{1} << first_bits);
    uint64_t seen_ = 0;
    uint64_t residents_ = 0;
};

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
    uint64_t compactions_interrupted = 0;  // each is two rows: its begin and its end
    uint64_t shrinks_begun = 0;            // of 6.12, likewise
    uint64_t resident_peak = 0;        // slots stored and neither invalidated nor written back
    uint64_t distinct_slots() const { return slots_.seen(); }
    const std::array<uint64_t, page_bytes + 1>& sizes() const { return sizes_; }  // of accepted stores, by bytes

  private:
    SlotTable slots_;
    std::array<uint64_t, page_bytes + 1> sizes_{};
};

}  // namespace zreplay
