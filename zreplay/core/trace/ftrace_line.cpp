#include "trace/ftrace_line.hpp"

#include <array>

#include "trace/ftrace_columns.hpp"
#include "types.hpp"

namespace zreplay {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
struct Name {
    std::string_view word;
    Probe probe;
    uint32_t required;         // keys of the call
    uint32_t required_return;  // keys of its _ret
};

template <class... Keys>
constexpr uint32_t keys(Keys... key) {
    return ((1u << static_cast<uint32_t>(key)) | ... | 0u);
}

constexpr uint32_t a_slot = keys(Key::type, Key::offset);
constexpr uint32_t an_object = keys(Key::handle);

// The most frequent first. `compact` answers with `freed`; alloc's return carries a status (zpool) or a handle (zs_malloc).
// Which slot a call is about comes as type and offset or as one word, `swap`; a writeback may name an object by its handle.
constexpr std::array<Name, 19> names{{
    {"store", Probe::store, a_slot, keys(Key::ret)},
    {"load", Probe::load, a_slot, keys(Key::ret)},
    {"map", Probe::map, keys(Key::handle), 0},
    {"alloc", Probe::alloc, keys(Key::size), 0},
    {"locked", Probe::locked, 0, 0},
    {"invalidate", Probe::invalidate, a_slot, 0},
    {"free", Probe::free, keys(Key::handle), 0},
    {"visit", Probe::visit, keys(Key::swap), keys(Key::ret)},
    {"rw", Probe::rw, keys(Key::sector, Key::op), 0},
    {"slotfree", Probe::slotfree, keys(Key::index), 0},
    {"writeback", Probe::writeback, an_object, keys(Key::ret)},
    {"shrink", Probe::shrink, 0, 0},
    {"scan", Probe::scan, 0, keys(Key::freed)},
    {"migrate", Probe::migrate, keys(Key::page), keys(Key::ret)},
    {"compact", Probe::compact, 0, keys(Key::freed)},
    {"slot", Probe::slot, keys(Key::index), 0},
    {"zwriteback", Probe::zwriteback, 0, 0},
    {"bio", Probe::bio, keys(Key::sector, Key::op), 0},
    {"invalidate_area", Probe::invalidate_area, keys(Key::type), 0},
}};

constexpr std::array<std::string_view, static_cast<size_t>(Key::count)> key_names{
    "type", "offset", "size", "handle", "ret", "stored", "pool", "pages", "freed", "page", "op", "sector", "index",
    "swap", "referenced", "nr", "cgroup", "node", "nid", "newpage", "place",
    "base", "full", "vmemmap", "direct", "dev", "zspage", "free"};

const Name* find_name(std::string_view word, bool& is_return) {
    is_return = word.ends_with("_ret");
    if (is_return) word.remove_suffix(4);
    for (const Name& name : names)
        if (name.word == word) return &name;
    return nullptr;
}

std::string quoted(std::string_view text) {
    constexpr size_t shown = 80;
    std::string out = "\"";
    for (char c : text.substr(0, shown)) out += c >= ' ' && c < 127 ? c : '?';
    return out + (text.size() > shown ? "…\"" : "\"");
}

std::string expected_key(size_t key, std::string_view arguments) {
    return "expected " + std::string(key_names[key]) + "=…, found " + quoted(arguments);
}

// A decimal or 0x number that fills the word; false for `(fault)` and for a number cut in two.
bool read_value(std::string_view word, uint64_t& value) {
    value = 0;
    if (word.starts_with("0x")) {
        if (word.size() < 3 || word.size() > 18) return false;
        for (char c : word.substr(2)) {
            int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0) return false;
            value = value << 4 | static_cast<uint64_t>(digit);
        }
        return true;
    }
    bool negative = word.starts_with('-');
    if (negative) word.remove_prefix(1);
    if (word.empty() || word.size() > 20) return false;
    for (char c : word) {
        if (!is_digit(c)) return false;
        value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    if (negative) value = 0 - value;
    return true;
}

// A word's place in a table of 64, by its length and three of its letters: no two keys fall into one.
constexpr size_t place_of(std::string_view word) {
    auto letter = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(word[at])); };
    return (letter(0) * 1 + letter(word.size() - 1) * 13 + letter(word.size() / 2) * 43 + word.size()) % 64;
}

constexpr uint8_t no_key = static_cast<uint8_t>(Key::count);

constexpr auto key_places = [] {
    std::array<uint8_t, 64> places{};
    places.fill(no_key);
    for (size_t key = 0; key < key_names.size(); ++key) {
        uint8_t& place = places[place_of(key_names[key])];
        if (place != no_key) throw "two keys in one place: choose other factors in place_of";
        place = static_cast<uint8_t>(key);
    }
    return places;
}();

size_t find_key(std::string_view word) {
    if (word.empty()) return key_names.size();
    const size_t key = key_places[place_of(word)];
    return key < key_names.size() && key_names[key] == word ? key : key_names.size();
}

std::string parse_arguments(std::string_view arguments, uint32_t required, FtraceLine& line) {
    size_t at = 0;
    while (at < arguments.size()) {
        size_t end = std::min(arguments.find(' ', at), arguments.size());
        std::string_view word = arguments.substr(at, end - at);
        at = end + 1;
        size_t equals = word.find('=');
        if (equals == word.npos) continue;
        size_t key = find_key(word.substr(0, equals));
        if (key == key_names.size()) continue;
        if (!read_value(word.substr(equals + 1), line.values[key])) return expected_key(key, arguments);
        line.present |= 1u << key;
    }
    if (line.has(Key::swap)) required &= ~(a_slot | an_object);
    if (uint32_t missing = required & ~line.present)
        return expected_key(static_cast<size_t>(__builtin_ctz(missing)), arguments);
    if (line.has(Key::swap) && line[Key::swap] >> SwapEntry::type_shift >= swap_types)
        return "expected swap= of a type below 32, found type " +
               std::to_string(line[Key::swap] >> SwapEntry::type_shift) + " in " + quoted(arguments);
    if (line.has(Key::type) && line[Key::type] >= swap_types)
        return "expected type= below 32, found " + quoted(arguments);
    if (line.has(Key::offset) && line[Key::offset] > SwapEntry::offset_mask)
        return "expected offset= below 2^58, found " + quoted(arguments);
    if (line.has(Key::pool) && line[Key::pool] % page_bytes)
        return "expected pool= in whole pages of 4096 bytes, found " + quoted(arguments);
    return {};
}

}  // namespace

std::string parse_ftrace_line(std::string_view text, FtraceLine& line) {
    Columns columns;
    if (!read_columns(text, columns)) return "expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …, found " + quoted(text);
    line.pid = columns.pid;
    line.cpu = columns.cpu;
    line.has_cpu = columns.has_cpu;
    line.has_point = columns.has_point;
    line.ts_ns = columns.ts_ns;
    const std::string_view event = columns.event;

    const Name* name = find_name(event, line.is_return);
    if (!name) return {};
    line.probe = name->probe;
    // The probe point is in parentheses and may itself hold `[module]` and spaces, but no parenthesis.
    std::string_view arguments = columns.rest;
    size_t closing = arguments.find(')');
    if (closing == arguments.npos) return "expected (PROBE POINT) after " + std::string(event) + ":, found " + quoted(arguments);
    arguments.remove_prefix(closing + 1);
    return parse_arguments(arguments, line.is_return ? name->required_return : name->required, line);
}

}  // namespace zreplay
