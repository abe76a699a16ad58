#include "trace/ftrace_line.hpp"

#include <algorithm>
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

// A word's place in a table of 64, by its length and three of its letters, each times a factor.
template <size_t first, size_t last, size_t middle>
constexpr size_t place_of(std::string_view word) {
    auto letter = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(word[at])); };
    return (letter(0) * first + letter(word.size() - 1) * last + letter(word.size() / 2) * middle + word.size()) % 64;
}

constexpr size_t key_place(std::string_view word) { return place_of<1, 13, 43>(word); }
constexpr size_t name_place(std::string_view word) { return place_of<1, 1, 29>(word); }

constexpr auto name_places = [] {
    std::array<uint8_t, 64> places{};
    places.fill(names.size());
    for (size_t name = 0; name < names.size(); ++name) {
        uint8_t& place = places[name_place(names[name].word)];
        if (place != names.size()) throw "two names in one place: choose other factors in name_place";
        place = static_cast<uint8_t>(name);
    }
    return places;
}();

const Name* find_name(std::string_view word, bool& is_return) {
    is_return = word.ends_with("_ret");
    if (is_return) word.remove_suffix(4);
    if (word.empty()) return nullptr;
    const size_t name = name_places[name_place(word)];
    return name < names.size() && names[name].word == word ? &names[name] : nullptr;
}

const Name* name_at(std::string_view function, const Functions& functions) {
    auto found = functions.find(function);
    bool is_return = false;
    return found == functions.end() ? nullptr : find_name(found->second, is_return);
}

bool remove_end(std::string_view& word, std::string_view end) {
    if (!word.ends_with(end)) return false;
    word.remove_suffix(end.size());
    return true;
}

// `p_zswap_store_0` and `r_zswap_store_0` are the kernel's own names, `zswap_store__return` is perf's.
const Name* find_by_function(std::string_view event, std::string_view rest, const Functions& functions, bool& is_return) {
    const size_t open = rest.find('('), close = rest.find(')');
    if (open < close && close != rest.npos) {
        std::string_view point = rest.substr(open + 1, close - open - 1);
        const size_t arrow = point.find("<- ");
        if (arrow != point.npos) point.remove_prefix(arrow + 3);
        const size_t end = std::min(point.find_first_of("+ "), point.size());
        if (const Name* name = name_at(point.substr(0, end), functions)) {
            is_return = arrow != point.npos;
            const std::string_view offset = point.substr(end);  // a probe inside the function is not of its call
            return is_return || !offset.starts_with('+') || offset.starts_with("+0x0/") ? name : nullptr;
        }
        is_return = arrow != point.npos;
    }
    if (remove_end(event, "_0") && (event.starts_with("p_") || event.starts_with("r_"))) {
        is_return |= event.front() == 'r';
        event.remove_prefix(2);
    } else {
        for (std::string_view word : {"__return", "_return", "_ret", "_exit"}) {
            if (!remove_end(event, word)) continue;
            is_return = true;
            break;
        }
    }
    return name_at(event, functions);
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
    if (word.starts_with("0x") || word.starts_with("0X")) {
        if (word.size() < 3 || word.size() > 18) return false;
        for (char c : word.substr(2)) {
            int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
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
        const auto digit = static_cast<uint64_t>(c - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (negative && value > uint64_t{1} << 63) return false;
    if (negative) value = 0 - value;
    return true;
}

constexpr uint8_t no_key = static_cast<uint8_t>(Key::count);

constexpr auto key_places = [] {
    std::array<uint8_t, 64> places{};
    places.fill(no_key);
    for (size_t key = 0; key < key_names.size(); ++key) {
        uint8_t& place = places[key_place(key_names[key])];
        if (place != no_key) throw "two keys in one place: choose other factors in key_place";
        place = static_cast<uint8_t>(key);
    }
    return places;
}();
constexpr uint64_t most_bytes = uint64_t{1} << 52;  // of memory, for a count that can be
constexpr uint64_t most_nodes = 1024;  // MAX_NUMNODES

size_t find_key(std::string_view word) {
    if (word.empty()) return key_names.size();
    const size_t key = key_places[key_place(word)];
    return key < key_names.size() && key_names[key] == word ? key : key_names.size();
}

// Numbers that count or index something, of which not every 64 bits can be.
std::string check_counts(std::string_view arguments, const FtraceLine& line) {
    if (line.has(Key::index) && line[Key::index] > SwapEntry::offset_mask)
        return "expected index= below 2^58, found " + quoted(arguments);
    if (line.has(Key::sector) && line[Key::sector] / (page_bytes / 512) > SwapEntry::offset_mask)
        return "expected sector= below 2^61, found " + quoted(arguments);
    for (Key key : {Key::stored, Key::pages, Key::pool, Key::freed}) {
        const bool is_stop = key == Key::freed && line[key] + 1 == 0;  // SHRINK_STOP
        if (line.has(key) && line[key] > (key == Key::freed ? INT32_MAX : most_bytes) && !is_stop)
            return "expected a count, " + std::string(key_names[static_cast<size_t>(key)]) + "=, found " + quoted(arguments);
    }
    for (Key key : {Key::node, Key::nid})  // -1: of no node
        if (line.has(key) && line[key] >= most_nodes && static_cast<int32_t>(line[key]) != -1)
            return "expected a node below 1,024, " + std::string(key_names[static_cast<size_t>(key)]) + "=, found " + quoted(arguments);
    return {};
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
    constexpr uint32_t counts = keys(Key::stored, Key::pages, Key::pool, Key::freed, Key::node, Key::nid, Key::index, Key::sector);
    if (line.present & counts)
        if (std::string error = check_counts(arguments, line); !error.empty()) return error;
    if (line.has(Key::pool) && line[Key::pool] % page_bytes)
        return "expected pool= in whole pages of 4096 bytes, found " + quoted(arguments);
    return {};
}

}  // namespace

std::string parse_ftrace_line(std::string_view text, FtraceLine& line, const Functions& functions) {
    Columns columns;
    if (!read_columns(text, columns)) return "expected COMM-PID [CPU] FLAGS SECONDS: EVENT: …, found " + quoted(text);
    line.pid = columns.pid;
    line.cpu = columns.cpu;
    line.has_cpu = columns.has_cpu;
    line.has_point = columns.has_point;
    line.ts_ns = columns.ts_ns;
    const std::string_view event = columns.event;

    const Name* name = find_name(event, line.is_return);
    if (!name) name = find_by_function(event, columns.rest, functions, line.is_return);
    if (!name) return {};
    line.probe = name->probe;
    // The probe point is in parentheses and may itself hold `[module]` and spaces, but no parenthesis.
    std::string_view arguments = columns.rest;
    size_t closing = arguments.find(')');
    if (closing == arguments.npos) return "expected (PROBE POINT) after " + std::string(event) + ":, found " + quoted(arguments);
    line.names_zsmalloc = line.probe == Probe::alloc && (arguments.substr(0, closing).find("zs_malloc") != arguments.npos ||
                                                        event.find("zs_malloc") != event.npos);
    arguments.remove_prefix(closing + 1);
    return parse_arguments(arguments, line.is_return ? name->required_return : name->required, line);
}

std::string_view name_of(Probe probe) {
    auto found = std::find_if(names.begin(), names.end(), [probe](const Name& name) { return name.probe == probe; });
    return found == names.end() ? std::string_view{} : found->word;
}

std::string_view name_of(Key key) { return key_names[static_cast<size_t>(key)]; }

}  // namespace zreplay
