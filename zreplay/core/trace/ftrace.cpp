#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

#include "trace/ftrace_columns.hpp"

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
bool can_call(Op outer, Op inner, const Family& family) {
    switch (outer) {
        // The memory manager's shrinker is a shrink as well, and may be asked for that page.
        case Op::writeback: return inner != Op::writeback && (inner != Op::shrink || family.taken_is_one);
        case Op::visit: return inner == Op::writeback;
        case Op::shrink: return inner == Op::writeback || inner == Op::visit;
        case Op::store: return inner != Op::store && inner != Op::load && inner != Op::invalidate;  // 3.12 evicts here
        default: return false;
    }
}

Op op_of(Probe probe) {
    switch (probe) {
        case Probe::visit: return Op::visit;
        case Probe::scan:
        case Probe::zwriteback: return Op::shrink;
        default: return static_cast<Op>(probe);
    }
}

bool names_slot(Probe probe) { return probe == Probe::store || probe == Probe::load || probe == Probe::invalidate; }

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
    for (Check& check : checks_)
        if (check.row != none) finish_refusal(check.row, true);
    if (oversized_ * 4 >= std::max<uint64_t>(granted_, 1)) refuse_page_size();
    // A page is written again only after its old object is freed, by the very call that writes.
    if (contradiction_.empty() && counts_.kept_overwritten && frees_seen_ && !devices_told_ && !counts_.lost_events &&
        counts_.kept_overwritten * 100 >= overwritten_)
        contradiction_ = "line " + with_commas(first_kept_line_) + ": found a page written again whose object is not freed (" +
                         with_commas(counts_.kept_overwritten) + " such), expected the pages of one zram device; of two, "
                         "only probes with dev= tell which is which (docs/trace-format.md)";
    pages_before_ = false;
    races_.give_up();
    races_.settle(0, [](uint64_t, bool) {});
    for (emit(); !rows_.empty(); emit()) rows_.give_up_front();  // no row is lost, whatever is still waited for
}

// A call of which it cannot be read what it is about: what happens inside it is its own, and no other call's.
void FtraceImporter::begin_spoiled(const FtraceLine& line) {
    const bool is_zram = line.probe == Probe::rw || line.probe == Probe::bio || line.probe == Probe::slotfree;
    if (!is_zram && !names_slot(line.probe)) return;
    Call call{is_zram ? line.probe == Probe::slotfree ? Op::invalidate : Op::store : op_of(line.probe)};
    call.ends_unseen = is_zram;
    call.spoiled = true;
    call.line = counts_.lines;
    Task& task = tasks_[line.pid];
    while (!task.calls.empty() && (is_zram ? task.calls.back().op != Op::shrink : !can_call(task.calls.back().op, call.op, family_)))
        leave_in_stack(task, task.calls.size() - 1);
    task.line = counts_.lines;
    task.cpu = line.cpu;
    task.calls.push_back(std::move(call));
}

void FtraceImporter::unpaired(const std::string& message) {
    ++counts_.unpaired_lines;
    if (messages_.size() < most_messages) messages_.push_back("line " + with_commas(counts_.lines) + ": " + message);
}

void FtraceImporter::unreadable_at(uint64_t line, const std::string& message) {
    ++counts_.unreadable_lines;
    if (messages_.size() < most_messages) messages_.push_back("line " + with_commas(line) + ": " + message);
}

void FtraceImporter::read_line(std::string_view text) {
    ++counts_.lines;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty() || text.front() == '#') return;
    if (text.size() > most_line_bytes)
        return unreadable("expected at most " + std::to_string(most_line_bytes) + " bytes, found a longer line");
    uint16_t cpu = 0;
    uint64_t lost = 0;
    if (text.front() == 'C' && parse_lost_line(text, cpu, lost)) return on_lost(cpu, lost);
    if ((text.front() == 'c' || text.front() == 'v' || text.front() == 'C') && is_heading(text)) return;
    FtraceLine line;
    if (std::string error = parse_ftrace_line(text, line, functions_); !error.empty()) {
        if (line.probe == Probe::alloc) unreadable_alloc(line);
        else if (!line.is_return) begin_spoiled(line);
        return unreadable(error);
    }
    if (line.probe == Probe::other) {
        ++counts_.other_events;
        return;
    }
    if (last_ts_ns_ == INT64_MIN) times_are_counts_ = !line.has_point;
    if (line.has_point == times_are_counts_ && contradiction_.empty())
        contradiction_ = "line " + with_commas(counts_.lines) + ": found a time " + (line.has_point ? "in seconds" : "without a point") +
                         ", expected one " + (line.has_point ? "without a point" : "in seconds") +
                         " as in the lines before: a text is of one clock";
    counts_.count_times += !line.has_point;
    counts_.without_cpu += !line.has_cpu;
    if (line.ts_ns < last_ts_ns_) {
        ++counts_.backward_times;
        line.ts_ns = last_ts_ns_;
    }
    last_ts_ns_ = line.ts_ns;
    if (contradicts(line)) return;
    dispatch(line);
    emit();
}

// The slots of one kernel's calls come in one way, and its answers are of one kind.
bool FtraceImporter::contradicts(const FtraceLine& line) {
    if (names_slot(line.probe) && !line.is_return && line.has(Key::swap) != family_.packed_slots) {
        if (contradiction_.empty())
            contradiction_ = "line " + with_commas(counts_.lines) + ": found " +
                             (line.has(Key::swap) ? "swap=, as Linux 6.6 and later" : "type= and offset=, as Linux before 6.6") +
                             ", expected " + (family_.packed_slots ? "swap=" : "type= and offset=") +
                             " as in the lines before: a text is of one kernel";
        return true;
    }
    if (!line.is_return || !line.has(Key::ret) || line.probe == Probe::alloc) return false;
    const bool boolean = is_boolean(line.probe), counts_bytes = line.probe == Probe::zwriteback;
    const uint64_t value = line[Key::ret];
    if (line.probe == Probe::visit ? value <= lru_stop : boolean ? value <= 1 : (counts_bytes && value <= INT32_MAX) || is_errno(value)) return false;
    unreadable(std::string("expected ret= ") +
               (line.probe == Probe::visit ? "0 to 5, an LRU status"
                : boolean                  ? "0 or 1"
                : counts_bytes             ? "a length or an errno, -4095 to -1"
                                           : "0 or an errno, -4095 to -1") +
               ", found " + std::to_string(static_cast<int64_t>(value)));
    return true;
}

bool FtraceImporter::is_boolean(Probe probe) const {
    return family_.taken_is_one && !family_.answers_errno &&
           (probe == Probe::store || (probe == Probe::load && !family_.load_is_errno));
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
    if (!in_pool_.empty()) leave_pools(line, task);
    const bool has_return = line.probe <= Probe::alloc && line.probe != Probe::invalidate_area;
    if (line.is_return && !has_return) return;  // says nothing more
    switch (line.probe) {
        case Probe::alloc:
            if (line.is_return) return on_alloc_return(line, task);
            on_alloc(line, task);
            return enter_pool(line, task);
        case Probe::map: return on_map(line, task);
        case Probe::free:
            on_free(line, task);
            return enter_pool(line, task);
        case Probe::locked: return on_locked(line, task);
        case Probe::invalidate_area: return on_area(line);
        case Probe::rw:
        case Probe::bio:
        case Probe::slotfree: return begin_zram(line, task);
        case Probe::slot: return on_slot(line, task);
        default: return line.is_return ? end(line, task) : begin(line, task);
    }
}

void FtraceImporter::begin(const FtraceLine& line, Task& task) {
    Call call{op_of(line.probe)};
    call.line = counts_.lines;
    while (!task.calls.empty() && !can_call(task.calls.back().op, call.op, family_))
        leave_in_stack(task, task.calls.size() - 1);
    if (line.has(Key::swap) || (line.has(Key::type) && line.has(Key::offset))) {
        call.slot = line.has(Key::swap) ? SwapEntry::from_word(line[Key::swap])
                                        : SwapEntry(static_cast<uint32_t>(line[Key::type]), line[Key::offset]);
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
        case Op::load: call.row = rows_.place(call.op, line, call.slot); break;
        case Op::store:
            call.row = rows_.place(call.op, line, call.slot);
            if (family_.taken_is_one && limits_.max_pages) call.check = begin_check();
            break;
        case Op::writeback:
            call.handle = line.has(Key::handle) ? line[Key::handle] : 0;
            call.was_stored = slots_.contains(call.slot.word);  // and may be invalidated while it is written
            if (auto object = objects_.find(call.handle); object != objects_.end()) {
                call.slot = object->second.slot;
                call.slot_known = true;
            }
            call.row = rows_.place(call.op, line);
            break;
        case Op::visit:
            if (!slots_.contains(call.slot.word)) {
                unpaired("visit of an entry that was never stored: swap=" + std::to_string(call.slot.word));
                break;
            }
            call.row = rows_.place(call.op, line, call.slot);
            if (!task.calls.empty() && task.calls.back().op == Op::shrink) ++task.calls.back().visits;
            set_asker(call.row, asker(task));
            if (line.has(Key::referenced)) {
                rows_[call.row].referenced = line[Key::referenced] != 0;
                rows_[call.row].mark(Field::referenced);
            }
            break;
        case Op::shrink:
            call.asked_by = line.probe == Probe::scan         ? Asker::pressure
                            : line.probe == Probe::zwriteback ? Asker::user
                                                              : Asker::limit;
            call.row = rows_.place(call.op, line);
            set_asker(call.row, call.asked_by);
            if (line.probe == Probe::scan && line.has(Key::nr)) {
                rows_[call.row].nr_to_scan = line[Key::nr];
                rows_[call.row].mark(Field::nr_to_scan);
            }
            // Since 6.6, and in zram, the work goes on until there is enough or nothing left: its begin and its end are rows.
            call.in_two_rows = line.probe == Probe::zwriteback || (line.probe == Probe::shrink && family_.taken_is_one);
            if (call.in_two_rows) {
                rows_.set_result(call.row, -e_inprogress);
                rows_.complete(call.row);
                call.row = none;
            }
            break;
        case Op::compact:
            read_pages_before(line);
            ++compactions_open_;
            call.row = compaction_begin_ = rows_.place(call.op, line);
            break;
        case Op::migrate:
            call.row = rows_.place(call.op, line);
            if (line.has(Key::vmemmap) && line.has(Key::direct) && line.has(Key::newpage)) {
                // A struct page as the address of its page, as an object's place is one.
                constexpr uint64_t struct_page_bytes = 64;
                auto address = [&](Key page) {
                    return line[Key::direct] + (line[page] - line[Key::vmemmap]) / struct_page_bytes * page_bytes;
                };
                rows_.set_handle(call.row, address(Key::page));
                rows_.set_page(call.row, address(Key::newpage));
            } else {
                rows_.set_handle(call.row, line[Key::page]);
            }
            break;
        case Op::invalidate_area:
        case Op::cma: break;
    }
    task.calls.push_back(std::move(call));
}

void FtraceImporter::set_asker(uint64_t row, Asker asker) {
    rows_[row].asked_by = asker;
    rows_[row].mark(Field::asked_by);
}

// On whose behalf a task visits an entry: of the call around it. Where there is none, the memory manager's shrinker is not
// among the probes.
Asker FtraceImporter::asker(const Task& task) {
    for (auto call = task.calls.rbegin(); call != task.calls.rend(); ++call) {
        if (call->op == Op::shrink) return call->asked_by;
        if (call->op == Op::store) return Asker::cgroup;
        if (call->op == Op::writeback) break;
    }
    return Asker::pressure;
}

void FtraceImporter::end(const FtraceLine& line, Task& task) {
    const Op op = op_of(line.probe);
    auto found = std::find_if(task.calls.rbegin(), task.calls.rend(), [op](const Call& call) { return call.op == op; });
    if (found == task.calls.rend() || found->ends_unseen)
        return unpaired(std::string("return of a ") + std::string(op_names[static_cast<size_t>(op)]) + " that was not seen to begin");
    leave_in_stack(task, static_cast<size_t>(task.calls.rend() - found));
    Call call = std::move(task.calls.back());
    task.calls.pop_back();
    if (call.pending) --changes_pending_;
    if (call.spoiled)
        return unpaired(std::string("return of a ") + std::string(op_names[static_cast<size_t>(op)]) + " whose begin could not be read");
    switch (op) {
        case Op::store: return end_store(line, call);
        case Op::load: return end_load(line, call);
        case Op::invalidate: return end_invalidate(line, call);
        case Op::writeback: return end_writeback(line, call);
        case Op::visit:
            if (call.row == none) return;
            rows_.set_result(call.row, signed32(line[Key::ret]));
            return rows_.complete(call.row);
        case Op::shrink:
            if (call.in_two_rows) {
                call.row = rows_.place(Op::shrink, line);
                set_asker(call.row, call.asked_by);
                rows_.set_result(call.row, call.visits);
            } else if (line.has(Key::ret)) {
                rows_.set_result(call.row, signed32(line[Key::ret]));
            } else {
                rows_.set_result(call.row, signed32(line[Key::freed]));  // -1: SHRINK_STOP
            }
            break;
        case Op::compact: {
            --compactions_open_;
            // It lets others in after each zspage. Then its begin is a row as well, so that a replay can tell.
            if (last_change_ == none || last_change_ < call.row) {
                call.row = rows_.move(call.row, line);
            } else {
                rows_.set_result(call.row, -e_inprogress);
                rows_.complete(call.row);
                call.row = rows_.place(op, line);
            }
            // do_shrink_slab's SHRINK_STOP is all ones.
            rows_.set_result(call.row, std::max<int64_t>(static_cast<int64_t>(line[Key::freed]), 0));
            changed(nullptr, call.row);
            break;
        }
        case Op::migrate:
            call.row = rows_.move(call.row, line);
            rows_.set_result(call.row, signed32(line[Key::ret]));
            break;
        case Op::invalidate_area:
        case Op::cma: break;
    }
    read_counters(line, call.row, false);
    rows_.complete(call.row);
}

void FtraceImporter::end_store(const FtraceLine& line, Call& call) {
    const bool boolean = is_boolean(Probe::store);
    const bool taken = line[Key::ret] == (boolean ? 1 : 0);
    if (!call.other_rows.empty()) finish_pages(line, call, taken);
    if (taken && !call.allocated) {
        call.row = rows_.move(call.row, line);
        if (family_.same_filled_in_pool) {
            rows_[call.row].mark(Field::size);  // 0: nothing to allocate
            slots_[call.slot.word] = same_filled;
        }
        changed(nullptr, call.row);
    }
    if (!call.answered) rows_[call.row].clear(Field::alloc);  // the return of its allocation was lost
    if (call.allocated && !call.answered) check_size(call, !taken);
    if (!boolean) {
        rows_.set_result(call.row, signed32(line[Key::ret]));
        if (!taken && call.answered && !call.error) {
            refuse_object(call.row);
            rows_[call.row].clear(Field::handle);
        }
    } else if (taken) {
        rows_.set_result(call.row, 0);
    } else if (call.allocated) {
        // The allocator refused, or the index had no memory: then what was allocated has been given back.
        rows_.set_result(call.row, call.answered && call.error ? call.error : -e_nomem);
        if (call.answered && !call.error) refuse_object(call.row);
        if (!call.error) rows_[call.row].clear(Field::handle);
    }
    read_counters(line, call.row, taken);
    // Later recordings read zswap_pool_reached_full at the return.
    if (!taken && !call.allocated && boolean && line.has(Key::full)) {
        end_check(call.check, false, none);
        return finish_refusal(call.row, line[Key::full] != 0);
    }
    const bool told = taken || call.allocated || !boolean;
    end_check(call.check, taken, told ? none : call.row);
    if (!told) return;
    if (taken) set_return(call.row, line);
    rows_.complete(call.row);
}

void FtraceImporter::set_return(uint64_t row, const FtraceLine& line) {
    rows_[row].return_ts_ns = line.ts_ns;
    rows_[row].mark(Field::returned);
}

void FtraceImporter::end_load(const FtraceLine& line, Call& call) {
    int32_t result = signed32(line[Key::ret]);
    if (is_boolean(Probe::load)) result = result == 1 ? 0 : -1;
    else if (family_.taken_is_one) result = result == -e_noent ? -1 : result;
    rows_.set_result(call.row, result);
    for (uint64_t row : call.other_rows) {
        if (!rows_.holds(row)) continue;
        rows_.set_result(row, result);
        rows_.complete(row);
    }
    read_counters(line, call.row, call.freed);
    rows_.complete(call.row);
}

void FtraceImporter::end_invalidate(const FtraceLine& line, Call& call) {
    bool refreshed = call.freed;
    if (!call.freed) {
        if (auto slot = slots_.find(call.slot.word); slot != slots_.end()) {
            uint64_t handle = slot->second;
            slots_.erase(slot);
            if (handle != same_filled) {  // somebody still holds the entry; the row comes with the free
                rows_.drop(call.row);
                objects_[handle].state = Object::State::invalidated;
                return;
            }
            call.row = rows_.move(call.row, line);
            changed(nullptr, call.row);
            refreshed = true;
        }
    }
    if (refreshed) set_return(call.row, line);
    read_counters(line, call.row, refreshed);
    rows_.complete(call.row);
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
            return rows_.drop(call.row);
        }
        if (family_.taken_is_one && !call.was_stored && !slots_.contains(call.slot.word)) {
            unpaired("writeback of an entry that was never stored: swap=" + std::to_string(call.slot.word));
            return rows_.drop(call.row);
        }
        call.row = rows_.move(call.row, line);
        // An entry invalidated meanwhile counts as success, but it is not this call that takes it out of the index.
        if (call.slot_known && !(succeeded && gone)) rows_.set_slot(call.row, call.slot);
        if (call.handle) rows_.set_handle(call.row, call.handle);
    }
    rows_.set_result(call.row, signed32(line[Key::ret]));
    // Under frontswap the free is the last thing it does; later kernels free before they write.
    if (succeeded && call.freed && !family_.taken_is_one) set_return(call.row, line);
    read_counters(line, call.row, succeeded && call.freed);
    rows_.complete(call.row);
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
    if (call.spoiled) return;
    if (counts_.open_calls++ == 0 || call.line < counts_.first_open_line) counts_.first_open_line = call.line;
    if (call.pending) --changes_pending_;
    if (call.op == Op::compact) --compactions_open_;
    if (call.op == Op::invalidate ? !call.freed : call.op == Op::store && call.ends_unseen && !call.answered) {
        if (auto slot = slots_.find(call.slot.word); slot != slots_.end()) {
            if (slot->second != same_filled) objects_.erase(slot->second);
            slots_.erase(slot);
        }
    }
    if (call.check != none) end_check(call.check, false, none);
    for (uint64_t row : call.other_rows)
        if (rows_.holds(row)) rows_.complete(row);
    counts_.unsure_pages += call.pages_left;
    if (call.row == none) return;
    if (call.op == Op::store) {
        TraceRow& store = rows_[call.row];
        if (!call.answered) store.clear(Field::alloc);          // its row stands where it asked, or before
        // Nobody is known to have given it; without probes at returns, that says nothing.
        if (call.allocated && !call.answered) check_size(call, !family_.allocs_unanswered);
        if (store.size > page_bytes) store.clear(Field::size);
    }
    // A migration, or a writeback that freed nothing: without a return there is nothing to say.
    const bool said_nothing = call.op == Op::migrate || (call.op == Op::writeback && !call.freed);
    if (said_nothing) rows_.drop(call.row);
    else rows_.complete(call.row);
}

void FtraceImporter::on_lost(uint16_t cpu, uint64_t lost) {
    counts_.lost_events += lost;
    last_lost_line_ = counts_.lines;
    for (auto& [pid, task] : tasks_)
        if (task.cpu == cpu) abandon_all(task);
    emit();
}

// ---- rows that are settled ----

void FtraceImporter::emit() {
    if (rows_.is_full()) settle_front();
    // In a recording that reads the pool before each call, the state after a change is read by the next call.
    rows_.emit(std::min(pages_before_ ? last_change_ : none, races_.first_row()));
    counts_.unreadable_lines += rows_.take_unfit_sizes();
}

// The call at the front has been open for longer than rows can be held.
void FtraceImporter::settle_front() {
    if (!rows_.front_is_open()) return;
    const uint64_t front = rows_.front();
    Task& task = tasks_[rows_[front].pid];
    for (size_t at = 0; at < task.calls.size(); ++at) {
        if (task.calls[at].row != front) continue;
        if (task.calls[at].ends_unseen && at + 1 == task.calls.size()) return end_unseen(task);
        abandon(task.calls[at]);
        task.calls.erase(task.calls.begin() + static_cast<std::ptrdiff_t>(at));
        return;
    }
    for (Check& check : checks_)
        if (check.row == front) {
            check.row = none;
            return finish_refusal(front, true);
        }
    rows_.give_up_front();
}

}  // namespace zreplay
