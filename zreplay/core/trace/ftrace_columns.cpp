#include "trace/ftrace_columns.hpp"

#include <cstring>

namespace zreplay {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
constexpr bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

const char* skip_spaces(const char* at, const char* end) {
    while (at < end && *at == ' ') ++at;
    return at;
}

// Reads decimal digits, at most `most` of them; returns where they end, or nullptr when there are none or too many.
const char* read_digits(const char* at, const char* end, int most, uint64_t& value) {
    const char* start = at;
    value = 0;
    while (at < end && is_digit(*at)) value = value * 10 + static_cast<uint64_t>(*at++ - '0');
    return at == start || at - start > most ? nullptr : at;
}

const char* read_hex(const char* at, const char* end, int most, uint64_t& value) {
    const char* start = at;
    for (value = 0; at < end && is_hex(*at); ++at)
        value = value << 4 | static_cast<uint64_t>(is_digit(*at) ? *at - '0' : *at - 'a' + 10);
    return at == start || at - start > most ? nullptr : at;
}

const char* spaces_before(const char* start, const char* at) {
    while (at > start && at[-1] == ' ') --at;
    return at;
}

const char* digits_before(const char* start, const char* at) {
    while (at > start && is_digit(at[-1])) --at;
    return at;
}

bool read_whole(const char* at, const char* end, uint64_t most, uint64_t& value) {
    return read_digits(at, end, 19, value) == end && value <= most;
}

// The task before `at`: `COMM-PID `, `COMM-PID (TGID) `, or perf's `COMM PID ` and `COMM PID/TID `.
bool read_pid(const char* start, const char* at, int32_t& pid) {
    if (at == start || at[-1] != ' ') return false;
    at = spaces_before(start, at);
    if (at > start && at[-1] == ')') {
        while (at > start && *at != '(') --at;
        at = spaces_before(start, at);
    }
    const char* end = at;
    at = digits_before(start, at);
    if (at == end || at == start) return false;
    const char* first = at;
    if (at[-1] == '/') {  // what probes are of is a thread: TID
        at = digits_before(start, at - 1);
        if (at == start || at[-1] != ' ') return false;
    }
    uint64_t value = 0;
    if ((at[-1] != '-' && at[-1] != ' ') || !read_whole(first, end, INT32_MAX, value)) return false;
    if (at[-1] == ' ' && spaces_before(start, at) == start) return false;  // no COMM
    pid = static_cast<int32_t>(value);
    return true;
}

// `SECONDS.FRACTION`, or a count.
const char* read_time(const char* at, const char* end, Columns& columns) {
    uint64_t value = 0;
    at = read_digits(at, end, 19, value);
    if (!at) return nullptr;
    columns.has_point = at < end && *at == '.';
    if (!columns.has_point) {
        if (value > INT64_MAX) return nullptr;
        columns.ts_ns = static_cast<int64_t>(value);
        return at;
    }
    if (value >= INT64_MAX / 1'000'000'000) return nullptr;
    const char* fraction = at + 1;
    uint64_t part = 0;
    at = read_digits(fraction, end, 9, part);
    if (!at) return nullptr;
    for (auto digits = at - fraction; digits < 9; ++digits) part *= 10;
    columns.ts_ns = static_cast<int64_t>(value * 1'000'000'000 + part);
    return at;
}

// `: [PERIOD] [GROUP:]EVENT:` behind a time.
bool read_event(const char* at, const char* end, Columns& columns) {
    if (at >= end || *at != ':') return false;
    const char* name = skip_spaces(at + 1, end);
    uint64_t period = 0;
    if (name < end && is_digit(*name)) {
        name = read_digits(name, end, 19, period);
        if (!name || name == end || *name != ' ') return false;
        name = skip_spaces(name, end);
    }
    at = name;
    while (at < end && is_word(*at)) ++at;
    if (at == name || at == end || *at != ':') return false;
    if (at + 1 < end && is_word(at[1])) {
        const char* event = at + 1;
        const char* behind = event;
        while (behind < end && is_word(*behind)) ++behind;
        if (behind < end && *behind == ':') {
            name = event;
            at = behind;
        }
    }
    columns.event = {name, static_cast<size_t>(at - name)};
    columns.rest = {at + 1, static_cast<size_t>(end - at - 1)};
    return true;
}

// `[CPU] FLAGS TIME: EVENT:` from `bracket` on; FLAGS is absent without irq-info, and in some tools' output.
bool read_bracketed(const char* start, const char* bracket, const char* end, Columns& columns) {
    uint64_t cpu = 0;
    const char* at = read_digits(bracket + 1, end, 5, cpu);
    if (!at || at == end || *at != ']' || cpu > UINT16_MAX) return false;
    if (!read_pid(start, bracket, columns.pid)) return false;
    const char* word = skip_spaces(at + 1, end);
    if (word == at + 1) return false;
    if (word < end && !is_digit(*word)) {
        while (word < end && *word != ' ') ++word;
        word = skip_spaces(word, end);
    }
    columns.cpu = static_cast<uint16_t>(cpu);
    at = read_time(word, end, columns);
    return at && read_event(at, end, columns);
}

// `COMM PID CPU FLAGS PREEMPT IDX [MICROSECONDS IN HEX] TIME (+DELTA): EVENT:`; some kernels leave PREEMPT out, and some
// texts have seconds in the brackets.
bool read_verbose(const char* start, const char* bracket, const char* end, Columns& columns) {
    uint64_t value = 0;
    const char* inside = skip_spaces(bracket + 1, end);
    const char* at = read_time(inside, end, columns);
    if (!at || at == end || *at != ']' || !columns.has_point) {
        at = read_hex(inside, end, 16, value);
        if (!at || at == end || *at != ']' || value > INT64_MAX / 1000) return false;
        columns.ts_ns = static_cast<int64_t>(value * 1000);
        columns.has_point = true;
    }
    at = skip_spaces(at + 1, end);
    const char* colon = at;
    while (colon < end && (is_digit(*colon) || std::memchr("ms.(+)- ", *colon, 8))) ++colon;
    if (colon == at || !read_event(colon, end, columns)) return false;
    if (std::memchr(at, 'm', static_cast<size_t>(colon - at)) == nullptr) {  // the clock does not count nanoseconds
        if (!read_digits(at, colon, 18, value)) return false;
        columns.ts_ns = static_cast<int64_t>(value);
        columns.has_point = false;
    }
    at = bracket;
    int words = 0;
    for (;; ++words) {
        const char* last = spaces_before(start, at);
        const char* first = last;
        while (first > start && is_hex(first[-1])) --first;
        if (last == at || last - first < 8) break;
        at = first;
    }
    if (!words) return false;
    // FLAGS, CPU, and PID before them.
    at = spaces_before(start, at);
    const char* flags = digits_before(start, at);
    if (flags == at) return false;
    at = spaces_before(start, flags);
    const char* first = digits_before(start, at);
    uint64_t cpu = 0;
    if (at == flags || !read_whole(first, at, UINT16_MAX, cpu)) return false;
    columns.cpu = static_cast<uint16_t>(cpu);
    return read_pid(start, first, columns.pid);
}

// From a colon back: `COMM-PID CPUFLAGS TIMEus+`, or perf's `COMM PID TIME`.
bool read_unbracketed(const char* start, const char* colon, const char* end, Columns& columns) {
    if (colon + 1 == end || colon[1] != ' ') return false;
    const char* at = colon;
    if (at > start && at[-1] != ' ' && std::memchr("$@*#!+", at[-1], 6)) --at;
    else at = spaces_before(start, at);
    const bool is_us = at - start > 2 && at[-1] == 's' && at[-2] == 'u';
    if (is_us) at -= 2;
    const char* digits = at;
    while (digits > start && (is_digit(digits[-1]) || digits[-1] == '.')) --digits;
    if (digits == at || read_time(digits, at, columns) != at || (is_us && columns.ts_ns > INT64_MAX / 1000)) return false;
    if (is_us) {
        if (columns.has_point) return false;
        columns.ts_ns *= 1000;
        columns.has_point = true;
    }
    const char* word_end = spaces_before(start, digits);
    if (word_end == digits || !read_event(colon, end, columns)) return false;
    const char* word = word_end;
    while (word > start && word[-1] != ' ') --word;
    uint64_t cpu = 0;
    const char* flags = read_digits(word, word_end, 5, cpu);
    if (flags && flags < word_end && *flags != '/') {
        columns.cpu = static_cast<uint16_t>(cpu);
        return cpu <= UINT16_MAX && read_pid(start, word, columns.pid);
    }
    columns.has_cpu = false;
    columns.cpu = 0;
    return columns.has_point && read_pid(start, digits, columns.pid);
}

}  // namespace

bool read_columns(std::string_view text, Columns& columns) {
    const char* start = text.data();
    const char* end = start + text.size();
    for (const char* at = start; at < end; ++at) {
        at = static_cast<const char*>(std::memchr(at, '[', static_cast<size_t>(end - at)));
        if (!at) break;
        if (read_bracketed(start, at, end, columns) || read_verbose(start, at, end, columns)) return true;
    }
    for (const char* at = start; at < end; ++at) {
        at = static_cast<const char*>(std::memchr(at, ':', static_cast<size_t>(end - at)));
        if (!at) break;
        if (read_unbracketed(start, at, end, columns)) return true;
    }
    return false;
}

bool is_heading(std::string_view text) {
    uint64_t value = 0;
    auto number_between = [&](std::string_view before, std::string_view behind) {
        if (text.size() <= before.size() + behind.size() || !text.starts_with(before) || !text.ends_with(behind)) return false;
        const char* first = text.data() + before.size();
        const char* last = text.data() + text.size() - behind.size();
        return read_digits(skip_spaces(first, last), last, 9, value) == last;
    };
    return number_between("cpus=", "") || number_between("version =", "") || number_between("CPU ", " is empty");
}

bool parse_lost_line(std::string_view text, uint16_t& cpu, uint64_t& lost) {
    if (!text.starts_with("CPU:")) return false;
    const char* end = text.data() + text.size();
    uint64_t value = 0;
    const char* at = read_digits(text.data() + 4, end, 5, value);
    if (!at || value > UINT16_MAX) return false;
    std::string_view rest(at, static_cast<size_t>(end - at));
    cpu = static_cast<uint16_t>(value);
    lost = 1;
    if (rest == " [LOST EVENTS]" || rest == " [EVENTS DROPPED]") return true;
    for (auto [before, behind] : {std::pair<std::string_view, std::string_view>{" [LOST ", " EVENTS]"}, {" [", " EVENTS DROPPED]"}}) {
        if (!rest.starts_with(before) || !rest.ends_with(behind) || rest.size() <= before.size() + behind.size()) continue;
        const char* digits = rest.data() + before.size();
        const char* digits_end = end - behind.size();
        if (read_digits(digits, digits_end, 18, lost) == digits_end) return true;
    }
    return false;
}

}  // namespace zreplay
