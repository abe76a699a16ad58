// When each page will be loaded next: what no kernel knows and a trace does. Learnt in a pass of its own before the replay.
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "events.hpp"

namespace zreplay {

class FutureLoads {
  public:
    static constexpr uint64_t never = std::numeric_limits<uint32_t>::max();

    // Rows to come, if known: memory is taken once.
    void reserve(uint64_t rows) { next_.reserve(rows); }

    // Batches in the trace's order. Throws std::length_error beyond 2^32 - 2 rows.
    void learn(const EventBatch& batch) {
        if (rows_ + static_cast<uint64_t>(batch.rows) >= never) throw std::length_error("future loads of more than 2^32 - 2 rows");
        for (int64_t row = 0; row < batch.rows; ++row, ++rows_) {
            const Op op = batch.op(row);
            if (op == Op::invalidate_area) {
                const uint32_t type = batch.entry(row).type();
                std::erase_if(waiting_, [&](const auto& item) { return SwapEntry::from_word(item.first).type() == type; });
            }
            next_.push_back(static_cast<uint32_t>(never));
            if (op > Op::invalidate) continue;
            const uint64_t key = batch.entry(row).word;
            auto [place, is_new] = waiting_.try_emplace(key, rows_);
            if (op == Op::load && !is_new) next_[place->second] = static_cast<uint32_t>(rows_);
            if (op == Op::invalidate) waiting_.erase(place);
            else place->second = rows_;
        }
    }
    void close() { waiting_ = {}; }

    // The row in which the page stored or loaded in this row is loaded next, before its slot is stored again or freed.
    uint64_t next_load(uint64_t row) const { return row < next_.size() ? next_[row] : never; }

  private:
    uint64_t rows_ = 0;
    std::vector<uint32_t> next_;
    std::unordered_map<uint64_t, uint64_t> waiting_;  // slot → the row it was last stored or loaded in
};

}  // namespace zreplay
