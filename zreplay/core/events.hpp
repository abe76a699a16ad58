// A batch of events as the trace's columns, and one event of it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "types.hpp"

namespace zreplay {

// One nullable column, borrowed. No validity bits: no nulls. No values: every row is null.
template <class T>
struct Column {
    const T* values = nullptr;
    const uint8_t* validity = nullptr;
    int64_t offset = 0;  // of row 0, in values and in validity bits

    bool has(int64_t row) const {
        if (!values) return false;
        if (!validity) return true;
        int64_t bit = offset + row;
        return validity[bit >> 3] >> (bit & 7) & 1;
    }
    T operator[](int64_t row) const { return values[offset + row]; }
    T get(int64_t row, T otherwise) const { return has(row) ? (*this)[row] : otherwise; }
};

struct Event {
    static constexpr int32_t missing_size = -1;

    Op op;
    SwapEntry entry;
    bool has_slot = true;  // else the entry is at most a type
    int32_t size = missing_size;    // dlen; 0: same-filled
    std::optional<int32_t> result;  // the recorded kernel's
    int64_t row = 0;                // of its batch
    uint64_t group = 0;             // cgroup and node, where the trace knows them: whose LRU
    Asker asked_by = Asker::limit;  // of a visit
    uint64_t page = 0, left_page = 0;  // where the recorded kernel put the object; a migration's from and to
    bool returns_later = false;     // it is known when its call returns
    // A store's admission, where the model has decided it at the call, before this row.
    std::optional<int> admitted;
};

// What a store did before its row: it was called, or it asked the allocator. `at` is the row before which that was, `row`
// its own; both count from the first row of the trace.
struct Call {
    enum What : uint8_t { store, alloc };
    int64_t at, row, ts_ns;
    What what;
    SwapEntry entry;      // of an alloc
    uint32_t size_bytes;  // likewise
};

struct EventBatch {
    int64_t rows = 0;
    Column<int64_t> ts_ns;
    Column<int8_t> op_code;
    std::array<Op, 128> op_of_code{};
    Column<uint8_t> type;
    Column<uint64_t> offset;
    Column<uint32_t> size;
    Column<int32_t> result;
    Column<uint16_t> cpu;
    Column<int32_t> pid;
    Column<int64_t> seen_pool_pages, seen_stored;
    Column<int64_t> call_ts_ns, return_ts_ns;
    Column<uint32_t> call_rows, alloc_rows;
    Column<uint8_t> made_pages;
    Column<uint64_t> seen_page, seen_handle;
    Column<int8_t> asked_by;  // in the order of Asker
    Column<uint64_t> cgroup;
    Column<uint16_t> node;

    Op op(int64_t row) const { return op_of_code[static_cast<size_t>(op_code[row])]; }
    // Of a row whose operation has no slot: anything.
    SwapEntry entry(int64_t row) const { return {type.values ? type[row] : 0u, offset.values ? offset[row] : 0}; }

    [[gnu::always_inline]] Event event(int64_t row) const {
        Event event{op(row), entry(row)};
        event.row = row;
        if (event.op == Op::load || event.op == Op::invalidate) return event;
        if (event.op != Op::store) {  // what lies under a null is anything
            event.has_slot = type.has(row) && offset.has(row);
            event.entry = {type.get(row, 0), offset.get(row, 0)};
        }
        if (size.has(row)) event.size = static_cast<int32_t>(std::min<uint32_t>(size[row], std::numeric_limits<int32_t>::max()));
        if (result.has(row)) event.result = result[row];
        if (seen_page.values && seen_page.has(row)) {
            event.page = seen_page[row];
            event.left_page = seen_handle.get(row, 0);
        }
        if (cgroup.values || node.values) event.group = cgroup.get(row, 0) << 16 | node.get(row, 0);
        event.asked_by = static_cast<Asker>(asked_by.get(row, 0));
        return event;
    }
};

}  // namespace zreplay
