// The importer, as to zram: page index for offset, and no returns.
#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

void FtraceImporter::begin_zram(const FtraceLine& line, Task& task) {
    // What a task does next ends its call before; a writeback goes on, and may have to reclaim in between.
    while (!task.calls.empty() && task.calls.back().op != Op::shrink) leave_in_stack(task, task.calls.size() - 1);
    const uint32_t device = line.has(Key::dev) && line[Key::dev] < swap_types ? static_cast<uint32_t>(line[Key::dev]) : 0;
    constexpr uint64_t sectors_per_page = 8;
    constexpr uint64_t request_op_mask = 0xff;  // bio's word carries flags above
    Call call{Op::invalidate};
    call.ends_unseen = true;
    call.slot_known = true;
    if (line.probe == Probe::slotfree) {
        call.slot = SwapEntry(device, line[Key::index]);
        auto slot = slots_.find(call.slot.word);
        bool was_same_filled = slot != slots_.end() && slot->second == same_filled;
        call.row = rows_.place(call.op, line, call.slot);
        on_device_.erase(call.slot.word);
        if (was_same_filled) {
            slots_.erase(slot);
            return rows_.complete(call.row);
        }
    } else {
        uint64_t request = line[Key::op] & request_op_mask;
        if (request > 1) return;  // discards and flushes; what they free becomes invalidates
        call.op = request == 1 ? Op::store : Op::load;
        call.slot = SwapEntry(device, line[Key::sector] / sectors_per_page);
        call.row = rows_.place(call.op, line, call.slot);
        if (call.op == Op::load) {
            rows_.set_result(call.row, on_device_.contains(call.slot.word) ? -1 : 0);
        } else {
            on_device_.erase(call.slot.word);
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
        rows_[call.row].mark(Field::size);
        rows_.set_result(call.row, 0);
    }
    if (call.op == Op::invalidate && !call.freed && slots_.contains(call.slot.word)) {
        // The slot's lock was taken and zram gave up (miss_free): the object stays, so nothing happened.
        ++counts_.unpaired_lines;
        return rows_.drop(call.row);
    }
    rows_.complete(call.row);
}

// A page that the user has asked to be written to the backing device, and now is there.
uint64_t FtraceImporter::write_back_zram(const FtraceLine& line, Call& run, SwapEntry slot) {
    const uint64_t row = rows_.place(Op::writeback, line, slot);
    rows_.set_result(row, 0);
    ++run.visits;
    on_device_.insert(slot.word);
    changed(nullptr, row);
    rows_.complete(row);
    return row;
}

// zram_free_page: of a page of one repeated word this is all there is to see.
void FtraceImporter::on_slot(const FtraceLine& line, Task& task) {
    const SwapEntry slot(line.has(Key::dev) && line[Key::dev] < swap_types ? static_cast<uint32_t>(line[Key::dev]) : 0,
                         line[Key::index]);
    // Another slot than that of the call before, so that call has ended.
    if (!task.calls.empty() && task.calls.back().ends_unseen && task.calls.back().slot != slot) end_unseen(task);
    if (task.calls.empty() || task.calls.back().op != Op::shrink) return;
    auto found = slots_.find(slot.word);
    if (found == slots_.end() || found->second != same_filled) return;
    slots_.erase(found);
    write_back_zram(line, task.calls.back(), slot);
}

}  // namespace zreplay
