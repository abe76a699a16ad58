#include "trace/rows.hpp"

#include <algorithm>

namespace zreplay {

namespace {

constexpr uint32_t refused_size_limit = 2 * page_bytes;  // zswap compresses into a buffer of two pages

bool needs_slot(Op op) { return op == Op::store || op == Op::load || op == Op::invalidate; }

// Quick and without branches: may say yes for what lies under a null, never no for a bad row.
bool may_be_bad(const RowsView& rows, int64_t previous_ts_ns) {
    uint64_t bad = 0;
    if (const int64_t* ts = rows.ts_ns.values) {
        bad |= rows.ts_ns.valid != nullptr || ts[0] < previous_ts_ns;
        for (int64_t i = 1; i < rows.rows; ++i) bad |= ts[i] < ts[i - 1];
    }
    if (const int8_t* op = rows.op.values) {
        bad |= rows.op.valid != nullptr;
        for (int64_t i = 0; i < rows.rows; ++i) bad |= static_cast<uint8_t>(op[i]) >= op_count;
    }
    if (const uint8_t* type = rows.type.values)
        for (int64_t i = 0; i < rows.rows; ++i) bad |= type[i] >= swap_types;
    if (const uint64_t* offset = rows.offset.values) {
        uint64_t bits = 0;
        for (int64_t i = 0; i < rows.rows; ++i) bits |= offset[i];
        bad |= bits > SwapEntry::offset_mask;
    }
    if (const uint32_t* size = rows.size.values)
        for (int64_t i = 0; i < rows.rows; ++i) bad |= size[i] > page_bytes;
    if (bad || !rows.op || (!rows.type.valid && !rows.offset.valid)) return bad;
    for (int64_t i = 0; i < rows.rows; ++i)
        bad |= (rows.op[i] <= static_cast<int8_t>(Op::invalidate)) & (rows.type.is_null(i) | rows.offset.is_null(i));
    return bad;
}

}  // namespace

BadRow find_bad_row(const RowsView& rows, int64_t previous_ts_ns) {
    if (rows.rows == 0 || !may_be_bad(rows, previous_ts_ns)) return {};
    auto number = [](auto value) { return std::to_string(value); };
    int64_t ts_ns = previous_ts_ns;
    for (int64_t i = 0; i < rows.rows; ++i) {
        if (rows.ts_ns) {
            if (rows.ts_ns.is_null(i)) return {i, "ts_ns", "null", "a time in nanoseconds"};
            if (rows.ts_ns[i] < ts_ns)
                return {i, "ts_ns", number(rows.ts_ns[i]), "at least " + number(ts_ns) + ", the time of the row before"};
            ts_ns = rows.ts_ns[i];
        }
        bool slot_needed = false, refused_store = false;
        if (rows.op) {
            if (rows.op.is_null(i)) return {i, "op", "null", "one of the words of the format"};
            if (static_cast<uint8_t>(rows.op[i]) >= op_count)
                return {i, "op", number(int{rows.op[i]}), "a number from 0 to 7"};
            Op op = static_cast<Op>(rows.op[i]);
            slot_needed = needs_slot(op);
            refused_store = op == Op::store && rows.result && !rows.result.is_null(i) && rows.result[i] < 0;
            auto missing = [&](const auto& column) { return slot_needed && column && column.is_null(i); };
            std::string what = "a value, for a " + std::string(op_names[static_cast<size_t>(op)]);
            if (missing(rows.type)) return {i, "type", "null", what};
            if (missing(rows.offset)) return {i, "offset", "null", what};
        }
        if (rows.type && !rows.type.is_null(i) && rows.type[i] >= swap_types)
            return {i, "type", number(rows.type[i]), "below 32"};
        if (rows.offset && !rows.offset.is_null(i) && rows.offset[i] > SwapEntry::offset_mask)
            return {i, "offset", number(rows.offset[i]), "below 2^58"};
        if (rows.size && !rows.size.is_null(i)) {
            if (refused_store && rows.size[i] > refused_size_limit)
                return {i, "size", number(rows.size[i]), "at most 8192 bytes, for a store that was refused"};
            if (!refused_store && rows.size[i] > page_bytes)
                return {i, "size", number(rows.size[i]), "at most 4096 bytes, the page size"};
        }
    }
    return {};
}

void Survey::add(const RowsView& view) {
    if (view.rows == 0) return;
    if (rows == 0) first_ts_ns = view.ts_ns[0];
    last_ts_ns = view.ts_ns[view.rows - 1];
    rows += static_cast<uint64_t>(view.rows);
    for (int64_t i = 0; i < view.rows; ++i) {
        Op op = static_cast<Op>(view.op[i]);
        ++events[static_cast<size_t>(op)];
        bool has_slot = !view.offset.is_null(i) && !view.type.is_null(i);
        uint64_t slot = has_slot ? SwapEntry(view.type[i], view.offset[i]).word : 0;
        bool succeeded = view.result.is_null(i) || view.result[i] == 0;
        if (has_slot) seen_.insert(slot);
        switch (op) {
            case Op::store:
                if (!succeeded) {
                    ++stores_rejected;
                    break;
                }
                if (view.size.is_null(i)) ++stores_without_size;
                else if (view.size[i] == 0) ++stores_same_filled;
                else ++sizes_[std::min<uint32_t>(view.size[i], page_bytes)];
                resident_.insert(slot);
                resident_peak = std::max<uint64_t>(resident_peak, resident_.size());
                break;
            case Op::load: loads_missed += !succeeded; break;
            case Op::invalidate: resident_.erase(slot); break;
            case Op::invalidate_area:
                std::erase_if(resident_, [&](uint64_t word) { return word >> SwapEntry::type_shift == view.type[i]; });
                break;
            case Op::writeback:
                writebacks_failed += !succeeded;
                if (succeeded && has_slot) resident_.erase(slot);
                break;
            default: break;
        }
    }
}

}  // namespace zreplay
