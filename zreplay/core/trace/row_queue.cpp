#include "trace/row_queue.hpp"

namespace zreplay {

uint64_t RowQueue::place(Op op, const FtraceLine& line) {
    TraceRow& placed = rows_.push_back({});
    placed.op = op;
    placed.ts_ns = placed.call_ts_ns = line.ts_ns;
    placed.cpu = line.cpu;
    placed.pid = line.pid;
    if (line.has(Key::cgroup)) {
        placed.cgroup = line[Key::cgroup];
        placed.mark(Field::cgroup);
    }
    if (line.has(Key::node) || line.has(Key::nid)) {
        placed.node = static_cast<uint16_t>(line.has(Key::node) ? line[Key::node] : line[Key::nid]);
        placed.mark(Field::node);
    }
    return front_ + rows_.size() - 1;
}

uint64_t RowQueue::place(Op op, const FtraceLine& line, SwapEntry slot) {
    const uint64_t number = place(op, line);
    set_slot(number, slot);
    return number;
}

uint64_t RowQueue::move(uint64_t from, const FtraceLine& line) {
    const uint64_t number = front_ + rows_.size();
    TraceRow row = (*this)[from];
    drop(from);
    if (row.call_place == none) row.call_place = from;
    if (holds(row.call_place)) (*this)[row.call_place].moved_to = number;
    if (holds(row.alloc_place)) (*this)[row.alloc_place].moved_to = number;
    row.ts_ns = line.ts_ns;
    row.state = TraceRow::State::open;
    row.moved_to = none;
    row.mark(Field::call);
    rows_.push_back(row);
    return number;
}

void RowQueue::mark_alloc(uint64_t number) {
    TraceRow mark;
    mark.state = TraceRow::State::dropped;
    mark.is_alloc = true;
    mark.moved_to = number;
    (*this)[number].alloc_place = front_ + rows_.size();
    (*this)[number].mark(Field::alloc);
    rows_.push_back(mark);
}

void RowQueue::set_slot(uint64_t number, SwapEntry slot) {
    TraceRow& row = (*this)[number];
    row.type = static_cast<uint8_t>(slot.type());
    row.offset = slot.offset();
    row.mark(Field::type);
    row.mark(Field::offset);
}

void RowQueue::set_result(uint64_t number, int64_t result) {
    (*this)[number].result = static_cast<int32_t>(result);
    (*this)[number].mark(Field::result);
}

void RowQueue::set_handle(uint64_t number, uint64_t handle) {
    (*this)[number].handle = handle;
    (*this)[number].mark(Field::handle);
}

void RowQueue::set_page(uint64_t number, uint64_t page) {
    (*this)[number].page = page;
    (*this)[number].mark(Field::page);
}

void RowQueue::emit(uint64_t held) {
    while (!rows_.empty() && rows_.front().state != TraceRow::State::open) {
        TraceRow& front = rows_.front();
        if (front_ >= held && !is_full()) return;
        if (front.state == TraceRow::State::complete) {
            if (front.has(Field::call)) front.call_rows = left_ - front.left_before_call;
            if (front.has(Field::alloc)) front.alloc_rows = left_ - front.left_before_alloc;
            clear_unfit_size(front);
            ready_.push_back(front);
            ++left_;
        } else if (holds(front.moved_to)) {
            TraceRow& moved = (*this)[front.moved_to];
            (front.is_alloc ? moved.left_before_alloc : moved.left_before_call) = left_;
        }
        rows_.pop_front();
        ++front_;
    }
}

// An object larger than a page is one that was refused. Whether a store was, is known for good only when its row leaves.
void RowQueue::clear_unfit_size(TraceRow& row) {
    if (row.op != Op::store || !row.has(Field::size)) return;
    const bool refused = row.has(Field::result) && row.result < 0;
    if (row.size <= (refused ? 2 : 1) * page_bytes) return;
    row.clear(Field::size);
    ++unfit_sizes_;
}

}  // namespace zreplay
