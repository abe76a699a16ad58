// The importer, as to zram: page index for offset, and no returns.
#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

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
        call.row = rows_.place(call.op, line, call.slot);
        if (was_same_filled) {
            slots_.erase(slot);
            return rows_.complete(call.row);
        }
    } else {
        uint64_t request = line[Key::op] & request_op_mask;
        if (request > 1) return;  // discards and flushes; what they free becomes invalidates
        call.op = request == 1 ? Op::store : Op::load;
        call.slot = SwapEntry(0, line[Key::sector] / sectors_per_page);
        call.row = rows_.place(call.op, line, call.slot);
        if (call.op == Op::load) {
            rows_.set_result(call.row, 0);
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

}  // namespace zreplay
