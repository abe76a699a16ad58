#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

namespace {

std::string with_commas(uint64_t number) {
    std::string digits = std::to_string(number);
    for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

int32_t signed32(uint64_t value) { return static_cast<int32_t>(static_cast<int64_t>(value)); }

// Whether a call of kind `inner` can happen inside one of kind `outer`. Where it cannot, the outer one's return was
// missed (a kretprobe has a fixed number of instances). A writeback allocates a page, so it may reclaim, so anything.
bool can_call(Op outer, Op inner) {
    switch (outer) {
        case Op::writeback: return inner != Op::writeback && inner != Op::shrink;
        case Op::shrink: return inner == Op::writeback;
        case Op::store: return inner != Op::store && inner != Op::load && inner != Op::invalidate;  // 3.12 evicts here
        default: return false;
    }
}

}  // namespace

// ---- text to lines ----

void FtraceImporter::feed(std::string_view text) {
    while (!text.empty()) {
        size_t newline = text.find('\n');
        if (newline == text.npos) return keep_tail(text);
        if (tail_.empty()) {
            read_line(text.substr(0, newline));
        } else {
            keep_tail(text.substr(0, newline));
            read_line(tail_);
            tail_.clear();
        }
        text.remove_prefix(newline + 1);
    }
}

// One byte more than a line may have is kept, so that a line too long is seen to be.
void FtraceImporter::keep_tail(std::string_view text) { tail_ += text.substr(0, most_line_bytes + 1 - tail_.size()); }

void FtraceImporter::finish() {
    if (!tail_.empty()) read_line(std::exchange(tail_, {}));
    for (auto& [pid, task] : tasks_) leave_in_stack(task, 0);
    pages_before_ = false;
    emit();
}

void FtraceImporter::unreadable(const std::string& message) {
    ++counts_.unreadable_lines;
    if (messages_.size() < most_messages) messages_.push_back("line " + with_commas(counts_.lines) + ": " + message);
}

void FtraceImporter::read_line(std::string_view text) {
    ++counts_.lines;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || text.front() == '#') return;
    if (text.size() > most_line_bytes)
        return unreadable("expected at most " + std::to_string(most_line_bytes) + " bytes, found a longer line");
    uint16_t cpu = 0;
    uint64_t lost = 0;
    if (parse_lost_line(text, cpu, lost)) return on_lost(cpu, lost);
    FtraceLine line;
    if (std::string error = parse_ftrace_line(text, line); !error.empty()) return unreadable(error);
    if (line.probe == Probe::other) {
        ++counts_.other_events;
        return;
    }
    if (line.ts_ns < last_ts_ns_) {
        ++counts_.backward_times;
        line.ts_ns = last_ts_ns_;
    }
    last_ts_ns_ = line.ts_ns;
    dispatch(line);
    emit();
}

// ---- lines to calls ----

void FtraceImporter::dispatch(const FtraceLine& line) {
    if (tasks_.size() >= sweep_tasks_at_) {
        std::erase_if(tasks_, [](const auto& item) { return item.second.calls.empty(); });
        sweep_tasks_at_ = 2 * std::max(tasks_.size(), least_sweep);
    }
    Task& task = tasks_[line.pid];
    // The task has moved, and lines were lost meanwhile: its calls may have returned on the way, unseen.
    if (task.cpu != line.cpu && task.line < last_lost_line_) abandon_all(task);
    task.line = counts_.lines;
    task.cpu = line.cpu;
    bool has_return = line.probe <= Probe::alloc && line.probe != Probe::invalidate_area;
    if (line.is_return && !has_return) return;  // says nothing more
    switch (line.probe) {
        case Probe::alloc: return line.is_return ? on_alloc_return(line, task) : on_alloc(line, task);
        case Probe::map: return on_map(line, task);
        case Probe::free: return on_free(line, task);
        case Probe::invalidate_area: return on_area(line);
        case Probe::rw:
        case Probe::bio:
        case Probe::slotfree: return begin_zram(line, task);
        default: return line.is_return ? end(line, task) : begin(line, task);
    }
}

void FtraceImporter::begin(const FtraceLine& line, Task& task) {
    Call call{static_cast<Op>(line.probe)};
    while (!task.calls.empty() && !can_call(task.calls.back().op, call.op)) leave_in_stack(task, task.calls.size() - 1);
    if (line.has(Key::type) && line.has(Key::offset)) {
        call.slot = SwapEntry(static_cast<uint32_t>(line[Key::type]), line[Key::offset]);
        call.slot_known = true;
    }
    switch (call.op) {
        case Op::invalidate:
            if (auto slot = slots_.find(call.slot.word); slot != slots_.end() && slot->second != same_filled) {
                Object& object = objects_[slot->second];
                object.state = Object::State::invalidating;
                object.pid = line.pid;
                object.cpu = line.cpu;
            }
            [[fallthrough]];
        case Op::store:
        case Op::load: call.row = place(call.op, line, call.slot); break;
        case Op::writeback:
            call.handle = line[Key::handle];
            if (auto object = objects_.find(call.handle); object != objects_.end()) {
                call.slot = object->second.slot;
                call.slot_known = true;
            }
            break;
        case Op::shrink: call.row = place(call.op, line); break;
        case Op::compact:
            read_pages_before(line);
            ++compactions_open_;
            call.row = compaction_begin_ = place(call.op, line);
            break;
        case Op::migrate: call.handle = line[Key::page]; break;
        case Op::invalidate_area:
        case Op::cma: break;
    }
    task.calls.push_back(call);
}

void FtraceImporter::end(const FtraceLine& line, Task& task) {
    Op op = static_cast<Op>(line.probe);
    auto found = std::find_if(task.calls.rbegin(), task.calls.rend(), [op](const Call& call) { return call.op == op; });
    if (found == task.calls.rend() || found->ends_unseen) {
        ++counts_.unpaired_lines;
        return;
    }
    leave_in_stack(task, static_cast<size_t>(task.calls.rend() - found));
    Call call = task.calls.back();
    task.calls.pop_back();
    if (call.pending) --changes_pending_;
    int32_t result = line.has(Key::ret) ? signed32(line[Key::ret]) : 0;
    bool refreshed = false;
    switch (op) {
        case Op::store:
            if (result == 0 && !call.allocated) {  // same-filled: nothing to allocate
                drop(call.row);
                call.row = place(op, line, call.slot);
                row(call.row)->mark(Field::size);
                slots_[call.slot.word] = same_filled;
                changed(nullptr, call.row);
            }
            set_result(call.row, line[Key::ret]);
            refreshed = result == 0;
            break;
        case Op::invalidate: return end_invalidate(line, call);
        case Op::writeback: return end_writeback(line, call);
        case Op::load:
        case Op::shrink: set_result(call.row, line[Key::ret]); break;
        case Op::compact: {
            --compactions_open_;
            begin_stays_if_interrupted(call.row);
            call.row = place(op, line);
            // do_shrink_slab's SHRINK_STOP is all ones.
            int64_t freed = static_cast<int64_t>(line[Key::freed]);
            set_result(call.row, static_cast<uint64_t>(std::max<int64_t>(freed, 0)));
            changed(nullptr, call.row);
            break;
        }
        case Op::migrate:
            call.row = place(op, line);
            set_handle(call.row, call.handle);
            set_result(call.row, line[Key::ret]);
            break;
        case Op::invalidate_area:
        case Op::cma: break;
    }
    read_counters(line, call.row, refreshed);
    complete(call.row);
}

// A compaction lets others in after each zspage. Then its begin is a row as well, so that a replay can tell.
void FtraceImporter::begin_stays_if_interrupted(uint64_t begin) {
    if (last_change_ == none || last_change_ < begin) return drop(begin);
    set_result(begin, static_cast<uint64_t>(int64_t{-e_inprogress}));
    complete(begin);
}

void FtraceImporter::end_invalidate(const FtraceLine& line, Call& call) {
    bool refreshed = call.freed;
    if (!call.freed) {
        if (auto slot = slots_.find(call.slot.word); slot != slots_.end()) {
            uint64_t handle = slot->second;
            slots_.erase(slot);
            drop(call.row);
            if (handle != same_filled) {  // somebody still holds the entry; the row comes with the free
                objects_[handle].state = Object::State::invalidated;
                return;
            }
            call.row = place(call.op, line, call.slot);
            changed(nullptr, call.row);
            refreshed = true;
        }
    }
    read_counters(line, call.row, refreshed);
    complete(call.row);
}

void FtraceImporter::end_writeback(const FtraceLine& line, Call& call) {
    bool succeeded = line[Key::ret] == 0;
    if (!call.freed) {
        auto object = objects_.find(call.handle);
        bool gone = object == objects_.end() || object->second.slot != call.slot ||
                    object->second.state != Object::State::stored;
        if (succeeded && !gone) {  // a load still holds the entry; the row comes with the free
            object->second.state = Object::State::written_back;
            object->second.pid = line.pid;
            object->second.cpu = line.cpu;
            return;
        }
        // An entry invalidated meanwhile counts as success, but it is not this call that takes it out of the index.
        if (call.slot_known && !(succeeded && gone)) call.row = place(call.op, line, call.slot);
        else call.row = place(call.op, line);
        set_handle(call.row, call.handle);
    }
    set_result(call.row, line[Key::ret]);
    read_counters(line, call.row, succeeded && call.freed);
    complete(call.row);
}

// Ends what a task is seen to have left without a return, down to `keep` calls.
void FtraceImporter::leave_in_stack(Task& task, size_t keep) {
    while (task.calls.size() > keep) {
        if (task.calls.back().ends_unseen) {
            end_unseen(task);
        } else {
            abandon(task.calls.back());
            task.calls.pop_back();
        }
    }
}

// Lines are missing, so nothing can be concluded from what was not seen.
void FtraceImporter::abandon_all(Task& task) {
    while (!task.calls.empty()) {
        abandon(task.calls.back());
        task.calls.pop_back();
    }
}

void FtraceImporter::abandon(Call& call) {
    ++counts_.open_calls;
    if (call.pending) --changes_pending_;
    if (call.op == Op::compact) --compactions_open_;
    if (call.op == Op::invalidate ? !call.freed : call.op == Op::store && call.ends_unseen && !call.answered) {
        if (auto slot = slots_.find(call.slot.word); slot != slots_.end()) {
            if (slot->second != same_filled) objects_.erase(slot->second);
            slots_.erase(slot);
        }
    }
    if (call.row != none) complete(call.row);  // writeback, compact, migrate: without a return there is nothing to say
}

void FtraceImporter::on_lost(uint16_t cpu, uint64_t lost) {
    counts_.lost_events += lost;
    last_lost_line_ = counts_.lines;
    for (auto& [pid, task] : tasks_)
        if (task.cpu == cpu) abandon_all(task);
    emit();
}

// ---- the pool, inside those calls ----

void FtraceImporter::on_alloc(const FtraceLine& line, Task& task) {
    read_pages_before(line);
    if (task.calls.empty() || task.calls.back().op != Op::store) {
        ++counts_.unpaired_lines;
        return;
    }
    Call& call = task.calls.back();
    drop(call.row);  // also a first try's: zram asks twice, the second time with more patience
    call.row = place(Op::store, line, call.slot);
    uint64_t asked = line[Key::size];
    TraceRow& store = *row(call.row);
    store.size = static_cast<uint32_t>(std::min<uint64_t>(asked - std::min<uint64_t>(asked, header_bytes_), UINT32_MAX));
    store.mark(Field::size);
    call.allocated = true;
    call.answered = false;
}

void FtraceImporter::on_alloc_return(const FtraceLine& line, Task& task) {
    if (task.calls.empty() || !task.calls.back().allocated || task.calls.back().answered) {
        ++counts_.unpaired_lines;
        return;
    }
    Call& call = task.calls.back();
    call.answered = true;
    if (line.has(Key::ret)) {
        call.error = signed32(line[Key::ret]);
    } else {
        // zs_malloc: a handle, or (up to 6.0: 0) an errno as a pointer.
        auto handle = static_cast<int64_t>(line[Key::handle]);
        call.error = handle == 0 ? -e_nomem : handle < 0 && handle >= -4095 ? static_cast<int32_t>(handle) : 0;
        if (call.error == 0) {
            set_handle(call.row, line[Key::handle]);
            remember(line[Key::handle], call.slot);
        }
    }
    if (call.error == 0) changed(&call, call.row);
    if (!call.ends_unseen) return;
    set_result(call.row, static_cast<uint64_t>(int64_t{call.error}));
    if (call.error != 0 && call.slot_before != none) slots_[call.slot.word] = call.slot_before;
}

// The first use of a handle, right after the allocation, tells which one was given.
void FtraceImporter::on_map(const FtraceLine& line, Task& task) {
    if (task.calls.empty()) return;
    Call& call = task.calls.back();
    if (call.row == none || row(call.row)->has(Field::handle)) return;
    if (call.op == Op::load) {
        set_handle(call.row, line[Key::handle]);
    } else if (call.op == Op::store && call.answered && call.error == 0) {
        set_handle(call.row, line[Key::handle]);
        remember(line[Key::handle], call.slot);
    }
}

// Whose free is it? The call's that is under way; or that of an earlier one, which could not free the object because
// somebody else held the entry. 6.1: an entry goes with its last reference, whoever drops it.
void FtraceImporter::on_free(const FtraceLine& line, Task& task) {
    uint64_t handle = line[Key::handle];
    auto found = objects_.find(handle);
    bool known = found != objects_.end();
    Object object = known ? found->second : Object{};
    Call* call = task.calls.empty() ? nullptr : &task.calls.back();

    bool replaced = call && call->op == Op::store && known && object.slot == call->slot && object.state == Object::State::stored;
    if (replaced && call->allocated) return forget(handle);  // a store over an occupied slot frees the old object itself
    read_pages_before(line);
    if (replaced && call->ends_unseen) {  // zram: same-filled over an occupied slot
        drop(call->row);
        call->row = place(Op::store, line, call->slot);
        changed(nullptr, call->row);
        return forget(handle);
    }
    if (call && call->op == Op::invalidate && !call->freed) {
        drop(call->row);
        call->row = place(Op::invalidate, line, call->slot);
        set_handle(call->row, handle);
        call->freed = true;
        changed(call, call->row);
        slots_.erase(call->slot.word);
        return forget(handle);
    }
    bool others_invalidate = known && object.state == Object::State::invalidating;
    if (call && call->op == Op::writeback && !call->freed &&
        (!known || object.state == Object::State::stored || others_invalidate)) {
        // z3fold gives the callback a handle of its own, on the stack: only the free names the entry.
        if (known) call->slot = object.slot;
        call->slot_known |= known;
        call->row = call->slot_known ? place(Op::writeback, line, call->slot) : place(Op::writeback, line);
        set_handle(call->row, handle);
        call->freed = true;
        changed(call, call->row);
        forget(handle);
        if (others_invalidate) {  // it will find nothing: its row stands behind this one
            if (Call* other = open_invalidate(object)) {
                drop(other->row);
                other->row = place(Op::invalidate, line, object.slot);
                row(other->row)->pid = object.pid;
                row(other->row)->cpu = object.cpu;
            }
        }
        return;
    }
    if (!known) {
        ++counts_.unpaired_lines;
        return;
    }
    forget(handle);
    if (object.state == Object::State::area_invalidated) return;
    // Earlier calls that waited for this; and loads that free what they return (6.5's exclusive loads).
    bool written_back = object.state == Object::State::written_back;
    uint64_t number = place(written_back ? Op::writeback : Op::invalidate, line, object.slot);
    set_handle(number, handle);
    if (written_back) set_result(number, 0);
    if (object.state != Object::State::stored) {
        row(number)->pid = object.pid;
        row(number)->cpu = object.cpu;
    }
    changed(call, number);
    if (Call* other = others_invalidate ? open_invalidate(object) : nullptr) {
        drop(other->row);
        other->row = number;
        other->freed = true;
        return;
    }
    complete(number);
}

FtraceImporter::Call* FtraceImporter::open_invalidate(const Object& object) {
    for (Call& call : tasks_[object.pid].calls)
        if (call.op == Op::invalidate && call.slot == object.slot && !call.freed) return &call;
    return nullptr;
}

// swapoff: every entry of the type goes; the frees that follow are its own.
void FtraceImporter::on_area(const FtraceLine& line) {
    uint64_t number = place(Op::invalidate_area, line);
    TraceRow& area = *row(number);
    area.type = static_cast<uint8_t>(line[Key::type]);
    area.mark(Field::type);
    std::erase_if(slots_, [&](const auto& slot) { return slot.first >> SwapEntry::type_shift == area.type; });
    for (auto& [handle, object] : objects_)
        if (object.slot.type() == area.type) object.state = Object::State::area_invalidated;
    changed(nullptr, number);
    complete(number);
}

// ---- zram: page index for offset, and no returns ----

void FtraceImporter::begin_zram(const FtraceLine& line, Task& task) {
    leave_in_stack(task, 0);
    constexpr uint64_t sectors_per_page = 8;
    constexpr uint64_t request_op_mask = 0xff;  // bio's word carries flags above
    Call call{Op::invalidate};
    call.ends_unseen = true;
    call.slot_known = true;
    if (line.probe == Probe::slotfree) {
        call.slot = SwapEntry(0, line[Key::index]);
        auto slot = slots_.find(call.slot.word);
        bool was_same_filled = slot != slots_.end() && slot->second == same_filled;
        call.row = place(call.op, line, call.slot);
        if (was_same_filled) {
            slots_.erase(slot);
            return complete(call.row);
        }
    } else {
        uint64_t request = line[Key::op] & request_op_mask;
        if (request > 1) return;  // discards and flushes; what they free becomes invalidates
        call.op = request == 1 ? Op::store : Op::load;
        call.slot = SwapEntry(0, line[Key::sector] / sectors_per_page);
        call.row = place(call.op, line, call.slot);
        if (call.op == Op::load) {
            set_result(call.row, 0);
        } else {
            auto [slot, is_new] = slots_.try_emplace(call.slot.word, same_filled);
            call.slot_before = is_new ? none : std::exchange(slot->second, same_filled);
        }
    }
    task.calls.push_back(call);
}

void FtraceImporter::end_unseen(Task& task) {
    if (task.calls.empty() || !task.calls.back().ends_unseen) return;
    Call call = task.calls.back();
    task.calls.pop_back();
    if (call.pending) --changes_pending_;
    if (call.op == Op::store && !call.allocated) {  // a page of one repeated word
        row(call.row)->mark(Field::size);
        set_result(call.row, 0);
    }
    if (call.op == Op::invalidate && !call.freed && slots_.contains(call.slot.word)) {
        // The slot's lock was taken and zram gave up (miss_free): the object stays, so nothing happened.
        ++counts_.unpaired_lines;
        return drop(call.row);
    }
    complete(call.row);
}

// ---- rows ----

uint64_t FtraceImporter::place(Op op, const FtraceLine& line) {
    TraceRow& placed = rows_.emplace_back();
    placed.op = op;
    placed.ts_ns = line.ts_ns;
    placed.cpu = line.cpu;
    placed.pid = line.pid;
    return first_row_ + rows_.size() - 1;
}

uint64_t FtraceImporter::place(Op op, const FtraceLine& line, SwapEntry slot) {
    uint64_t number = place(op, line);
    TraceRow& placed = rows_.back();
    placed.type = static_cast<uint8_t>(slot.type());
    placed.offset = slot.offset();
    placed.mark(Field::type);
    placed.mark(Field::offset);
    return number;
}

TraceRow* FtraceImporter::row(uint64_t number) { return &rows_[number - first_row_]; }
void FtraceImporter::drop(uint64_t number) { row(number)->state = TraceRow::State::dropped; }
void FtraceImporter::complete(uint64_t number) { row(number)->state = TraceRow::State::complete; }

void FtraceImporter::set_result(uint64_t number, uint64_t value) {
    row(number)->result = signed32(value);
    row(number)->mark(Field::result);
}

void FtraceImporter::set_handle(uint64_t number, uint64_t handle) {
    row(number)->handle = handle;
    row(number)->mark(Field::handle);
}

void FtraceImporter::changed(Call* call, uint64_t number) {
    last_change_ = last_change_ == none ? number : std::max(last_change_, number);
    if (!call || call->pending) return;
    call->pending = true;
    ++changes_pending_;
}

// What zswap's counters were at a call's return goes on the row behind which it is true: the call's own, or the last
// one that changed the state since, if the call made the kernel count again; otherwise nowhere. While another call is
// between its effect and its return, its stored_pages step may be missing, and without a recount its pages too. What
// was counted while a compaction was at work holds at that moment only: later readings of the same count are dropped.
void FtraceImporter::read_counters(const FtraceLine& line, uint64_t own_row, bool refreshed) {
    if (!line.has(Key::stored) || !line.has(Key::pool)) return;
    bool others_pending = changes_pending_ > 0;
    bool overtaken = last_change_ != none && last_change_ > own_row;
    if (overtaken && !refreshed) return;
    TraceRow& target = *row(overtaken ? last_change_ : own_row);
    target.clear(Field::stored);
    target.clear(Field::pool_pages);
    if (!others_pending) {
        target.stored = signed32(line[Key::stored]);
        target.mark(Field::stored);
    }
    if (refreshed) counted_in_compaction_ = compactions_open_ > 0 || target.op == Op::compact;
    bool fresh_in_compaction = refreshed && compactions_open_ > 0;
    if ((!others_pending || refreshed) && (!counted_in_compaction_ || fresh_in_compaction)) {
        target.pool_pages = static_cast<int64_t>(line[Key::pool] / page_bytes);
        target.mark(Field::pool_pages);
    }
}

// zram's probes read the pool's pages before the call acts: that is the state after the last change.
void FtraceImporter::read_pages_before(const FtraceLine& line) {
    if (!line.has(Key::pages)) return;
    pages_before_ = true;
    // While a compaction is at work, what it has freed since shows as well: not before its own begin.
    const bool compacting = compactions_open_ && (last_change_ == none || last_change_ < compaction_begin_);
    const uint64_t number = compacting ? compaction_begin_ : last_change_;
    if (number == none || number < first_row_) return;
    TraceRow& target = *row(number);
    target.pool_pages = static_cast<int64_t>(line[Key::pages]);
    target.mark(Field::pool_pages);
}

void FtraceImporter::remember(uint64_t handle, SwapEntry slot) {
    forget(handle);  // its free was lost
    objects_.emplace(handle, Object{slot});
    slots_[slot.word] = handle;
}

void FtraceImporter::forget(uint64_t handle) {
    auto object = objects_.find(handle);
    if (object == objects_.end()) return;
    if (auto slot = slots_.find(object->second.slot.word); slot != slots_.end() && slot->second == handle) slots_.erase(slot);
    objects_.erase(object);
}

void FtraceImporter::emit() {
    if (rows_.size() > most_rows_held) settle_front();
    while (!rows_.empty() && rows_.front().state != TraceRow::State::open) {
        // In a zram recording the state after a change is read by the next call.
        if (pages_before_ && first_row_ == last_change_ && rows_.size() <= most_rows_held) return;
        if (rows_.front().state == TraceRow::State::complete) ready_.push_back(rows_.front());
        rows_.pop_front();
        ++first_row_;
    }
}

// The call at the front has been open for longer than rows can be held.
void FtraceImporter::settle_front() {
    TraceRow& front = rows_.front();
    if (front.state != TraceRow::State::open) return;
    Task& task = tasks_[front.pid];
    for (size_t at = 0; at < task.calls.size(); ++at) {
        if (task.calls[at].row != first_row_) continue;
        if (task.calls[at].ends_unseen && at + 1 == task.calls.size()) return end_unseen(task);
        abandon(task.calls[at]);
        task.calls.erase(task.calls.begin() + static_cast<std::ptrdiff_t>(at));
        return;
    }
    front.state = TraceRow::State::complete;
}

}  // namespace zreplay
