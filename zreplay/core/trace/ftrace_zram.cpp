// The importer, as to zram: page index for offset, bios of several pages, several devices, and no returns.
#include "trace/ftrace.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

namespace {

constexpr uint64_t sector_bytes = 512, sectors_per_page = page_bytes / sector_bytes;
constexpr uint64_t most_bio_bytes = uint64_t{1} << 28;  // of 256 segments, each of up to a huge page, there are fewer
enum Request : uint64_t { read_request = 0, write_request = 1, discard_request = 3, zeroes_request = 9 };  // enum req_op

}  // namespace

// Which device an event is of, as a swap type: each has an index space of its own. Probes give the first minor, which is
// small; of another number (a dev_t, say) the first one seen is the lowest type that is free.
bool FtraceImporter::device_of(const FtraceLine& line, uint32_t& device) {
    device = 0;
    if (!line.has(Key::dev)) return true;
    devices_told_ = true;
    auto found = devices_.find(line[Key::dev]);
    if (found == devices_.end()) {
        auto is_free = [&](uint32_t type) {
            return std::none_of(devices_.begin(), devices_.end(), [type](const auto& known) { return known.second == type; });
        };
        uint32_t type = line[Key::dev] < swap_types ? static_cast<uint32_t>(line[Key::dev]) : 0;
        if (!is_free(type))
            for (type = 0; type < swap_types && !is_free(type);) ++type;
        if (type == swap_types) {
            unreadable("expected dev= of at most 32 devices, found another: " + std::to_string(line[Key::dev]));
            return false;
        }
        found = devices_.emplace(line[Key::dev], type).first;
    }
    device = found->second;
    return true;
}

// How many pages a bio is about: all that it touches; of a probe without size=, one.
bool FtraceImporter::bio_pages(const FtraceLine& line, uint64_t& pages) {
    pages = 1;
    if (line.probe != Probe::bio || !line.has(Key::size)) return true;
    const uint64_t bytes = line[Key::size], first = line[Key::sector];
    if (bytes % sector_bytes || bytes > most_bio_bytes) {
        unreadable("expected size= of a bio in whole sectors of 512 bytes, at most 256 MiB, found " +
                   std::to_string(static_cast<int64_t>(bytes)));
        return false;
    }
    pages = (first % sectors_per_page + bytes / sector_bytes + sectors_per_page - 1) / sectors_per_page;
    if (bytes == 0) pages = 0;  // a flush
    if (first / sectors_per_page + pages <= SwapEntry::offset_mask + 1) return true;
    unreadable("expected sector= and size= within 2^61 sectors, found " + std::to_string(first));
    return false;
}

void FtraceImporter::begin_zram(const FtraceLine& line, Task& task) {
    // What a task does next ends its call before; a writeback goes on, and may have to reclaim in between.
    while (!task.calls.empty() && task.calls.back().op != Op::shrink) leave_in_stack(task, task.calls.size() - 1);
    uint32_t device = 0;
    if (!device_of(line, device)) return;
    constexpr uint64_t request_op_mask = 0xff;  // bio's word carries flags above
    Call call{Op::invalidate};
    call.ends_unseen = true;
    call.slot_known = true;
    call.line = counts_.lines;
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
        return task.calls.push_back(std::move(call));
    }
    const uint64_t request = line[Key::op] & request_op_mask;
    call.slot = SwapEntry(device, line[Key::sector] / sectors_per_page);
    if (line.probe == Probe::bio && (request == discard_request || request == zeroes_request)) {
        discard(line, call);
        if (call.row != none) task.calls.push_back(std::move(call));
        return;
    }
    uint64_t pages = 0;
    if (request > write_request || !bio_pages(line, pages) || pages == 0) return;  // a flush has no page
    if (request == read_request) {
        call.op = Op::load;
        for (uint64_t page = 0; page < pages; ++page) {
            const SwapEntry slot(device, call.slot.offset() + page);
            const uint64_t row = rows_.place(call.op, line, slot);
            rows_.set_result(row, on_device_.contains(slot.word) ? -1 : 0);
            if (page == 0) call.row = row;
            else call.other_rows.push_back(row);
        }
    } else {
        call.op = Op::store;
        call.pages_left = pages - 1;
        write_page(line, call, call.slot);
    }
    task.calls.push_back(std::move(call));
}

// A write comes to a page.
void FtraceImporter::write_page(const FtraceLine& line, Call& call, SwapEntry page) {
    call.slot = page;
    call.allocated = call.answered = call.placed = call.slot_seen = call.mapped = false;
    call.error = 0;
    call.row = rows_.place(Op::store, line, page);
    on_device_.erase(page.word);
    auto [slot, is_new] = slots_.try_emplace(page.word, same_filled);
    call.slot_before = is_new ? none : std::exchange(slot->second, same_filled);
}

// … and is done with it.
void FtraceImporter::end_page(Call& call) {
    TraceRow& row = rows_[call.row];
    if (!call.allocated) {  // a page of one repeated word
        row.mark(Field::size);
        rows_.set_result(call.row, 0);
    } else if (!call.answered) {
        check_size(call, false);
    }
    if (call.slot_before != none && call.slot_before != same_filled && call.error == 0) {
        ++overwritten_;
        auto object = objects_.find(call.slot_before);
        if (object != objects_.end() && object->second.slot == call.slot) {
            if (counts_.kept_overwritten++ == 0) first_kept_line_ = call.line;
            forget(call.slot_before);
        }
    }
    rows_.complete(call.row);
}

// Pages of a write that are passed without an allocation are of one repeated word.
void FtraceImporter::write_up_to(const FtraceLine& line, Call& call, SwapEntry page) {
    if (page.type() != call.slot.type() || page.offset() < call.slot.offset() ||
        page.offset() - call.slot.offset() > call.pages_left)
        return;
    while (call.slot != page) {
        end_page(call);
        --call.pages_left;
        write_page(line, call, SwapEntry(call.slot.type(), call.slot.offset() + 1));
    }
}

// A discard frees the pages that it covers whole. Those that hold an object have their row at its free.
void FtraceImporter::discard(const FtraceLine& line, Call& call) {
    if (!line.has(Key::size)) return;  // what it frees becomes invalidates
    const uint64_t bytes = line[Key::size], first_sector = line[Key::sector];
    if (bytes % sector_bytes || bytes >> 33 || first_sector + bytes / sector_bytes < first_sector) {
        return unreadable("expected size= of a discard in whole sectors of 512 bytes, found " +
                          std::to_string(static_cast<int64_t>(bytes)));
    }
    const uint64_t first = (first_sector + sectors_per_page - 1) / sectors_per_page;
    const uint64_t end = std::min((first_sector + bytes / sector_bytes) / sectors_per_page, SwapEntry::offset_mask + 1);
    if (end <= first) return;
    std::vector<uint64_t> held;
    auto look_at = [&](uint64_t word) {
        const SwapEntry slot = SwapEntry::from_word(word);
        if (slot.type() == call.slot.type() && slot.offset() >= first && slot.offset() < end) held.push_back(word);
    };
    if (end - first <= slots_.size() + on_device_.size()) {
        for (uint64_t page = first; page < end; ++page)
            if (uint64_t word = SwapEntry(call.slot.type(), page).word; slots_.contains(word) || on_device_.contains(word))
                held.push_back(word);
    } else {
        for (const auto& [word, handle] : slots_) look_at(word);
        for (uint64_t word : on_device_)
            if (!slots_.contains(word)) look_at(word);
        std::sort(held.begin(), held.end());
    }
    counts_.empty_discards += end - first - held.size();
    call.discards = true;
    for (uint64_t word : held) {
        const SwapEntry slot = SwapEntry::from_word(word);
        const uint64_t row = rows_.place(Op::invalidate, line, slot);
        on_device_.erase(word);
        auto found = slots_.find(word);
        if (found == slots_.end() || found->second == same_filled) {
            if (found != slots_.end()) slots_.erase(found);
            rows_.complete(row);
        } else if (call.row == none) {
            call.row = row;
            call.slot = slot;
        } else {
            call.other_rows.push_back(row);
        }
    }
}

void FtraceImporter::end_unseen(Task& task) {
    if (task.calls.empty() || !task.calls.back().ends_unseen) return;
    Call call = std::move(task.calls.back());
    task.calls.pop_back();
    if (call.pending) --changes_pending_;
    if (call.spoiled) return;
    if (call.op == Op::store) {
        FtraceLine last;
        last.ts_ns = last_ts_ns_;
        last.pid = rows_[call.row].pid;
        last.cpu = rows_[call.row].cpu;
        // Without a probe at zram_free_page it is not known which pages of a bio were of one repeated word.
        if (!call.slots_told && call.allocations) counts_.unsure_pages += call.pages_left;
        write_up_to(last, call, SwapEntry(call.slot.type(), call.slot.offset() + call.pages_left));
        return end_page(call);
    }
    for (uint64_t row : call.other_rows) {
        if (!rows_.holds(row)) continue;
        if (call.discards) drop_slot(SwapEntry(rows_[row].type, rows_[row].offset));
        rows_.complete(row);
    }
    if (call.discards) {
        if (!call.freed) drop_slot(call.slot);
    } else if (call.op == Op::invalidate && !call.freed && slots_.contains(call.slot.word)) {
        // The slot's lock was taken and zram gave up (miss_free): the object stays, so nothing happened.
        ++counts_.unpaired_lines;
        return rows_.drop(call.row);
    }
    rows_.complete(call.row);
}

// A discarded page whose object's free is not in the text.
void FtraceImporter::drop_slot(SwapEntry page) {
    auto slot = slots_.find(page.word);
    if (slot == slots_.end()) return;
    objects_.erase(slot->second);
    slots_.erase(slot);
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
    uint32_t device = 0;
    if (!device_of(line, device)) return;
    const SwapEntry slot(device, line[Key::index]);
    if (!task.calls.empty() && task.calls.back().ends_unseen) {
        Call& call = task.calls.back();
        if (call.spoiled) return;
        if (call.op == Op::store) write_up_to(line, call, slot);
        if (call.op == Op::store && call.slot == slot) {
            frees_first_ &= !call.allocated;
            call.slot_seen = call.slots_told = true;
            return;
        }
        if (call.discards) return;
        // Another slot than that of the call before, so that call has ended.
        if (call.slot != slot) end_unseen(task);
    }
    if (task.calls.empty() || task.calls.back().op != Op::shrink) return;
    auto found = slots_.find(slot.word);
    if (found == slots_.end() || found->second != same_filled) return;
    slots_.erase(found);
    write_back_zram(line, task.calls.back(), slot);
}

}  // namespace zreplay
