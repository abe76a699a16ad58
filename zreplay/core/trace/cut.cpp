#include "trace/cut.hpp"

#include "trace/sample.hpp"

namespace zreplay {

bool Cut::in_slots(const EventBatch& batch, int64_t i, Op op) {
    const bool has_type = batch.type.has(i);
    if (has_type && !(what_.types >> batch.type[i] & 1)) return false;
    const bool has_slot = has_type && batch.offset.has(i);
    if (!what_.cgroups.empty()) {
        const bool named = batch.cgroup.has(i) && what_.cgroups.contains(batch.cgroup[i]);
        if (!has_slot) return named || !batch.cgroup.has(i);
        // Only a store says whose page it is; what happens to its slot later is found by the slot.
        const SwapEntry slot = batch.entry(i);
        if (op == Op::store) {
            if (!named && of_cgroups_.state(slot) == SlotTable::is_empty) return false;
            if (batch.result.get(i, 0) == 0) of_cgroups_.set_resident(slot, named);
            if (!named) return false;
        } else if (of_cgroups_.state(slot) != SlotTable::is_resident) {
            return false;
        }
    }
    if (!has_slot) return true;
    const SwapEntry slot = batch.entry(i);
    if (slot.offset() < what_.from_offset || slot.offset() >= what_.to_offset) return false;
    return what_.sample_of == 1 || sample_hash(slot) % what_.sample_of < what_.sample_keep;
}

Cut::Kept Cut::next(const EventBatch& batch) {
    const auto rows = static_cast<size_t>(batch.rows);
    Kept out{std::vector<uint8_t>(rows), std::vector<uint32_t>(rows), std::vector<uint32_t>(rows), std::vector<uint8_t>(rows),
             std::vector<uint8_t>(rows)};
    if (kept_before_.size() > 2 * reach_ + (1u << 16)) {
        const size_t gone = kept_before_.size() - reach_;
        kept_before_.erase(kept_before_.begin(), kept_before_.begin() + static_cast<int64_t>(gone));
        base_ += static_cast<int64_t>(gone);
    }
    auto recount = [&](const Column<uint32_t>& column, int64_t i, std::vector<uint32_t>& counts, std::vector<uint8_t>& has) {
        if (!column.has(i)) return;
        const int64_t begin = row_ - int64_t{column[i]};
        if (begin < first_row_ || begin < base_) return;
        const auto at = static_cast<size_t>(i);
        const uint64_t before = begin == row_ ? kept_ : kept_before_[static_cast<size_t>(begin - base_)];
        counts[at] = static_cast<uint32_t>(kept_ - before);
        has[at] = 1;
    };
    for (int64_t i = 0; i < batch.rows; ++i, ++row_) {
        kept_before_.push_back(kept_);
        const bool in_span = row_ >= what_.from_row && row_ < what_.to_row && batch.ts_ns[i] >= what_.from_ts_ns &&
                             batch.ts_ns[i] < what_.to_ts_ns;
        if (in_span && first_row_ < 0) first_row_ = row_;
        if (row_ >= what_.to_row || batch.ts_ns[i] >= what_.to_ts_ns) past_end_ = true;
        // Asked of rows before the span as well: a cgroup's slots have to be known when it begins.
        const bool in = in_slots(batch, i, static_cast<Op>(batch.op_code[i]));
        if (!in || !in_span) continue;
        recount(batch.call_rows, i, out.call_rows, out.has_call);
        recount(batch.alloc_rows, i, out.alloc_rows, out.has_alloc);
        out.keep[static_cast<size_t>(i)] = 1;
        ++kept_;
    }
    return out;
}

}  // namespace zreplay
