// Which slots a sample has: those whose hash says so, for `zreplay cut --sample` and `zreplay run --sample` alike.
//
// A sample keeps slots, not rows: all that happens to a slot stays or goes together, or the sample would load what it never
// stored. Rows of no slot (a shrink, a compaction, a migration) stay.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "trace/rows.hpp"

namespace zreplay {

// splitmix64's last steps: every bit of the slot has a say in every bit of the hash, so that a sample is of no pattern.
// Written into docs/trace-format.md: a sample of the same trace is the same everywhere.
inline uint64_t slot_hash(SwapEntry slot) {
    uint64_t x = slot.word + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// Slots whose hash, divided by `within`, is modulo `of` one of the `keep` numbers from `first` on. `within` is the `of` of the
// sample that the trace is already: what chose its slots has no say in which of them stay.
struct SlotSample {
    uint64_t keep = 1, of = 1, within = 1, first = 0;

    bool has(SwapEntry slot) const { return slot_hash(slot) / within % of - first < keep; }
};

// A sample's rows, batch by batch, and how far back calls stand when only these are counted.
class SampledRows {
  public:
    // `reach`: the most rows between a call and its row in this trace.
    // `counts`: slots, stores and loads are.
    SampledRows(SlotSample sample, uint64_t reach, bool counts)
        : sample_(sample), reach_(static_cast<int64_t>(reach)), counts_(counts) {}

    // The rows of the next batch that stay, ascending.
    const std::vector<uint32_t>& next(const EventBatch& batch) {
        first_row_ += batch_rows_;
        batch_rows_ = batch.rows;
        if (std::has_single_bit(sample_.of) && std::has_single_bit(sample_.within)) {
            const int shift = std::countr_zero(sample_.within);
            choose(batch, [shift, mask = sample_.of - 1, first = sample_.first, keep = sample_.keep](SwapEntry slot) {
                return (slot_hash(slot) >> shift & mask) - first < keep;
            });
        } else {
            choose(batch, [sample = sample_](SwapEntry slot) { return sample.has(slot); });
        }
        if (reach_) remember();
        if (counts_) count(batch);
        return kept_;
    }

    // Of the number `i` of the rows that stayed: how many of those that did stand among the `rows` before it. Empty where
    // these begin before the trace does.
    std::optional<uint32_t> kept_among(size_t i, uint32_t rows) const {
        const int64_t begin = first_row_ + kept_[i] - int64_t{rows};
        if (begin < 0) return {};
        const auto here = history_.end() - static_cast<int64_t>(kept_.size() - i);
        return static_cast<uint32_t>(here - std::lower_bound(history_.begin(), here, begin));
    }

    uint64_t stores() const { return stores_; }  // of all rows that have come, whether or not they stayed
    uint64_t loads() const { return loads_; }
    uint64_t slots() const { return slots_.seen(); }  // that stayed

  private:
    // Counted in bytes, of which a vector has many.
    static uint64_t equal(const int8_t* codes, int64_t rows, int8_t code) {
        uint64_t all = 0;
        for (int64_t i = 0; i < rows;) {
            uint8_t some = 0;
            for (const int64_t end = std::min<int64_t>(i + 240, rows); i < end; ++i) some = static_cast<uint8_t>(some + (codes[i] == code));
            all += some;
        }
        return all;
    }

    void count(const EventBatch& batch) {
        const int8_t* codes = batch.op_code.values + batch.op_code.offset;
        for (size_t code = 0; code < op_count; ++code) {
            const Op op = batch.op_of_code[code];
            if (op == Op::store || op == Op::load) (op == Op::store ? stores_ : loads_) += equal(codes, batch.rows, static_cast<int8_t>(code));
        }
        for (uint32_t row : kept_)
            if (batch.type.has(row) && batch.offset.has(row)) slots_.see(batch.entry(row));
    }

    template <class Has>
    void choose(const EventBatch& batch, Has&& has) {
        kept_.resize(static_cast<size_t>(batch.rows));
        uint32_t* out = kept_.data();
        for (int64_t first = 0; first < batch.rows; first += Rows::most) {
            const auto rows = static_cast<uint32_t>(std::min<int64_t>(Rows::most, batch.rows - first));
            // What lies under a null is hashed in vain. Nothing is branched by but what is nearly always the same.
            uint32_t stays = ~(batch.type.has_16(first, batch.rows) & batch.offset.has_16(first, batch.rows));
            if (batch.type.values && batch.offset.values) {
                const uint8_t* types = batch.type.values + batch.type.offset + first;
                const uint64_t* offsets = batch.offset.values + batch.offset.offset + first;
                for (uint32_t i = 0; i < rows; ++i) stays |= uint32_t{has(SwapEntry(types[i], offsets[i]))} << i;
            }
            stays &= (1u << rows) - 1;
            for (; stays; stays &= stays - 1) *out++ = static_cast<uint32_t>(first) + static_cast<uint32_t>(std::countr_zero(stays));
        }
        kept_.resize(static_cast<size_t>(out - kept_.data()));
    }

    void remember() {
        const auto far = std::lower_bound(history_.begin(), history_.end(), first_row_ - reach_);
        if (far - history_.begin() > 1 << 16) history_.erase(history_.begin(), far);
        for (uint32_t row : kept_) history_.push_back(first_row_ + row);
    }

    SlotSample sample_;
    int64_t reach_;
    bool counts_;
    int64_t first_row_ = 0, batch_rows_ = 0;  // of the batch, counted from the trace's begin
    std::vector<uint32_t> kept_;
    uint64_t stores_ = 0, loads_ = 0;
    SlotTable slots_;
    std::vector<int64_t> history_;  // rows of the trace that stayed, as far back as a call may stand, and this batch's
};

}  // namespace zreplay
