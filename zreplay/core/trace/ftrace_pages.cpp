// The importer, as to calls for several pages (a large folio's, a bio's), and to sizes that cannot be.
#include "trace/ftrace.hpp"

#include <algorithm>
#include <bit>

namespace zreplay {

namespace {

int32_t signed32(uint64_t value) { return static_cast<int32_t>(static_cast<int64_t>(value)); }

}  // namespace

// A load uses the object of its page; one for several pages, those of each.
void FtraceImporter::on_load_map(const FtraceLine& line, Call& call) {
    const uint64_t handle = line[Key::handle];
    auto object = objects_.find(handle);
    const bool known = object != objects_.end() && object->second.state == Object::State::stored;
    if (known && call.other_rows.size())
        if (uint64_t* row = row_of(call, object->second.slot)) return rows_.set_handle(*row, handle);
    if (!rows_[call.row].has(Field::handle)) return rows_.set_handle(call.row, handle);
    if (rows_[call.row].handle == handle || call.ends_unseen || !known) return;
    const SwapEntry first = call.slot, slot = object->second.slot;
    if (slot.type() != first.type() || slot.offset() - first.offset() >= most_folio_pages) return;
    call.other_rows.push_back(rows_.place(Op::load, line, slot));
    rows_.set_handle(call.other_rows.back(), handle);
}

// What a refused store was given is given back: the object is gone, whether its free was seen or not.
void FtraceImporter::refuse_object(uint64_t row) {
    if (!rows_[row].has(Field::handle)) return;
    const uint64_t handle = rows_[row].handle;
    auto object = objects_.find(handle);
    if (object != objects_.end() && object->second.slot == SwapEntry(rows_[row].type, rows_[row].offset)) forget(handle);
}

// zswap_store takes a folio as a whole: where one page is refused, those before it are given back as well.
void FtraceImporter::finish_pages(const FtraceLine& line, Call& call, bool taken) {
    const bool boolean = is_boolean(Probe::store);
    for (uint64_t row : call.other_rows) {
        if (!rows_.holds(row)) continue;
        rows_.set_result(row, taken ? 0 : boolean ? -e_nomem : signed32(line[Key::ret]));
        if (taken) {
            set_return(row, line);
        } else {
            refuse_object(row);
            rows_[row].clear(Field::handle);
        }
        rows_.complete(row);
    }
    // A folio is of 2^n pages; where another number was seen to be allocated, the lines of the others are missing.
    if (taken) counts_.unsure_pages += std::bit_ceil(call.other_rows.size() + 1) - (call.other_rows.size() + 1);
}

// A size that cannot be is an unreadable line; zswap compresses into two pages, so that it may ask for more than a page, and
// be refused.
void FtraceImporter::check_size(Call& call, bool refused) {
    TraceRow& store = rows_[call.row];
    granted_ += !refused;
    if (!store.has(Field::size) || store.size <= (refused ? 2 * page_bytes : page_bytes)) return;
    unreadable_at(call.asked_line, "expected size= of at most a page of 4,096 bytes, found " + std::to_string(call.asked_bytes));
    if (!refused) {
        if (oversized_++ == 0) first_oversized_line_ = call.asked_line;
        largest_bytes_ = std::max<uint64_t>(largest_bytes_, store.size);
    }
    store.clear(Field::size);
    constexpr uint64_t enough = 64;  // allocations to tell by
    if (granted_ >= enough && oversized_ * 4 >= granted_) refuse_page_size();
}

// Allocations larger than a page, and not now and then: the recorded machine's pages are larger.
void FtraceImporter::refuse_page_size() {
    if (!contradiction_.empty() || !oversized_) return;
    contradiction_ = "line " + std::to_string(first_oversized_line_) + ": found allocations of up to " +
                     std::to_string(largest_bytes_) + " bytes, as with a page size of " +
                     (largest_bytes_ <= 16384 ? "16384" : "65536") +
                     ", expected a page size of 4096 (--page-size): pools of other pages are not modelled";
}

// One call for several pages goes on to its next: zswap's of a large folio, zram's of a bio.
bool FtraceImporter::next_page(const FtraceLine& line, Call& call) {
    if (call.ends_unseen) {
        if (!call.pages_left) return false;
        write_up_to(line, call, SwapEntry(call.slot.type(), call.slot.offset() + 1));
        return true;
    }
    if (call.other_rows.size() + 1 >= most_folio_pages || call.slot.offset() == SwapEntry::offset_mask) return false;
    if (!call.answered) {
        check_size(call, false);
        rows_[call.row].clear(Field::alloc);
    }
    call.other_rows.push_back(call.row);
    call.slot = SwapEntry(call.slot.type(), call.slot.offset() + 1);
    call.row = rows_.place(Op::store, line, call.slot);
    call.allocated = call.answered = call.placed = call.own_freed = false;
    return true;
}

// The row that a call for several pages has for one of them; nullptr: there is none.
uint64_t* FtraceImporter::row_of(Call& call, SwapEntry slot) {
    auto is_of = [&](uint64_t row) {
        return rows_.holds(row) && rows_[row].offset == slot.offset() && rows_[row].type == slot.type();
    };
    if (is_of(call.row)) return &call.row;
    auto found = std::find_if(call.other_rows.begin(), call.other_rows.end(), is_of);
    return found == call.other_rows.end() ? nullptr : &*found;
}

// Of an allocation whose line cannot be read it is still known that there was one: its page is not of one repeated word.
void FtraceImporter::unreadable_alloc(FtraceLine line) {
    line.ts_ns = std::max(line.ts_ns, last_ts_ns_);
    auto task = tasks_.find(line.pid);
    if (task == tasks_.end() || task->second.calls.empty() || task->second.calls.back().op != Op::store) return;
    Call& call = task->second.calls.back();
    if (call.spoiled) return;
    if (!line.is_return && page_done(call)) {
        if (!next_page(line, call)) return;
        last_ts_ns_ = line.ts_ns;  // there is a row of this time now, and none of before may follow
    }
    if (line.is_return ? !call.allocated || call.answered : call.allocated) return;
    call.allocated = true;
    if (!line.is_return) return;
    call.answered = true;
    if (TraceRow& store = rows_[call.row]; store.size > page_bytes) store.clear(Field::size);  // was it refused? nobody knows
}

}  // namespace zreplay
