// The importer, as to the pool: which object each allocation and free is of, and what the kernel counted.
#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

namespace {

int32_t signed32(uint64_t value) { return static_cast<int32_t>(static_cast<int64_t>(value)); }

std::string hexadecimal(uint64_t value) {
    std::string digits = "0x";
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[value >> shift & 15];
    return digits;
}

}  // namespace

// ---- the pool, inside those calls ----

void FtraceImporter::on_alloc(const FtraceLine& line, Task& task) {
    read_pages_before(line);
    if (task.calls.empty() || task.calls.back().op != Op::store) return unpaired("alloc outside of a store");
    Call& call = task.calls.back();
    if (call.spoiled) {
        ++counts_.spoiled_lines;
        return;
    }
    frees_first_ |= call.slot_seen && !call.allocated && !call.pages_left;
    const bool is_next = page_done(call);
    if (is_next ? !next_page(line, call) : call.allocated && call.answered && !call.error)
        return unpaired("alloc in a store whose pages have theirs");
    if (call.allocated && !call.answered) unpaired("alloc in a store whose alloc before has not returned");
    uint64_t asked = line[Key::size];
    TraceRow& store = rows_[call.row];
    call.asked_line = counts_.lines;
    if (asked <= header_bytes_ || asked > largest_page_bytes + header_bytes_) {
        unreadable("expected size= 1 to 4,096 bytes" + (header_bytes_ ? " and a header of " + std::to_string(header_bytes_) : "") +
                   ", found " + std::to_string(static_cast<int64_t>(asked)));
        store.clear(Field::size);
        asked = 0;
    } else {
        store.size = static_cast<uint32_t>(asked - header_bytes_);
        store.mark(Field::size);
    }
    rows_.mark_alloc(call.row);
    call.gives_handle = line.names_zsmalloc;
    call.asked_ns = line.ts_ns;
    call.asked_bytes = asked;
    call.allocated = true;
    call.error = 0;
    call.answered = call.placed = call.mapped = false;  // also after a first try: zram asks twice, the second time with more patience
}

// An allocation takes effect under the allocator's lock, which it takes last: before, it looks for memory, and may wait for
// it. So it stands at its return, unless a probe behind the lock has told where.
void FtraceImporter::take_effect(const FtraceLine& line, Call& call) {
    if (call.placed) return;
    call.row = rows_.move(call.row, line);
    call.placed = true;
}

// From here to the task's next line what it does to the pool may show in others' readings or not.
void FtraceImporter::enter_pool(const FtraceLine& line, Task& task) {
    if (pages_made_.known() && !has_locks_) {
        if (in_pool_.empty() && line.has(Key::pages)) races_.begin(rows_.next() - 1, line[Key::pages]);
        if (line.probe == Probe::free) races_.add({none, freed_pages_, 0});
        if (compactions_open_) races_.give_up();
    }
    task.overlaps = !in_pool_.empty();
    counts_.pool_overlaps += task.overlaps;
    for (int32_t other : in_pool_)
        if (!std::exchange(tasks_[other].overlaps, true)) ++counts_.pool_overlaps;
    task.in_pool = true;
    in_pool_.push_back(line.pid);
}

// A task is done with the pool when it does the next thing, or when another runs on its CPU: not under a spinlock.
void FtraceImporter::leave_pools(const FtraceLine& line, const Task& task) {
    std::erase_if(in_pool_, [&](int32_t pid) {
        Task& inside = tasks_[pid];
        const bool is_done = &inside == &task ? line.probe != Probe::locked : inside.cpu == line.cpu;
        if (is_done) inside.in_pool = false;
        return is_done;
    });
}

// A probe behind the allocator's lock: the call under way takes effect here.
void FtraceImporter::on_locked(const FtraceLine& line, Task& task) {
    has_locks_ = true;
    counts_.overlaps_by_lock += task.in_pool && task.overlaps;
    if (auto zspage = zspages_.find(line[Key::handle]); zspage != zspages_.end() && line.has(Key::free) && line[Key::free]) {
        if (--objects_in_[zspage->second] == 0) objects_in_.erase(zspage->second);
        zspages_.erase(zspage);
    }
    if (task.calls.empty()) return;
    Call& call = task.calls.back();
    if (call.allocated && !call.answered && !call.placed) {
        take_effect(line, call);
        changed(nullptr, call.row);
        // A zspage that holds objects was found under this very lock; a new one was made because none was found before.
        if (line.has(Key::zspage) && line.has(Key::handle)) {
            zspages_[line[Key::handle]] = line[Key::zspage];
            TraceRow& store = rows_[call.row];
            store.made_pages = ++objects_in_[line[Key::zspage]] == 1;
            if (task.overlaps) store.mark(Field::made_pages);
        }
    } else if (call.freed && (!line.has(Key::handle) || rows_[call.row].handle == line[Key::handle])) {
        rows_[call.row].clear(Field::pool_pages);  // was of the moment before
        call.row = rows_.move(call.row, line);
        changed(nullptr, call.row);
    }
}

void FtraceImporter::on_alloc_return(const FtraceLine& line, Task& task) {
    if (!task.calls.empty() && task.calls.back().spoiled) {
        ++counts_.spoiled_lines;
        return;
    }
    if (task.calls.empty() || !task.calls.back().allocated || task.calls.back().answered)
        return unpaired("return of an alloc that was not seen to begin");
    Call& call = task.calls.back();
    // zpool_malloc answers with 0 or an errno; zs_malloc with a handle, or (up to 6.0: 0) an errno as a pointer. Which of
    // them a recorder has called `ret` shows: a handle is an address of the kernel.
    const uint64_t answer = line[line.has(Key::handle) ? Key::handle : Key::ret];
    const bool gives_handle =
        line.has(Key::handle) || line.names_zsmalloc || call.gives_handle || (!is_errno(answer) && answer > UINT32_MAX);
    if (!line.has(Key::handle) && !line.has(Key::ret))
        return unreadable_alloc(line), unreadable("expected ret= or handle= of an allocation, found neither");
    if (!gives_handle && !is_errno(answer))
        return unreadable_alloc(line),
               unreadable("expected ret= 0, an errno or a handle, found " + std::to_string(static_cast<int64_t>(answer)));
    call.answered = true;
    take_effect(line, call);
    call.error = !is_errno(answer) ? 0 : gives_handle && answer == 0 ? -e_nomem : signed32(answer);
    if (gives_handle && call.error == 0) {
        rows_.set_handle(call.row, answer);
        remember(answer, call.slot, pages_made_.of(call.asked_bytes));
    }
    check_size(call, call.error != 0);
    if (call.error == 0) {
        ++call.allocations;
        changed(&call, call.row);
        if (pages_made_.known()) races_.add({call.row, pages_made_.of(call.asked_bytes), line.ts_ns - call.asked_ns});
    }
    if (!call.ends_unseen) return;
    rows_.set_result(call.row, call.error);
    if (call.error != 0 && call.slot_before != none) slots_[call.slot.word] = call.slot_before;
}

// The first use of a handle, right after the allocation, tells which one was given.
void FtraceImporter::on_map(const FtraceLine& line, Task& task) {
    if (task.calls.empty()) return;
    Call& call = task.calls.back();
    if (call.row == none) return;
    if (call.op == Op::load) return on_load_map(line, call);
    call.mapped = true;
    if (rows_[call.row].has(Field::handle)) return;
    if (call.op == Op::store && call.answered && call.error == 0) {
        rows_.set_handle(call.row, line[Key::handle]);
        remember(line[Key::handle], call.slot, pages_made_.of(call.asked_bytes));
        // z3fold: the handle is a cell that holds an address in the object's page; one of an object that has a page to itself
        // is the page's own, with bit 0 set.
        if (line.has(Key::place)) {
            const uint64_t place = line[Key::handle] & 1 ? line[Key::handle] : line[Key::place];
            rows_.set_page(call.row, place & ~uint64_t{page_bytes - 1});
        }
    }
}

// Whose free is it? The call's that is under way; or that of an earlier one, which could not free the object because
// somebody else held the entry. 6.1: an entry goes with its last reference, whoever drops it.
void FtraceImporter::on_free(const FtraceLine& line, Task& task) {
    uint64_t handle = line[Key::handle];
    freed_pages_ = 0;
    if (is_errno(handle)) return;  // zs_free of no object
    auto found = objects_.find(handle);
    bool known = found != objects_.end();
    Object object = known ? found->second : Object{};
    Call* call = task.calls.empty() ? nullptr : &task.calls.back();
    frees_seen_ = true;
    if (call && call->spoiled) {  // what is freed tells the slot, if that object was seen
        counts_.spoiled_lines += !known;
        if (!known) return;
        call = nullptr;
    }
    if (pages_made_.known()) freed_pages_ = object.pages;

    if (line.has(Key::pages)) settle_checks(line[Key::pages]);
    const bool in_store = call && call->op == Op::store;
    if (in_store && call->ends_unseen && known && call->slot != object.slot) write_up_to(line, *call, object.slot);
    const bool replaced = in_store && known && object.slot == call->slot && object.state == Object::State::stored;
    const bool is_own = in_store && call->answered && call->error == 0 && rows_[call->row].has(Field::handle) &&
                        rows_[call->row].handle == handle;
    if (is_own) call->own_freed = true;
    if (is_own && family_.taken_is_one) {  // the index had no memory for it
        return forget(handle);
    }
    if (in_store && !call->other_rows.empty() && known) {
        uint64_t* row = row_of(*call, object.slot);
        const bool is_given = row && rows_[*row].has(Field::handle) && rows_[*row].handle == handle;
        if (is_given || (row && *row != call->row)) {
            call->own_freed |= is_given;
            return forget(handle);
        }
    }
    // 6.13 on: a refused folio takes the older copies of all its pages out, also of those it did not come to.
    if (in_store && !call->ends_unseen && family_.taken_is_one && known && object.state == Object::State::stored &&
        object.slot.type() == call->slot.type() && object.slot.offset() > call->slot.offset() &&
        object.slot.offset() - call->slot.offset() < most_folio_pages && refuses_folio(*call)) {
        read_pages_before(line);
        call->other_rows.push_back(rows_.place(Op::store, line, object.slot));
        changed(call, call->other_rows.back());
        return forget(handle);
    }
    // A store over an occupied slot frees the old object itself.
    if (replaced && call->allocated && call->error == 0) {
        frees_first_ &= !call->ends_unseen;
        return forget(handle);
    }
    read_pages_before(line);
    // zram: same-filled over an occupied slot. 6.6 on: a store that was refused, and takes the older copy out.
    if (replaced && (call->ends_unseen || family_.taken_is_one)) {
        call->row = rows_.move(call->row, line);
        changed(call->ends_unseen ? nullptr : call, call->row);
        call->slot_seen = call->ends_unseen;
        return forget(handle);
    }
    if (call && call->op == Op::shrink && known && call->asked_by == Asker::user) {
        rows_.set_handle(write_back_zram(line, *call, object.slot), handle);
        return forget(handle);
    }
    if (call && call->op == Op::load && family_.loads_take && known && object.slot != call->slot) {
        if (uint64_t* row = row_of(*call, object.slot)) {
            *row = rows_.move(*row, line);
            changed(call, *row);
            return forget(handle);
        }
    }
    if (call && call->op == Op::invalidate && call->ends_unseen && known && object.slot != call->slot) {
        if (uint64_t* row = row_of(*call, object.slot)) {  // a discard's
            *row = rows_.move(*row, line);
            rows_.set_handle(*row, handle);
            changed(nullptr, *row);
            return forget(handle);
        }
    }
    if (call && call->op == Op::load && family_.loads_take && !call->freed && (!known || object.slot == call->slot)) {
        call->row = rows_.move(call->row, line);
        rows_.set_handle(call->row, handle);
        call->freed = true;
        changed(call, call->row);
        return forget(handle);
    }
    if (call && call->op == Op::invalidate && !call->freed) {
        call->row = rows_.move(call->row, line);
        rows_.set_handle(call->row, handle);
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
        call->row = rows_.move(call->row, line);
        if (call->slot_known) rows_.set_slot(call->row, call->slot);
        rows_.set_handle(call->row, handle);
        call->freed = true;
        changed(call, call->row);
        forget(handle);
        if (others_invalidate)  // it will find nothing: its row stands behind this one
            if (Call* other = open_invalidate(object)) other->row = rows_.move(other->row, line);
        return;
    }
    if (!known) return unpaired("free of an object that was never seen: handle=" + hexadecimal(handle));
    forget(handle);
    if (object.state == Object::State::area_invalidated) return;
    if (Call* other = others_invalidate ? open_invalidate(object) : nullptr) {
        other->row = rows_.move(other->row, line);
        rows_.set_handle(other->row, handle);
        changed(call, other->row);
        other->freed = true;
        return;
    }
    // Earlier calls that waited for this; and, under frontswap, loads that free what they return (6.5's exclusive loads).
    bool written_back = object.state == Object::State::written_back;
    uint64_t number = rows_.place(written_back ? Op::writeback : Op::invalidate, line, object.slot);
    rows_.set_handle(number, handle);
    if (written_back) rows_.set_result(number, 0);
    if (object.state != Object::State::stored) {
        rows_[number].pid = object.pid;
        rows_[number].cpu = object.cpu;
    }
    changed(call, number);
    rows_.complete(number);
}

FtraceImporter::Call* FtraceImporter::open_invalidate(const Object& object) {
    for (Call& call : tasks_[object.pid].calls)
        if (call.op == Op::invalidate && call.slot == object.slot && !call.freed) return &call;
    return nullptr;
}

// swapoff: every entry of the type goes; the frees that follow are its own.
void FtraceImporter::on_area(const FtraceLine& line) {
    uint64_t number = rows_.place(Op::invalidate_area, line);
    TraceRow& area = rows_[number];
    area.type = static_cast<uint8_t>(line[Key::type]);
    area.mark(Field::type);
    std::erase_if(slots_, [&](const auto& slot) { return slot.first >> SwapEntry::type_shift == area.type; });
    for (auto& [handle, object] : objects_)
        if (object.slot.type() == area.type) object.state = Object::State::area_invalidated;
    changed(nullptr, number);
    rows_.complete(number);
}

// ---- what the kernel counted ----

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
    const bool has_pool = line.has(Key::pool);
    if (!line.has(Key::stored) || !(has_pool || family_.taken_is_one)) return;
    bool others_pending = changes_pending_ > 0;
    bool overtaken = last_change_ != none && last_change_ > own_row;
    if (overtaken && !refreshed) return;
    TraceRow& target = rows_[overtaken ? last_change_ : own_row];
    target.clear(Field::stored);
    if (has_pool) target.clear(Field::pool_pages);
    if (!others_pending) {
        target.stored = static_cast<int64_t>(line[Key::stored]);
        target.mark(Field::stored);
    }
    if (!has_pool) return;
    if (refreshed) counted_in_compaction_ = compactions_open_ > 0 || target.op == Op::compact;
    bool fresh_in_compaction = refreshed && compactions_open_ > 0;
    if ((!others_pending || refreshed) && (!counted_in_compaction_ || fresh_in_compaction)) {
        target.pool_pages = static_cast<int64_t>(line[Key::pool] / page_bytes);
        target.mark(Field::pool_pages);
    }
}

// zram's probes, and 6.12's, read the pool's pages before the call acts: that is the state after the last change.
void FtraceImporter::read_pages_before(const FtraceLine& line) {
    if (!line.has(Key::pages)) return;
    pages_before_ = true;
    settle_checks(line[Key::pages]);
    if (in_pool_.empty())
        races_.settle(line[Key::pages], [&](uint64_t row, bool made) {
            if (!rows_.holds(row)) return;
            rows_[row].made_pages = made;
            rows_[row].mark(Field::made_pages);
            ++counts_.overlaps_by_count;
        });
    if (!in_pool_.empty()) return;  // may or may not have what the others do in it
    // While a compaction is at work, what it has freed since shows as well: not before its own begin.
    const bool compacting = compactions_open_ && (last_change_ == none || last_change_ < compaction_begin_);
    const uint64_t number = compacting ? compaction_begin_ : last_change_;
    if (!rows_.holds(number)) return;
    TraceRow& target = rows_[number];
    target.pool_pages = static_cast<int64_t>(line[Key::pages]);
    target.mark(Field::pool_pages);
}

void FtraceImporter::remember(uint64_t handle, SwapEntry slot, uint32_t pages) {
    forget(handle);  // its free was lost
    objects_.emplace(handle, Object{slot, Object::State::stored, pages});
    slots_[slot.word] = handle;
}

void FtraceImporter::forget(uint64_t handle) {
    auto object = objects_.find(handle);
    if (object == objects_.end()) return;
    if (auto slot = slots_.find(object->second.slot.word); slot != slots_.end() && slot->second == handle) slots_.erase(slot);
    objects_.erase(object);
}

}  // namespace zreplay
