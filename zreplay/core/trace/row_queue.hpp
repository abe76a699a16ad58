// The rows of a trace while it is not yet known which of them there are, or what they will say.
//
// A row's place is what makes a replay in recorded order exact, and it is often not known when the call begins: a store
// stands at its allocation, an invalidate at its free, and either may turn out to have done neither. So a call takes a
// place when it begins, moves to another when it acts, and the one it left is dropped:
//
//     text    store 7 │ load 3 │ alloc 900 │ load_ret │ … │ store_ret
//     rows    [store 7: dropped] [load 3: complete] [store 7: open until its return]
//              ▲ front            └ one row since the call: call_rows of store 7
//
// Rows leave from the front as soon as they are complete, so memory is bounded by the longest call in flight (and by
// `most_held`, for a call whose return never comes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "trace/chunked_queue.hpp"
#include "trace/ftrace_line.hpp"
#include "types.hpp"

namespace zreplay {

// The columns of a trace that may be null, as bits of TraceRow::present.
enum class Field : uint8_t {
    type, offset, size, result, stored, pool_pages, handle, call, alloc, referenced, asked_by, nr_to_scan, cgroup, node, page,
    made_pages, returned, count
};

struct TraceRow {
    static constexpr uint64_t none = ~uint64_t{0};

    int64_t ts_ns = 0;
    uint64_t offset = 0;
    uint64_t handle = 0;
    uint64_t page = 0;
    int64_t stored = 0;
    int64_t pool_pages = 0;
    int64_t call_ts_ns = 0;
    uint64_t call_rows = 0;
    uint64_t alloc_rows = 0;
    int64_t return_ts_ns = 0;
    uint64_t cgroup = 0;
    uint64_t nr_to_scan = 0;
    uint32_t size = 0;
    int32_t pid = 0;
    int32_t result = 0;
    uint16_t cpu = 0;
    uint16_t node = 0;
    uint32_t present = 0;
    uint8_t type = 0;
    bool referenced = false;
    bool made_pages = false;
    Op op = Op::store;
    Asker asked_by = Asker::limit;
    enum class State : uint8_t { open, complete, dropped } state = State::open;
    uint64_t moved_to = none;       // of a place that a call has left: where its row stands now
    bool is_alloc = false;          // that place was its asking the allocator, else its begin
    uint64_t call_place = none;     // of such a row: the place of the call's begin …
    uint64_t left_before_call = 0;  // … and, once that has left, how many rows of the trace were before it
    uint64_t alloc_place = none;    // likewise, where it asked the allocator
    uint64_t left_before_alloc = 0;

    bool has(Field field) const { return present >> static_cast<unsigned>(field) & 1; }
    void mark(Field field) { present |= 1u << static_cast<unsigned>(field); }
    void clear(Field field) { present &= ~(1u << static_cast<unsigned>(field)); }
};

class RowQueue {
  public:
    static constexpr uint64_t none = TraceRow::none;
    static constexpr size_t most_held = size_t{1} << 18;

    // Each gives the row's number; numbers only grow, and rows leave in their order.
    uint64_t place(Op op, const FtraceLine& line);
    uint64_t place(Op op, const FtraceLine& line, SwapEntry slot);
    // The call whose row stood at `from` has acted now: its row is here, and knows when it was called.
    uint64_t move(uint64_t from, const FtraceLine& line);
    // The call whose row this is asks the allocator now: what stands between this and its row will be counted.
    void mark_alloc(uint64_t number);

    TraceRow& operator[](uint64_t number) { return rows_[number - front_]; }
    bool holds(uint64_t number) const { return number != none && number >= front_; }
    void drop(uint64_t number) { (*this)[number].state = TraceRow::State::dropped; }
    void complete(uint64_t number) { (*this)[number].state = TraceRow::State::complete; }
    void set_slot(uint64_t number, SwapEntry slot);
    void set_result(uint64_t number, int64_t result);
    void set_handle(uint64_t number, uint64_t handle);
    void set_page(uint64_t number, uint64_t page);

    // Lets go of what is settled at the front, but for the row `held` and those behind it.
    void emit(uint64_t held);
    uint64_t next() const { return front_ + rows_.size(); }  // the number of the row that comes next
    bool empty() const { return rows_.empty(); }
    bool is_full() const { return rows_.size() > most_held; }
    uint64_t front() const { return front_; }
    bool front_is_open() const { return !rows_.empty() && rows_.front().state == TraceRow::State::open; }
    void give_up_front() { rows_.front().state = TraceRow::State::complete; }

    uint64_t take_unfit_sizes() { return std::exchange(unfit_sizes_, 0); }  // left out, as no such store can be

    size_t ready_rows() const { return ready_.size(); }
    std::vector<TraceRow> take() {
        std::vector<TraceRow> taken;
        taken.reserve(ready_.size());  // the next part is about as large
        taken.swap(ready_);
        return taken;
    }

  private:
    void clear_unfit_size(TraceRow& row);

    std::vector<TraceRow> ready_;
    ChunkedQueue<TraceRow> rows_;
    uint64_t front_ = 0;  // the number of rows_.front()
    uint64_t left_ = 0;   // rows of the trace that have become ready
    uint64_t unfit_sizes_ = 0;
};

}  // namespace zreplay
