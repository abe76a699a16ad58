// What two traces are compared by: how often each thing happens in each way, counted in one pass. Memory is bounded by the
// distinct slots.
//
// Numbers are counted in bins: each number below 32 has its own, above there are 16 to the octave, so that a bin is at most
// 1/16 wide.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "events.hpp"
#include "trace/age_list.hpp"

namespace zreplay {

class Binned {
  public:
    static constexpr uint32_t bin_of(uint64_t number) {
        if (number < 32) return static_cast<uint32_t>(number);
        const auto octave = static_cast<uint32_t>(std::bit_width(number)) - 5;
        return 16 * octave + static_cast<uint32_t>(number >> octave);
    }
    // The least number of a bin.
    static constexpr uint64_t least_of(uint32_t bin) {
        if (bin < 32) return bin;
        const uint32_t octave = bin / 16 - 1;
        return uint64_t{16 + bin % 16} << octave;
    }
    static constexpr size_t bins = 16 * (64 - 5) + 32;

    void add(uint64_t number) { ++counts_[bin_of(number)]; }
    const std::vector<uint64_t>& counts() const { return counts_; }

  private:
    std::vector<uint64_t> counts_ = std::vector<uint64_t>(bins);
};

class Portrait {
  public:
    static constexpr uint32_t size_bins = 65, age_bins = 64, curve_points = 1000;

    explicit Portrait(uint64_t rows) : expected_rows_(rows ? rows : 1) {}
    void add(const EventBatch& batch);
    void end();  // after the last batch

    std::array<uint64_t, 2 * op_count> ops{};  // of each op: those that succeeded, those that did not
    std::vector<uint64_t> sizes = std::vector<uint64_t>(page_bytes + 1);  // of stores taken, by bytes
    Binned ages;         // rows from a store that was taken to the row that takes its entry out
    std::vector<uint64_t> sizes_ages = std::vector<uint64_t>(size_bins * age_bins);  // of 64 bytes; of powers of two
    Binned reuses;       // other slots that were stored or loaded since a loaded slot last was
    Binned store_runs;   // stores in a row, each of the slot behind the last one's
    Binned free_runs;    // invalidates in a row
    Binned store_steps, free_steps;  // slots between one store, or invalidate, and the next, of one area
    std::vector<uint64_t> resident;  // taken and not yet taken out, at each of curve_points equal parts' ends

  private:
    struct Life {
        uint64_t row = 0, size = 0, touched = AgeList::nowhere;
        bool taken = false;
    };

    void take_out(Life& life);
    void touch(SwapEntry slot, Life& life, bool is_load);
    static void add_step(Binned& steps, uint64_t last, SwapEntry slot);

    uint64_t expected_rows_, row_ = 0, taken_ = 0;
    std::unordered_map<uint64_t, Life> lives_;
    AgeList touched_;
    uint64_t store_run_ = 0, free_run_ = 0;
    uint64_t last_stored_ = AgeList::nowhere, last_freed_ = AgeList::nowhere;
};

}  // namespace zreplay
