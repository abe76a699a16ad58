#include "trace/check.hpp"

#include <limits>

namespace zreplay {

void Check::found(Kind kind, int64_t row, const BadRow& bad) {
    if (findings_[kind].count == 0)
        findings_[kind].example = "column " + bad.column + ": found " + bad.found + ", expected " + bad.expected;
    found(kind, row);
}

std::vector<Check::Finding> Check::findings() const {
    std::vector<Finding> out;
    for (size_t kind = 0; kind < kinds; ++kind) {
        if (findings_[kind].count == 0) continue;
        out.push_back(findings_[kind]);
        out.back().name = names[kind];
    }
    return out;
}

void Check::add(const EventBatch& batch, const std::vector<int64_t>& unread) {
    if (batch.rows == 0) return;
    auto next_unread = unread.begin();
    const int64_t before = has_time_ ? last_ts_ns_ : std::numeric_limits<int64_t>::min();
    const bool one_by_one = may_be_bad(batch, before);
    for (int64_t i = 0; i < batch.rows; ++i) {
        if (next_unread != unread.end() && *next_unread == i) {
            ++next_unread;
            continue;
        }
        const int64_t row = static_cast<int64_t>(rows) + i;
        const int64_t ts_ns = batch.ts_ns.get(i, last_ts_ns_);
        if (!has_time_ && batch.ts_ns.has(i)) {
            has_time_ = true;
            last_ts_ns_ = ts_ns;
        }
        if (ts_ns > last_ts_ns_ && static_cast<uint64_t>(ts_ns) - static_cast<uint64_t>(last_ts_ns_) > pause_ns_) found(pause, row);
        if (one_by_one) {
            BadRow bad = bad_row_at(batch, i, last_ts_ns_);
            if (bad.row >= 0 && bad.column == "ts_ns" && bad.found != "null") {
                found(time_back, row, bad);
                bad = bad_row_at(batch, i, ts_ns);  // what else is wrong with it
            }
            if (bad.row >= 0) {
                Kind kind = bad.found == "null"       ? null_value
                            : bad.column == "op"      ? not_an_op
                            : bad.column == "size"    ? size_over_page
                            : bad.column == "result"  ? not_a_result
                                                      : slot_range;
                found(kind, row, bad);
                // A bad result is still a row of its slot, an op or slot that cannot be is not.
                if (kind != size_over_page && kind != not_a_result) {
                    last_ts_ns_ = ts_ns;
                    continue;
                }
            }
        }
        last_ts_ns_ = ts_ns;
        look(batch, i);
    }
    rows += static_cast<uint64_t>(batch.rows);
}

void Check::take_out(SwapEntry slot) {
    if (slots_.state(slot) != SlotTable::is_resident) return;
    slots_.set_resident(slot, false);
    ++taken_out;
}

void Check::look(const EventBatch& batch, int64_t i) {
    const int64_t row = static_cast<int64_t>(rows) + i;
    const Op op = static_cast<Op>(batch.op_code[i]);
    ++events[static_cast<size_t>(op)];
    const bool has_type = batch.type.has(i), has_slot = has_type && batch.offset.has(i);
    const SwapEntry slot = has_slot ? batch.entry(i) : SwapEntry{};
    const bool has_result = batch.result.has(i);
    const bool succeeded = batch.result.get(i, 0) == 0;
    if (has_type) types_used |= 1u << batch.type[i];
    if (has_slot) offset_bits |= slot.offset();
    for (const Column<int64_t>* count : {&batch.seen_stored, &batch.seen_pool_pages}) {
        if (!count->has(i)) continue;
        ++seen_counts;
        if ((*count)[i] < 0) found(negative_count, row, {row, "seen", std::to_string((*count)[i]), "a count, at least 0"});
    }
    if (batch.made_pages.get(i, 0) > 1) found(not_a_flag, row, {row, "made_pages", std::to_string(batch.made_pages[i]), "0 or 1"});
    if (batch.call_rows.has(i)) {
        if (batch.call_rows[i] > row) found(call_before_begin, row);
        if (batch.alloc_rows.has(i) && batch.alloc_rows[i] > batch.call_rows[i]) found(alloc_before_call, row);
    }
    if (batch.call_ts_ns.has(i) && batch.call_ts_ns[i] > batch.ts_ns[i]) found(call_after_row, row);
    switch (op) {
        case Op::store:
            store_results += has_result;
            if (!succeeded) break;
            ++taken;
            types_stored |= 1u << slot.type();
            if (!batch.size.has(i)) found(taken_without_size, row);
            if (slots_.state(slot) == SlotTable::is_resident) found(store_over_live, row);
            slots_.set_resident(slot, true);
            break;
        case Op::load: {
            // A miss says itself that nothing is there; without a result nobody knows.
            if (has_result && !succeeded) break;
            auto state = slots_.state(slot);
            if (state == SlotTable::is_empty) found(load_never_stored, row);
            else if (state == SlotTable::is_seen && has_result) found(load_of_emptied, row);
            // Since 6.9 one that took its entry stands at a free, and so has a call before it.
            if (batch.call_rows.has(i) || batch.call_ts_ns.has(i)) take_out(slot);
            break;
        }
        case Op::invalidate:
            if (slots_.state(slot) == SlotTable::is_empty) found(invalidate_never_stored, row);
            else take_out(slot);
            break;
        case Op::invalidate_area:
            ++taken_out;
            slots_.clear_type(batch.type[i]);
            break;
        case Op::writeback:
            if (succeeded && has_slot) take_out(slot);
            break;
        default: break;
    }
}

}  // namespace zreplay
