// From the text of an ftrace recording to the rows of a trace: pairs calls with their returns and puts each event
// where it took effect.
//
// A row's place is what makes a replay in recorded order exact, and it is often not known when the call begins: a store
// stands at its allocation, an invalidate at its free, and either may turn out to have done neither. So a call takes a
// place when it begins, takes another when it acts, and the one it does not need is dropped:
//
//     text    store 7 │ load 3 │ alloc 900 │ load_ret │ … │ store_ret
//     rows_   [store 7: dropped] [load 3: complete] [store 7: open until its return]
//              ▲ first_row_                                                      ▲ new rows
//
// Rows leave from the front as soon as they are complete, so memory is bounded by the longest call in flight (and by
// `most_rows_held`, for a call whose return never comes).
//
// Invariants: a row is open exactly while a Call names it; per task the calls form a stack, as in the kernel (a store
// inside a writeback inside a shrink); a handle in objects_ is live in the pool; slots_ holds what the index holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "trace/ftrace_line.hpp"
#include "types.hpp"

namespace zreplay {

// The columns of a trace that may be null, as bits of TraceRow::present.
enum class Field : uint8_t { type, offset, size, result, stored, pool_pages, handle, count };

struct TraceRow {
    int64_t ts_ns = 0;
    uint64_t offset = 0;
    uint64_t handle = 0;
    int64_t stored = 0;
    int64_t pool_pages = 0;
    uint32_t size = 0;
    int32_t pid = 0;
    int32_t result = 0;
    uint16_t cpu = 0;
    uint8_t type = 0;
    uint8_t present = 0;
    Op op = Op::store;
    enum class State : uint8_t { open, complete, dropped } state = State::open;

    bool has(Field field) const { return present >> static_cast<unsigned>(field) & 1; }
    void mark(Field field) { present |= static_cast<uint8_t>(1u << static_cast<unsigned>(field)); }
    void clear(Field field) { present &= static_cast<uint8_t>(~(1u << static_cast<unsigned>(field))); }
};

struct ImportCounts {
    uint64_t lines = 0;
    uint64_t lost_events = 0;
    uint64_t unreadable_lines = 0;
    uint64_t backward_times = 0;
    uint64_t unpaired_lines = 0;  // a return without its call, a free of an object never seen
    uint64_t open_calls = 0;      // calls whose return was never seen: result null
    uint64_t other_events = 0;    // events of other probes
};

class FtraceImporter {
  public:
    static constexpr size_t most_rows_held = size_t{1} << 18;
    static constexpr size_t most_messages = 5;
    static constexpr size_t most_line_bytes = 4096;

    // `header_bytes`: what zswap asks of the allocator beyond the compressed length (8 where the allocator evicts).
    explicit FtraceImporter(uint32_t header_bytes) : header_bytes_(header_bytes) {}

    void feed(std::string_view text);  // any cut of the text, even inside a line
    void finish();                     // the text is over: what is open stays without a result

    size_t ready_rows() const { return ready_.size(); }
    std::vector<TraceRow> take() { return std::exchange(ready_, {}); }
    const ImportCounts& counts() const { return counts_; }
    const std::vector<std::string>& messages() const { return messages_; }  // of the first unreadable lines

  private:
    static constexpr uint64_t none = ~uint64_t{0};
    static constexpr uint64_t same_filled = 0;  // in slots_, in place of a handle
    static constexpr size_t least_sweep = 1 << 15;

    // A call under way. zram's calls are probed at their entry only: they end with the task's next event.
    struct Call {
        Op op;
        bool ends_unseen = false;  // zram
        bool allocated = false;    // a store: an allocation was asked for …
        bool answered = false;     // … and answered, with …
        int32_t error = 0;         // … 0 or minus an errno
        bool freed = false;        // an invalidate or writeback: its free has been seen
        bool pending = false;      // has changed the state; its effect on the counters may still be to come
        SwapEntry slot{};
        bool slot_known = false;
        uint64_t handle = 0;
        uint64_t slot_before = none;  // zram write: what slots_ held
        uint64_t row = none;
    };
    struct Task {
        std::vector<Call> calls;
        uint64_t line = 0;  // of its last event
        uint16_t cpu = 0;
    };
    // A pool object. An invalidate takes the entry from the index; the object goes when the last reference does.
    struct Object {
        enum class State : uint8_t { stored, invalidating, invalidated, written_back, area_invalidated };
        SwapEntry slot;
        State state = State::stored;
        int32_t pid = 0;  // of the invalidate or writeback that waits for the free
        uint16_t cpu = 0;
    };

    void read_line(std::string_view text);
    void keep_tail(std::string_view text);
    void unreadable(const std::string& message);
    void dispatch(const FtraceLine& line);
    void begin(const FtraceLine& line, Task& task);
    void begin_zram(const FtraceLine& line, Task& task);
    void end(const FtraceLine& line, Task& task);
    void begin_stays_if_interrupted(uint64_t begin);
    void end_invalidate(const FtraceLine& line, Call& call);
    void end_writeback(const FtraceLine& line, Call& call);
    void on_alloc(const FtraceLine& line, Task& task);
    void on_alloc_return(const FtraceLine& line, Task& task);
    void on_map(const FtraceLine& line, Task& task);
    void on_free(const FtraceLine& line, Task& task);
    Call* open_invalidate(const Object& object);
    void on_area(const FtraceLine& line);
    void on_lost(uint16_t cpu, uint64_t lost);
    void abandon(Call& call);
    void end_unseen(Task& task);
    void abandon_all(Task& task);
    void leave_in_stack(Task& task, size_t keep);

    uint64_t place(Op op, const FtraceLine& line);
    uint64_t place(Op op, const FtraceLine& line, SwapEntry slot);
    TraceRow* row(uint64_t number);
    void drop(uint64_t number);
    void complete(uint64_t number);
    void set_result(uint64_t number, uint64_t value);
    void set_handle(uint64_t number, uint64_t handle);
    void changed(Call* call, uint64_t number);
    void read_counters(const FtraceLine& line, uint64_t own_row, bool refreshed);
    void read_pages_before(const FtraceLine& line);
    void remember(uint64_t handle, SwapEntry slot);
    void forget(uint64_t handle);
    void emit();
    void settle_front();

    uint32_t header_bytes_;
    std::string tail_;
    std::vector<TraceRow> ready_;
    std::deque<TraceRow> rows_;
    uint64_t first_row_ = 0;
    uint64_t last_change_ = none;    // the last row that changed what is stored
    uint64_t changes_pending_ = 0;   // calls with `pending` set
    uint64_t compactions_open_ = 0;
    uint64_t compaction_begin_ = none;  // the row of the last one's begin
    bool counted_in_compaction_ = false;  // the kernel's last count of the pool's pages fell into a compaction
    bool pages_before_ = false;      // this recording reads the pool's pages before each call (zram)
    int64_t last_ts_ns_ = INT64_MIN;
    uint64_t last_lost_line_ = 0;    // of any CPU
    std::unordered_map<int32_t, Task> tasks_;         // by PID
    size_t sweep_tasks_at_ = 2 * least_sweep;         // so that a long recording's dead tasks do not pile up
    std::unordered_map<uint64_t, Object> objects_;    // handle → object
    std::unordered_map<uint64_t, uint64_t> slots_;    // swap entry → handle, or same_filled
    ImportCounts counts_;
    std::vector<std::string> messages_;
};

}  // namespace zreplay
