#include "event_batch.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

namespace {

// The dictionary's words, in whatever order the writer put them, as the engine's operations.
std::array<Op, 128> read_dictionary(const ArrowArray& dictionary) {
    std::array<Op, 128> op_of_code{};
    const auto* ends = static_cast<const int32_t*>(dictionary.buffers[1]) + dictionary.offset;
    const auto* text = static_cast<const char*>(dictionary.buffers[2]);
    for (int64_t code = 0; code < std::min<int64_t>(dictionary.length, 128); ++code) {
        std::string_view word(text + ends[code], static_cast<size_t>(ends[code + 1] - ends[code]));
        auto place = std::find(op_names.begin(), op_names.end(), word);
        if (place == op_names.end()) throw nanobind::value_error(("unknown op '" + std::string(word) + "'").c_str());
        op_of_code[static_cast<size_t>(code)] = static_cast<Op>(place - op_names.begin());
    }
    return op_of_code;
}

void number_ops(EventBatch& events) {
    for (size_t op = 0; op < op_count; ++op) events.op_of_code[op] = static_cast<Op>(op);
    events.codes_are_ops = true;
}

}  // namespace

EventBatch numbered_events(const ArrowBatch& batch) {
    EventBatch events;
    events.rows = batch.rows();
    number_ops(events);
    events.ts_ns = column_of<int64_t>(batch, "ts_ns", "l");
    events.op_code = column_of<int8_t>(batch, "op", "c");
    events.type = column_of<uint8_t>(batch, "type", "C");
    events.offset = column_of<uint64_t>(batch, "offset", "L");
    events.size = column_of<uint32_t>(batch, "size", "I");
    events.result = column_of<int32_t>(batch, "result", "i");
    events.cpu = column_of<uint16_t>(batch, "cpu", "S");
    events.pid = column_of<int32_t>(batch, "pid", "i");
    events.seen_pool_pages = column_of<int64_t>(batch, "seen_pool_pages", "l");
    events.seen_stored = column_of<int64_t>(batch, "seen_stored", "l");
    events.call_ts_ns = column_of<int64_t>(batch, "call_ts_ns", "l");
    events.call_rows = column_of<uint32_t>(batch, "call_rows", "I");
    events.alloc_rows = column_of<uint32_t>(batch, "alloc_rows", "I");
    events.return_ts_ns = column_of<int64_t>(batch, "return_ts_ns", "l");
    events.seen_page = column_of<uint64_t>(batch, "seen_page", "L");
    events.seen_handle = column_of<uint64_t>(batch, "seen_handle", "L");
    events.made_pages = column_of<uint8_t>(batch, "made_pages", "C");
    events.asked_by = column_of<int8_t>(batch, "asked_by", "c");
    events.cgroup = column_of<uint64_t>(batch, "cgroup", "L");
    events.node = column_of<uint16_t>(batch, "node", "S");
    return events;
}

EventBatch event_batch(const ArrowBatch& batch) {
    EventBatch events = numbered_events(batch);
    const ArrowArray* op = batch.column("op", "c");
    if (!op || !events.ts_ns.values)
        throw nanobind::type_error("a batch of events needs the columns ts_ns (int64) and op (dictionary of strings)");
    if (!op->dictionary) return events;  // the generator's own
    const std::array<Op, 128> numbered = events.op_of_code;
    events.op_of_code = read_dictionary(*op->dictionary);
    events.codes_are_ops = events.op_of_code == numbered;
    return events;
}

HeldBatch::HeldBatch(nanobind::object given)
    : batch(std::move(given)), columns_(batch), decoded([this] {
          const EventBatch events = event_batch(columns_);
          const nanobind::gil_scoped_release unlocked;
          return DecodedBatch(events);
      }()) {}

}  // namespace zreplay
