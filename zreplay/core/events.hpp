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
    // Of 16 rows from `row` on, which have a value: bit i for row + i. Rows behind the column's end say anything.
    uint32_t has_16(int64_t row, int64_t rows) const {
        if (!values) return 0;
        if (!validity) return 0xffff;
        const int64_t bit = offset + row, last = offset + rows - 1;
        uint32_t bits = validity[bit >> 3];
        for (int64_t next = 1; next < 3 && (bit >> 3) + next <= last >> 3; ++next) bits |= uint32_t{validity[(bit >> 3) + next]} << 8 * next;
        return bits >> (bit & 7) & 0xffff;
    }
    T operator[](int64_t row) const { return values[offset + row]; }
    T get(int64_t row, T otherwise) const { return has(row) ? (*this)[row] : otherwise; }
};

struct EventBatch;

// What every event has is here; what few are asked for is read from the batch's columns when they are.
struct Event {
    static constexpr int32_t missing_size = -1;

    Op op;
    bool returns_later = false;   // it is known when its call returns
    int32_t size = missing_size;  // dlen; 0: same-filled
    SwapEntry entry;
    int64_t row = 0;              // of its batch
    const EventBatch* batch = nullptr;
    // A store's admission, where the model has decided it at the call, before this row.
    std::optional<int> admitted;

    bool has_slot() const;                // else the entry is at most a type
    std::optional<int32_t> result() const;  // the recorded kernel's
    uint64_t group() const;               // cgroup and node, where the trace knows them: whose LRU
    Asker asked_by() const;               // of a visit
    uint64_t page() const;                // where the recorded kernel put the object, or a migration's page; 0: unknown
    uint64_t left_page() const;           // where a migrated page was
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

    Event event(int64_t row) const {
        Event event{op(row)};
        event.row = row;
        event.batch = this;
        // What lies under a null is anything, but those three have a slot.
        event.entry = event.op <= Op::invalidate ? entry(row) : SwapEntry(type.get(row, 0), offset.get(row, 0));
        if (event.op != Op::load && event.op != Op::invalidate && size.has(row))
            event.size = static_cast<int32_t>(std::min<uint32_t>(size[row], std::numeric_limits<int32_t>::max()));
        return event;
    }
};

// A group of rows, decoded column by column: what every event of a slot is asked for.
struct Rows {
    static constexpr uint32_t most = 16;

    int64_t first = 0;
    uint32_t count = 0;
    std::array<Op, most> ops;
    std::array<SwapEntry, most> entries;  // of one without a slot: some entry
    std::array<int32_t, most> sizes;      // of a store

    void decode(const EventBatch& batch, int64_t first_row) {
        first = first_row;
        count = static_cast<uint32_t>(std::min<int64_t>(most, batch.rows - first));
        if (count == most) [[likely]] decode_columns(batch, most);
        else decode_columns(batch, count);
    }

  private:
    // Inlined with a count that is known, a column is a few vectors.
    [[gnu::always_inline]] void decode_columns(const EventBatch& batch, uint32_t rows) {
        const int8_t* codes = batch.op_code.values + batch.op_code.offset + first;
        for (uint32_t i = 0; i < rows; ++i) ops[i] = batch.op_of_code[static_cast<size_t>(codes[i])];
        std::array<uint64_t, most> types{}, offsets{};
        if (batch.type.values)
            for (uint32_t i = 0; i < rows; ++i) types[i] = batch.type[first + i];
        if (batch.offset.values)
            for (uint32_t i = 0; i < rows; ++i) offsets[i] = batch.offset[first + i];
        for (uint32_t i = 0; i < rows; ++i)
            entries[i].word = (types[i] & (swap_types - 1)) << SwapEntry::type_shift | (offsets[i] & SwapEntry::offset_mask);
        const uint32_t known = batch.size.has_16(first, batch.rows);
        sizes.fill(Event::missing_size);
        if (!known) return;
        for (uint32_t i = 0; i < rows; ++i) {
            const auto bytes = static_cast<int32_t>(std::min<uint32_t>(batch.size[first + i], std::numeric_limits<int32_t>::max()));
            sizes[i] = known >> i & 1 ? bytes : Event::missing_size;
        }
    }

  public:
    // Of a row whose operation has a slot.
    Event event(uint32_t i, const EventBatch& batch) const {
        Event event{ops[i]};
        event.size = sizes[i];
        event.entry = entries[i];
        event.row = first + i;
        event.batch = &batch;
        return event;
    }
};

inline bool Event::has_slot() const { return op <= Op::invalidate || (batch->type.has(row) && batch->offset.has(row)); }
inline std::optional<int32_t> Event::result() const {
    if (op == Op::load || op == Op::invalidate || !batch->result.has(row)) return {};
    return batch->result[row];
}
inline uint64_t Event::group() const { return batch->cgroup.get(row, 0) << 16 | batch->node.get(row, 0); }
inline Asker Event::asked_by() const { return static_cast<Asker>(batch->asked_by.get(row, 0)); }
inline uint64_t Event::page() const { return batch->seen_page.get(row, 0); }
inline uint64_t Event::left_page() const { return batch->seen_handle.get(row, 0); }

}  // namespace zreplay
