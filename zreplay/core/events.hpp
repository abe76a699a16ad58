// A batch of events as the trace's columns, and one event of it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "prefetch.hpp"
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
    bool codes_are_ops = false;  // op_of_code changes nothing
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
struct alignas(64) Rows {
    static constexpr uint32_t most = 16;

    std::array<SwapEntry, most> entries;  // of one without a slot: some entry
    std::array<int32_t, most> sizes;      // of a store
    std::array<Op, most> ops;
    int64_t first = 0;
    uint32_t count = 0;
    uint32_t loads = 0;   // bit i: row i is one
    uint32_t stores = 0;  // with a size above 0
    std::array<uint32_t, most> store_sizes;

    void decode(const EventBatch& batch, int64_t first_row) {
        first = first_row;
        count = static_cast<uint32_t>(std::min<int64_t>(most, batch.rows - first));
        if (count == most) [[likely]] decode_columns(batch, most);
        else decode_columns(batch, count);
    }

    // Of a row whose operation has a slot.
    Event event(uint32_t i, const EventBatch& batch) const {
        Event event{ops[i]};
        event.size = sizes[i];
        event.entry = entries[i];
        event.row = first + i;
        event.batch = &batch;
        return event;
    }

  private:
    static constexpr std::array<uint8_t, most> zeros{};
    static constexpr std::array<uint64_t, most> zeros64{};

    // Inlined with a count that is known, a column is a few vectors.
    [[gnu::always_inline]] void decode_columns(const EventBatch& batch, uint32_t rows) {
        const int8_t* codes = batch.op_code.values + batch.op_code.offset + first;
        if (batch.codes_are_ops) std::memcpy(ops.data(), codes, rows);
        else
            for (uint32_t i = 0; i < rows; ++i) ops[i] = batch.op_of_code[static_cast<size_t>(codes[i])];
        const uint8_t* types = batch.type.values ? batch.type.values + batch.type.offset + first : zeros.data();
        const uint64_t* offsets = batch.offset.values ? batch.offset.values + batch.offset.offset + first : zeros64.data();
        std::array<SwapEntry, most> slots;  // what is written may be what is read, for all that the compiler knows
        for (uint32_t i = 0; i < rows; ++i)
            slots[i].word = uint64_t{types[i] & (swap_types - 1)} << SwapEntry::type_shift | (offsets[i] & SwapEntry::offset_mask);
        for (uint32_t i = 0; i < rows; ++i) entries[i] = slots[i];
        decode_sizes(batch, rows);
        const uint32_t in_use = (1u << rows) - 1;
        loads = rows_of(Op::load) & in_use;
        stores = 0;
        for (uint32_t left = rows_of(Op::store) & in_use; left; left &= left - 1) {
            const int32_t size = sizes[static_cast<size_t>(std::countr_zero(left))];
            store_sizes[stores] = static_cast<uint32_t>(size);
            stores += size > 0;
        }
    }

    [[gnu::always_inline]] void decode_sizes(const EventBatch& batch, uint32_t rows) {
        sizes.fill(Event::missing_size);
        const uint32_t known = batch.size.has_16(first, batch.rows);
        if (!known) return;
        static_assert(Event::missing_size == -1 && most == 16);
        constexpr std::array<uint32_t, most> bits{1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                                                  1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
        const uint32_t* bytes = batch.size.values + batch.size.offset + first;
        std::array<int32_t, most> found;
        for (uint32_t i = 0; i < rows; ++i) {
            const int32_t too_large = static_cast<int32_t>(bytes[i]) >> 31, missing = known & bits[i] ? 0 : -1;
            found[i] = ((static_cast<int32_t>(bytes[i]) | too_large) & std::numeric_limits<int32_t>::max()) | missing;
        }
        for (uint32_t i = 0; i < rows; ++i) sizes[i] = found[i];
    }

    // Bit i: row i is of the operation.
    uint32_t rows_of(Op op) const {
        constexpr uint64_t each = ~uint64_t{0} / 255;  // 1 in every byte
        uint32_t found = 0;
        for (uint32_t half = 0; half < 2; ++half) {
            uint64_t eight;
            std::memcpy(&eight, ops.data() + 8 * half, 8);
            eight = (eight ^ each * static_cast<uint64_t>(op)) & each * 127;  // 0 where it is
            const uint64_t is = ((eight + each * 127) >> 7 & each) ^ each;    // 1 where it is
            found |= static_cast<uint32_t>(is * 0x0102040810204080 >> 56) << 8 * half;  // the lowest bits, side by side
        }
        return found;
    }
};

// A batch and its rows in groups: decoded once, by whoever reads the trace, for all that replay it.
class DecodedBatch {
  public:
    explicit DecodedBatch(const EventBatch& columns)
        : batch(columns),
          groups(static_cast<uint64_t>((columns.rows + Rows::most - 1) / Rows::most)),
          rows_(std::make_unique_for_overwrite<Rows[]>(groups)) {
        for (uint64_t i = 0; i < groups; ++i) rows_[i].decode(batch, static_cast<int64_t>(i) * Rows::most);
    }

    const EventBatch batch;
    const uint64_t groups;
    const Rows& group(uint64_t number) const { return rows_[number]; }
    // Another processor's cache may have it, that of the thread that reads the trace. Behind the last: nothing.
    void fetch(uint64_t number) const {
        for (size_t i = 0; number < groups && i < sizeof(Rows); i += 64)
            prefetch(reinterpret_cast<const char*>(&rows_[number]) + i);
    }

  private:
    std::unique_ptr<Rows[]> rows_;
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
