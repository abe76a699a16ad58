#include "trace/rows.hpp"

#include <algorithm>
#include <limits>

namespace zreplay {

namespace {

constexpr int32_t most_errno = 4095;  // MAX_ERRNO
constexpr uint32_t refused_size_limit = 2 * page_bytes;  // zswap compresses into a buffer of two pages

bool needs_slot(Op op) { return op == Op::store || op == Op::load || op == Op::invalidate || op == Op::visit; }
bool needs_type(Op op) { return needs_slot(op) || op == Op::invalidate_area; }

// What a result may be: a count, a verdict, or 0 and errnos.
bool counts_in_result(Op op) { return op == Op::shrink || op == Op::compact; }
int32_t most_result(Op op) {
    return counts_in_result(op) ? std::numeric_limits<int32_t>::max() : op == Op::visit ? int32_t{lru_stop} : 0;
}

// Ored together, one pass per column and no branch in it, so that the compiler can vectorise.
template <class T, class Get>
auto any_bits(const Column<T>& column, int64_t rows, Get get) {
    decltype(get(T{})) bits = 0;
    if (!column.values) return bits;
    const T* values = column.values + column.offset;
    for (int64_t i = 0; i < rows; ++i) bits |= get(values[i]);
    return bits;
}

bool goes_back(const Column<int64_t>& ts_ns, int64_t rows, int64_t previous_ts_ns) {
    if (!ts_ns.values) return false;
    const int64_t* values = ts_ns.values + ts_ns.offset;
    int64_t signs = 0;
    for (int64_t i = 1; i < rows; ++i) {
        // The sign of values[i] < values[i - 1], right even where the difference overflows.
        auto now = static_cast<uint64_t>(values[i]), before = static_cast<uint64_t>(values[i - 1]), step = now - before;
        signs |= static_cast<int64_t>(step ^ ((now ^ before) & (step ^ now)));
    }
    return signs < 0 || values[0] < previous_ts_ns;
}

// Calls `visit(row)` for the null rows; eight valid ones are passed at a time.
template <class T, class Visit>
void each_null(const Column<T>& column, int64_t rows, Visit visit) {
    if (!column.values || !column.validity) return;
    for (int64_t i = 0; i < rows;) {
        int64_t bit = column.offset + i;
        if (bit % 8 == 0 && i + 8 <= rows && column.validity[bit / 8] == 0xff) {
            i += 8;
        } else {
            if (!column.has(i)) visit(i);
            ++i;
        }
    }
}

// In batches of most recordings no result is above 0; only where one is do the words of `op` matter.
bool may_be_no_result(const EventBatch& batch) {
    if (!batch.result.values || !batch.op_code.values) return false;
    uint32_t signs = any_bits(batch.result, batch.rows, [](int32_t result) {
        return static_cast<uint32_t>(-int64_t{result} >> 63) | static_cast<uint32_t>((int64_t{result} + most_errno) >> 63);
    });
    if (!signs) return false;
    const int32_t* results = batch.result.values + batch.result.offset;
    const int8_t* ops = batch.op_code.values + batch.op_code.offset;
    bool bad = false;
    for (int64_t i = 0; i < batch.rows; ++i) bad |= results[i] < -most_errno || results[i] > most_result(static_cast<Op>(ops[i]));
    return bad;
}

}  // namespace

bool may_be_bad(const EventBatch& batch, int64_t previous_ts_ns) {
    bool bad = goes_back(batch.ts_ns, batch.rows, previous_ts_ns);
    each_null(batch.ts_ns, batch.rows, [&](int64_t) { bad = true; });
    each_null(batch.op_code, batch.rows, [&](int64_t) { bad = true; });
    static_assert(swap_types == 32 && page_bytes == 4096);
    bad |= any_bits(batch.op_code, batch.rows, [](int8_t op) { return static_cast<uint8_t>(static_cast<uint8_t>(op) >= op_count); });
    bad |= any_bits(batch.type, batch.rows, [](uint8_t type) { return type; }) > 31;
    bad |= any_bits(batch.offset, batch.rows, [](uint64_t offset) { return offset; }) > SwapEntry::offset_mask;
    // From 4097 on, size + 4095 needs a 14th bit; where that wraps, size itself has one.
    bad |= any_bits(batch.size, batch.rows, [](uint32_t size) { return size | (size + 4095); }) > 8191;
    auto needed = [&](int64_t row) { bad |= batch.op_code.values && needs_type(static_cast<Op>(batch.op_code[row])); };
    each_null(batch.type, batch.rows, needed);
    each_null(batch.offset, batch.rows, needed);
    return bad || may_be_no_result(batch);
}

BadRow bad_row_at(const EventBatch& batch, int64_t i, int64_t previous_ts_ns) {
    auto number = [](auto value) { return std::to_string(value); };
    auto missing = [](const auto& column, int64_t row) { return column.values && !column.has(row); };
    if (missing(batch.ts_ns, i)) return {i, "ts_ns", "null", "a time in nanoseconds"};
    if (batch.ts_ns.values && batch.ts_ns[i] < previous_ts_ns)
        return {i, "ts_ns", number(batch.ts_ns[i]), "at least " + number(previous_ts_ns) + ", the time of the row before"};
    bool refused_store = false, counts_pages = false;
    if (missing(batch.op_code, i)) return {i, "op", "null", "one of the words of the format"};
    if (batch.op_code.values) {
        auto code = static_cast<uint8_t>(batch.op_code[i]);
        if (code >= op_count) return {i, "op", number(int{batch.op_code[i]}), "a number from 0 to " + number(op_count - 1)};
        auto op = static_cast<Op>(code);
        refused_store = op == Op::store && batch.result.get(i, 0) < 0;
        counts_pages = op == Op::cma;
        bool no_type = missing(batch.type, i);
        if ((needs_type(op) && no_type) || (needs_slot(op) && missing(batch.offset, i)))
            return {i, no_type ? "type" : "offset", "null", "a value, as op is " + std::string(op_names[code])};
        if (int32_t result = batch.result.get(i, 0); result < -most_errno || result > most_result(op)) {
            const char* expected = counts_in_result(op) ? "a count, or minus an errno, -4095 to -1"
                                   : op == Op::visit    ? "one of the kernel's enum lru_status, 0 to 5"
                                                        : "0, or minus an errno, -4095 to -1";
            return {i, "result", number(result), expected + (", as op is " + std::string(op_names[code]))};
        }
    }
    if (batch.type.has(i) && batch.type[i] >= swap_types) return {i, "type", number(batch.type[i]), "below 32"};
    if (batch.offset.has(i) && batch.offset[i] > SwapEntry::offset_mask)
        return {i, "offset", number(batch.offset[i]), "below 2^58"};
    if (batch.size.has(i) && refused_store && batch.size[i] > refused_size_limit)
        return {i, "size", number(batch.size[i]), "at most 8192 bytes, for a store that was refused"};
    if (batch.size.has(i) && !refused_store && !counts_pages && batch.size[i] > page_bytes)
        return {i, "size", number(batch.size[i]), "at most 4096 bytes, the page size"};
    return {};
}

BadRow find_bad_row(const EventBatch& batch, int64_t previous_ts_ns) {
    if (batch.rows == 0 || !may_be_bad(batch, previous_ts_ns)) return {};
    for (int64_t i = 0; i < batch.rows; ++i) {
        if (BadRow bad = bad_row_at(batch, i, previous_ts_ns); bad.row >= 0) return bad;
        if (batch.ts_ns.values) previous_ts_ns = batch.ts_ns[i];
    }
    return {};
}

// The cell of a slot, or the empty one where it belongs.
size_t SlotTable::find(SwapEntry slot) const {
    constexpr uint64_t golden_ratio = 0x9e3779b97f4a7c15;  // Fibonacci hashing: neighbours spread
    size_t at = slot.word * golden_ratio >> (64 - bits_);
    while (states_[at] != is_empty && words_[at] != slot.word) at = (at + 1) & (words_.size() - 1);
    return at;
}

size_t SlotTable::cell(SwapEntry slot) {
    size_t at = find(slot);
    if (states_[at] != is_empty) return at;
    if (seen_ >= words_.size() / 2) {
        grow();
        at = find(slot);
    }
    words_[at] = slot.word;
    states_[at] = is_seen;
    ++seen_;
    return at;
}

void SlotTable::grow() {
    std::vector<uint64_t> words(words_.size() * 2);
    std::vector<uint8_t> states(words.size());
    words.swap(words_);
    states.swap(states_);
    ++bits_;
    for (size_t i = 0; i < words.size(); ++i) {
        if (states[i] == is_empty) continue;
        SwapEntry slot;
        slot.word = words[i];
        size_t at = find(slot);
        words_[at] = words[i];
        states_[at] = states[i];
    }
}

SlotTable::State SlotTable::state(SwapEntry slot) const { return static_cast<State>(states_[find(slot)]); }

void SlotTable::clear_type(uint32_t type) {
    for (size_t i = 0; i < words_.size(); ++i) {
        if (states_[i] != is_resident || words_[i] >> SwapEntry::type_shift != type) continue;
        states_[i] = is_seen;
        --residents_;
    }
}

void Survey::add(const EventBatch& batch) {
    if (batch.rows == 0) return;
    if (rows == 0) first_ts_ns = batch.ts_ns[0];
    last_ts_ns = batch.ts_ns[batch.rows - 1];
    rows += static_cast<uint64_t>(batch.rows);
    for (int64_t i = 0; i < batch.rows; ++i) {
        Op op = static_cast<Op>(batch.op_code[i]);
        ++events[static_cast<size_t>(op)];
        bool has_slot = batch.offset.has(i) && batch.type.has(i);
        SwapEntry slot = batch.entry(i);
        bool succeeded = batch.result.get(i, 0) == 0;
        if (has_slot) slots_.see(slot);
        switch (op) {
            case Op::store:
                if (!succeeded) {
                    ++stores_rejected;
                    break;
                }
                if (!batch.size.has(i)) ++stores_without_size;
                else if (batch.size[i] == 0) ++stores_same_filled;
                else ++sizes_[batch.size[i]];
                slots_.set_resident(slot, true);
                resident_peak = std::max(resident_peak, slots_.residents());
                break;
            case Op::load: loads_missed += !succeeded; break;
            case Op::invalidate: slots_.set_resident(slot, false); break;
            case Op::invalidate_area: slots_.clear_type(slot.type()); break;
            case Op::writeback:
                writebacks_failed += !succeeded;
                if (succeeded && has_slot) slots_.set_resident(slot, false);
                break;
            case Op::compact: compactions_interrupted += batch.result.get(i, 0) == -e_inprogress; break;
            case Op::shrink: shrinks_begun += batch.result.get(i, 0) == -e_inprogress; break;
            default: break;
        }
    }
}

}  // namespace zreplay
