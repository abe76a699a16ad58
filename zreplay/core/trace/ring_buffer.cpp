#include "trace/ring_buffer.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace zreplay {

namespace {

// enum ring_buffer_type: what type_len says beyond the length of a record, in words.
constexpr uint32_t padding = 29, time_extend = 30, time_stamp = 31;
constexpr uint32_t delta_bits = 27;
// A page's commit: the bytes of its events, and whether events were lost before it.
constexpr uint64_t commit_mask = (1u << 20) - 1, missed_events = 1u << 31, missed_stored = 1u << 30;
// A time stamp has 59 bits; those above are the page's.
constexpr uint64_t stamp_mask = (uint64_t{1} << 59) - 1;
constexpr size_t common_pid_at = 4;

template <class T>
T read(std::string_view data, size_t at) {
    T value{};
    if (at + sizeof value <= data.size()) std::memcpy(&value, data.data() + at, sizeof value);
    return value;
}

void append(std::string& text, uint64_t value, int base = 10) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    text.append(digits, end);
}

void append_padded(std::string& text, uint64_t value, size_t width) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    const size_t length = static_cast<size_t>(end - digits);
    if (length < width) text.append(width - length, '0');
    text.append(digits, end);
}

uint64_t value_of(std::string_view data, const RingField& field) {
    switch (field.size) {
        case 1: return field.is_signed ? static_cast<uint64_t>(read<int8_t>(data, field.offset)) : read<uint8_t>(data, field.offset);
        case 2: return field.is_signed ? static_cast<uint64_t>(read<int16_t>(data, field.offset)) : read<uint16_t>(data, field.offset);
        case 4: return field.is_signed ? static_cast<uint64_t>(read<int32_t>(data, field.offset)) : read<uint32_t>(data, field.offset);
        default: return read<uint64_t>(data, field.offset);
    }
}

}  // namespace

void RingBuffer::add_event(uint16_t number, RingEvent event) { kinds_[number] = std::move(event); }

uint64_t RingBuffer::feed(uint16_t cpu, std::string_view page) {
    if (page.size() < page_header_bytes) throw std::invalid_argument("a page of the ring buffer: too short for its header");
    const uint64_t page_ts_ns = read<uint64_t>(page, 0);
    const uint64_t commit = read<uint64_t>(page, 8);
    const uint64_t bytes = commit & commit_mask;
    if (page_header_bytes + bytes > page.size())
        throw std::invalid_argument("a page of the ring buffer: it says to hold more than it has");
    const std::string_view events = page.substr(page_header_bytes, bytes);
    if (commit & missed_events) {  // as trace_pipe says it, and how many where there was room to note it
        const size_t begin = text_.size();
        text_ += "CPU:";
        append(text_, cpu);
        text_ += " [LOST ";
        if (commit & missed_stored) {
            append(text_, read<uint64_t>(page, page_header_bytes + bytes));
            text_ += ' ';
        }
        text_ += "EVENTS]\n";
        lines_.push_back({page_ts_ns, begin, text_.size()});
    }
    uint64_t ts_ns = page_ts_ns;
    for (size_t at = 0; at + 4 <= events.size();) {
        const uint32_t head = read<uint32_t>(events, at);
        const uint32_t type_len = head & 31, delta = head >> 5;
        const uint32_t word = read<uint32_t>(events, at + 4);
        at += 4;
        if (type_len == padding) {
            if (!delta) return ts_ns;  // nothing more in this page
            ts_ns += delta;
            at += word;
        } else if (type_len == time_extend) {
            ts_ns += delta + (uint64_t{word} << delta_bits);
            at += 4;
        } else if (type_len == time_stamp) {
            ts_ns = (page_ts_ns & ~stamp_mask) | (delta + (uint64_t{word} << delta_bits));
            at += 4;
        } else {
            ts_ns += delta;
            // A record of more than 28 words says its length, itself included, in its first word.
            const size_t begin = type_len ? at : at + 4;
            const size_t end = at + (type_len ? 4 * type_len : (word + 3) & ~3u);
            if (end > events.size() || end < begin) throw std::invalid_argument("a page of the ring buffer: a record ends behind it");
            record(cpu, ts_ns, events.substr(begin, end - begin));
            at = end;
        }
    }
    return ts_ns;
}

void RingBuffer::record(uint16_t cpu, uint64_t ts_ns, std::string_view data) {
    const auto found = kinds_.find(read<uint16_t>(data, 0));
    if (found == kinds_.end()) return;
    const RingEvent& kind = found->second;
    const size_t begin = text_.size();
    // As trace_pipe has it: task-PID [CPU] flags time: event: (probe point) key=value …
    text_ += "task-";
    append(text_, read<uint32_t>(data, common_pid_at));
    text_ += " [";
    append_padded(text_, cpu, 3);
    text_ += "] ..... ";
    append(text_, ts_ns / 1'000'000'000);
    text_ += '.';
    append_padded(text_, ts_ns % 1'000'000'000, 9);
    text_ += ": ";
    text_ += kind.name;
    text_ += kind.at_return ? ": (caller <- " : ": (";
    text_ += kind.function;
    text_ += kind.at_return ? ")" : "+0x0/0x0)";
    for (const RingField& field : kind.fields) {
        text_ += ' ';
        text_ += field.name;
        text_ += '=';
        if (field.is_string) {  // __data_loc: where it is in the low half, its length in the high one
            const uint32_t place = read<uint32_t>(data, field.offset);
            std::string_view word = data.substr(std::min<size_t>(place & 0xFFFF, data.size()), place >> 16);
            word = word.substr(0, word.find('\0'));
            text_ += '"';
            text_.append(word);
            text_ += '"';
            continue;
        }
        uint64_t value = value_of(data, field);
        if (field.is_hex) {
            text_ += "0x";
            append(text_, value, 16);
        } else {
            if (field.is_signed && static_cast<int64_t>(value) < 0) {
                text_ += '-';
                value = 0 - value;
            }
            append(text_, value);
        }
    }
    text_ += '\n';
    lines_.push_back({ts_ns, begin, text_.size()});
    ++events_;
}

std::string RingBuffer::take(uint64_t before_ns) {
    // Of one CPU they are in order already; those of one time stay as they came.
    std::ranges::stable_sort(lines_, {}, &Line::ts_ns);
    const auto end = std::ranges::lower_bound(lines_, before_ns, {}, &Line::ts_ns);
    std::string out, rest;
    std::vector<Line> later;
    for (auto line = lines_.begin(); line != end; ++line) out.append(text_, line->begin, line->end - line->begin);
    for (auto line = end; line != lines_.end(); ++line) {
        later.push_back({line->ts_ns, rest.size(), rest.size() + line->end - line->begin});
        rest.append(text_, line->begin, line->end - line->begin);
    }
    text_ = std::move(rest);
    lines_ = std::move(later);
    return out;
}

}  // namespace zreplay
