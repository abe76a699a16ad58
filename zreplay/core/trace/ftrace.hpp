// From the text of an ftrace recording to the rows of a trace: pairs calls with their returns and puts each event
// where it took effect.
//
// Every call has a row from its begin on, which moves as the call acts (row_queue.hpp). What a line means depends on the
// kernel that printed it; a Family says which way, and is data (zreplay/trace/families/).
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
#include <unordered_set>
#include <utility>
#include <vector>

#include "trace/ftrace_line.hpp"
#include "trace/pool_races.hpp"
#include "trace/row_queue.hpp"
#include "types.hpp"

namespace zreplay {

// How the kernels of some releases speak: what the importer cannot tell from a line by itself.
struct Family {
    bool packed_slots = false;        // a slot comes as one word, swap=, not as type= and offset=
    bool taken_is_one = false;        // a store or load answers with a boolean: 1 taken or found, 0 not; else with an errno
    bool load_is_errno = false;       // but a load of the latest does
    bool loads_take = false;          // a load that finds an entry takes it out
    bool same_filled_in_pool = false; // a store that succeeds without an allocation kept a page of one repeated word
    bool allocs_unanswered = false;   // this recorder has no probe at an allocation's return
    bool answers_errno = false;       // the text itself shows that its stores and loads answer with an errno after all
};

// zswap's limits by the parameters of the recorded machine, where they are known: why a store was refused that answers with
// a boolean and asked for no memory. 0: not known.
struct RecordedLimits {
    uint64_t max_pages = 0;
    uint64_t accept_pages = 0;
};

struct ImportCounts {
    uint64_t lines = 0;
    uint64_t lost_events = 0;
    uint64_t unreadable_lines = 0;
    uint64_t backward_times = 0;
    uint64_t unpaired_lines = 0;  // a return without its call, a free of an object never seen
    uint64_t open_calls = 0;      // calls whose return was never seen: result null
    uint64_t first_open_line = 0; // where the first of them began
    uint64_t other_events = 0;    // events of other probes
    uint64_t count_times = 0;     // events whose time is a count, not seconds
    uint64_t without_cpu = 0;     // events whose line does not say the CPU
    uint64_t limit_refusals = 0;  // stores refused, as told from the limits …
    uint64_t compress_refusals = 0;   // … and those that must have been the compressor's
    uint64_t unexpected_stores = 0;   // stores taken though the pool was full
    // Allocations and frees that began while another task was at work in the pool, and what told which came first: a probe
    // behind the allocator's lock, or the pool's own count. What is left stands in the likelier order: an allocation at
    // its return, a free at its begin.
    uint64_t pool_overlaps = 0, overlaps_by_lock = 0, overlaps_by_count = 0;
    // Of calls for several pages: pages that are known to be of one by its number of pages only, and of which it is not
    // known that they are the ones that needed no memory.
    uint64_t unsure_pages = 0;
    uint64_t spoiled_lines = 0;     // allocations and frees inside a call whose begin could not be read
    uint64_t empty_discards = 0;    // pages of a discard that held nothing
    uint64_t kept_overwritten = 0;  // zram: objects whose page was written again, and whose free was not seen
};

class FtraceImporter {
  public:
    static constexpr size_t most_messages = 5;
    static constexpr size_t most_line_bytes = 4096;

    // `header_bytes`: what zswap asks of the allocator beyond the compressed length (8 where the allocator evicts).
    FtraceImporter(Family family, uint32_t header_bytes, RecordedLimits limits, PagesMade pages_made, Functions functions)
        : family_(family), limits_(limits), header_bytes_(header_bytes), pages_made_(std::move(pages_made)),
          functions_(std::move(functions)) {}

    void feed(std::string_view text);  // any cut of the text, even inside a line
    void finish();                     // the text is over: what is open stays without a result

    size_t ready_rows() const { return rows_.ready_rows(); }
    std::vector<TraceRow> take() { return rows_.take(); }
    const ImportCounts& counts() const { return counts_; }
    const std::vector<std::string>& messages() const { return messages_; }  // of the first lines that are of no use
    // Not empty: the text is of two kernels, or of another than its family; nothing after it was read.
    const std::string& contradiction() const { return contradiction_; }

  private:
    static constexpr uint64_t none = RowQueue::none;
    static constexpr uint64_t same_filled = 0;  // in slots_, in place of a handle
    static constexpr size_t least_sweep = 1 << 15;
    static constexpr uint64_t most_folio_pages = 512;  // a folio that is swapped is at most a huge page
    static constexpr uint64_t largest_page_bytes = 1 << 16;  // of any kernel

    // A call under way. zram's calls are probed at their entry only: they end with the task's next event.
    struct Call {
        Op op;
        bool ends_unseen = false;  // zram
        bool allocated = false;    // a store: an allocation was asked for …
        bool placed = false;       // … has been granted: the row stands there …
        bool answered = false;     // … and answered, with …
        int32_t error = 0;         // … 0 or minus an errno
        bool freed = false;        // an invalidate, load or writeback: its free has been seen
        bool own_freed = false;    // a store: what it was given has been given back
        bool pending = false;      // has changed the state; its effect on the counters may still be to come
        SwapEntry slot{};
        bool slot_known = false;
        uint64_t handle = 0;
        uint64_t slot_before = none;  // zram write: what slots_ held
        uint64_t row = none;
        int64_t asked_ns = 0;   // a store: when it asked the allocator, and for …
        uint64_t asked_bytes = 0;
        uint64_t line = 0;        // of the text, where it begins
        bool was_stored = false;  // of a writeback, when it began
        Asker asked_by = Asker::limit;  // a shrink
        bool in_two_rows = false;       // … whose begin and end are rows
        int32_t visits = 0;             // … entries it has looked at, or pages written
        uint64_t check = none;  // a store of a kernel that answers with a boolean
        // One call for several pages, of a folio or a bio, has a row for each: these, and `row` of the page at work.
        std::vector<uint64_t> other_rows;
        uint64_t pages_left = 0;   // zram's write: pages of the bio behind the one at work
        bool slot_seen = false;    // … and that one is done: its old content has been freed
        bool slots_told = false;   // … as was told of its pages so far
        uint64_t allocations = 0;  // … and what they were given
        bool discards = false;     // zram: a discard
        bool spoiled = false;      // its begin could not be read: it has no row, and what is inside it says nothing
        bool mapped = false;       // a store: its object has been used
        bool gives_handle = false; // the allocator asked is zs_malloc itself
        uint64_t asked_line = 0;   // of the text
    };
    struct Task {
        std::vector<Call> calls;
        uint64_t line = 0;  // of its last event
        uint16_t cpu = 0;
        bool in_pool = false;  // allocates or frees, and has not been seen to be done with it …
        bool overlaps = false;  // … and so did another
    };
    // A pool object. An invalidate takes the entry from the index; the object goes when the last reference does.
    struct Object {
        enum class State : uint8_t { stored, invalidating, invalidated, written_back, area_invalidated };
        SwapEntry slot;
        State state = State::stored;
        uint32_t pages = 0;  // that go if it is the last of its zspage
        int32_t pid = 0;     // of the invalidate or writeback that waits for the free
        uint16_t cpu = 0;
    };

    void read_line(std::string_view text);
    void keep_tail(std::string_view text);
    void unreadable(const std::string& message) { unreadable_at(counts_.lines, message); }
    void unreadable_at(uint64_t line, const std::string& message);
    void unreadable_alloc(FtraceLine line);
    void begin_spoiled(const FtraceLine& line);
    void dispatch(const FtraceLine& line);
    void begin(const FtraceLine& line, Task& task);
    bool contradicts(const FtraceLine& line);
    void unpaired(const std::string& message);
    Asker asker(const Task& task);
    void set_return(uint64_t row, const FtraceLine& line);
    void set_asker(uint64_t row, Asker asker);
    void begin_zram(const FtraceLine& line, Task& task);
    void end(const FtraceLine& line, Task& task);
    void end_store(const FtraceLine& line, Call& call);
    void end_invalidate(const FtraceLine& line, Call& call);
    void end_load(const FtraceLine& line, Call& call);
    void end_writeback(const FtraceLine& line, Call& call);
    bool is_boolean(Probe probe) const;
    void finish_pages(const FtraceLine& line, Call& call, bool taken);
    bool next_page(const FtraceLine& line, Call& call);
    uint64_t* row_of(Call& call, SwapEntry slot);
    void refuse_object(uint64_t row);
    void check_size(Call& call, bool refused);
    void refuse_page_size();
    void on_alloc(const FtraceLine& line, Task& task);
    void on_alloc_return(const FtraceLine& line, Task& task);
    void on_map(const FtraceLine& line, Task& task);
    void on_load_map(const FtraceLine& line, Call& call);
    bool refuses_folio(const Call& call) const {
        return !call.allocated || call.own_freed || (call.answered && call.error != 0);
    }
    void on_free(const FtraceLine& line, Task& task);
    void on_locked(const FtraceLine& line, Task& task);
    void take_effect(const FtraceLine& line, Call& call);
    void enter_pool(const FtraceLine& line, Task& task);
    void leave_pools(const FtraceLine& line, const Task& task);
    Call* open_invalidate(const Object& object);
    void on_area(const FtraceLine& line);
    void on_lost(uint16_t cpu, uint64_t lost);
    void abandon(Call& call);
    void end_unseen(Task& task);
    bool device_of(const FtraceLine& line, uint32_t& device);
    bool bio_pages(const FtraceLine& line, uint64_t& pages);
    bool page_done(const Call& call) const {
        if (call.own_freed) return false;  // refused: there is no next one
        if (call.answered) return call.allocated && call.error == 0;
        if (!call.allocated) return call.slot_seen && call.pages_left && !frees_first_;
        // Without a return, its use tells that it was granted; or that there is no probe at returns, and the next is asked for.
        return (call.mapped || family_.allocs_unanswered) && (!call.ends_unseen || call.pages_left);
    }
    void write_page(const FtraceLine& line, Call& call, SwapEntry slot);
    void end_page(Call& call);
    void write_up_to(const FtraceLine& line, Call& call, SwapEntry slot);
    void discard(const FtraceLine& line, Call& call);
    void drop_slot(SwapEntry page);
    void on_slot(const FtraceLine& line, Task& task);
    uint64_t write_back_zram(const FtraceLine& line, Call& run, SwapEntry slot);
    void abandon_all(Task& task);
    void leave_in_stack(Task& task, size_t keep);

    void changed(Call* call, uint64_t number);
    void read_counters(const FtraceLine& line, uint64_t own_row, bool refreshed);
    void read_pages_before(const FtraceLine& line);
    void remember(uint64_t handle, SwapEntry slot, uint32_t pages);
    void forget(uint64_t handle);
    uint64_t begin_check();
    void end_check(uint64_t number, bool taken, uint64_t refused_row);
    void settle_checks(uint64_t pages);
    void finish_refusal(uint64_t row, bool by_limit);
    void emit();
    void settle_front();

    const Family family_;
    const RecordedLimits limits_;
    const uint32_t header_bytes_;
    const PagesMade pages_made_;
    const Functions functions_;
    PoolRaces races_;
    std::string contradiction_;
    std::string tail_;
    RowQueue rows_;
    uint64_t last_change_ = none;    // the last row that changed what is stored
    uint64_t changes_pending_ = 0;   // calls with `pending` set
    uint64_t compactions_open_ = 0;
    uint64_t compaction_begin_ = none;  // the row of the last one's begin
    bool counted_in_compaction_ = false;  // the kernel's last count of the pool's pages fell into a compaction
    std::vector<int32_t> in_pool_;   // tasks at work in the pool
    std::unordered_map<uint64_t, uint64_t> zspages_;     // handle → zspage, where a probe behind the lock tells …
    std::unordered_map<uint64_t, uint32_t> objects_in_;  // … and how many objects are in it
    bool has_locks_ = false;         // this recording has probes behind the allocator's lock
    uint32_t freed_pages_ = 0;       // of the object that is being freed
    bool pages_before_ = false;      // this recording reads the pool's pages before each call (zram, 6.12)
    // A store looks at the limits when it is called; how many pages the pool then had is in the next reading before a call.
    struct Check {
        bool settled = false;  // it is known whether …
        bool full = false;     // … the pool was full, or had been and not yet fallen below the threshold
        bool ended = false;    // the store has returned
        uint64_t row = RowQueue::none;  // of one that was refused, waiting to be told why
    };
    std::deque<Check> checks_;
    uint64_t first_check_ = 0, next_check_ = 0;  // the front's number; the first one that is not settled
    bool reached_full_ = false;
    int64_t last_ts_ns_ = INT64_MIN;
    bool times_are_counts_ = false;  // of the first event
    uint64_t last_lost_line_ = 0;    // of any CPU
    std::unordered_map<int32_t, Task> tasks_;         // by PID
    size_t sweep_tasks_at_ = 2 * least_sweep;         // so that a long recording's dead tasks do not pile up
    std::unordered_map<uint64_t, Object> objects_;    // handle → object
    std::unordered_map<uint64_t, uint64_t> slots_;    // swap entry → handle, or same_filled
    std::unordered_set<uint64_t> on_device_;          // zram: slots written back
    std::map<uint64_t, uint32_t> devices_;            // zram: dev= → type
    // zram: a write frees what its page held before it asks for memory (since 6.14), not after; as seen at the last page
    // of which it can be told.
    bool frees_first_ = false;
    bool frees_seen_ = false, devices_told_ = false;
    uint64_t overwritten_ = 0;        // zram: pages written again while an object held them
    uint64_t first_kept_line_ = 0;    // where the first of counts_.kept_overwritten was
    // Allocations that were not refused, as far as it is known; those larger than a page; the largest one's size.
    uint64_t granted_ = 0, oversized_ = 0, largest_bytes_ = 0;
    uint64_t first_oversized_line_ = 0;
    ImportCounts counts_;
    std::vector<std::string> messages_;
};

}  // namespace zreplay
