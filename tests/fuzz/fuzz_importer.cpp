// libFuzzer over what reads a kernel's words: the importer of ftrace text, the sight before it, the merger of several texts
// and the ring buffer in binary. Built and run by tests/fuzz/fuzz_core.py.
//
// Whatever the bytes: no crash, no undefined behaviour, rows that every reader takes, messages of one line that name the
// line, the same rows wherever the text is cut, and each line counted.
//
//     input   | what | family | pool | cut | text or pages …
//
//     what    0: read whole and in pieces of `cut` bytes; 1: read whole; 2: two texts, merged; 3: pages
//     family  flags of the importer; the uppermost: sighted before
//
// Text is changed by lines and by the values in them, which comes further than bytes do.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "expect.hpp"
#include "trace/ftrace.hpp"
#include "trace/ftrace_sight.hpp"
#include "trace/line_merger.hpp"
#include "trace/ring_buffer.hpp"
#include "trace/rows.hpp"

using namespace zreplay;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {

constexpr size_t head_bytes = 4;

// ---- what must be so ----

const Functions& functions() {
    static const Functions some{{"zswap_store", "store"}, {"zs_malloc", "alloc"}, {"zs_free", "free"}, {"zram_submit_bio", "bio"}};
    return some;
}

void expect_message(const std::string& message) {
    EXPECT(message.starts_with("line "));
    expect_one_line(message);
}

template <class T>
struct Filled {
    std::vector<T> values;
    std::vector<uint8_t> bits;
    Column<T> column() const { return {values.data(), bits.data(), 0}; }
    void add(T value, bool has) {
        if (values.size() % 8 == 0) bits.push_back(0);
        if (has) bits.back() |= static_cast<uint8_t>(1u << values.size() % 8);
        values.push_back(value);
    }
};

void expect_rows(const std::vector<TraceRow>& rows) {
    Filled<int64_t> ts_ns;
    Filled<int8_t> op;
    Filled<uint8_t> type;
    Filled<uint64_t> offset;
    Filled<uint32_t> size;
    Filled<int32_t> result;
    for (size_t i = 0; i < rows.size(); ++i) {
        const TraceRow& row = rows[i];
        ts_ns.add(row.ts_ns, true);
        op.add(static_cast<int8_t>(row.op), true);
        type.add(row.type, row.has(Field::type));
        offset.add(row.offset, row.has(Field::offset));
        size.add(row.size, row.has(Field::size));
        result.add(row.result, row.has(Field::result));
        if (row.has(Field::call)) EXPECT(row.call_rows <= i);
        if (row.has(Field::alloc)) EXPECT(row.alloc_rows <= i);
    }
    EventBatch batch;
    batch.rows = static_cast<int64_t>(rows.size());
    batch.ts_ns = ts_ns.column();
    batch.op_code = op.column();
    batch.type = type.column();
    batch.offset = offset.column();
    batch.size = size.column();
    batch.result = result.column();
    for (size_t code = 0; code < op_count; ++code) batch.op_of_code[code] = static_cast<Op>(code);
    const BadRow bad = find_bad_row(batch, INT64_MIN);
    if (bad.row >= 0) std::fprintf(stderr, "row %lld: %s=%s, expected %s\n", static_cast<long long>(bad.row), bad.column.c_str(), bad.found.c_str(), bad.expected.c_str());
    EXPECT(bad.row < 0);
}

bool same(const TraceRow& a, const TraceRow& b) {
    return a.ts_ns == b.ts_ns && a.op == b.op && a.present == b.present && a.offset == b.offset && a.type == b.type &&
           a.size == b.size && a.result == b.result && a.handle == b.handle && a.pid == b.pid && a.call_rows == b.call_rows &&
           a.alloc_rows == b.alloc_rows && a.stored == b.stored && a.pool_pages == b.pool_pages;
}

struct Read {
    std::vector<TraceRow> rows;
    ImportCounts counts;
    bool is_refused;  // for what contradicts itself: of its rows nothing is written
};

Read import(std::string_view text, uint8_t family, uint8_t pool, size_t cut) {
    static const std::array<PagesMade, 4> made{
        PagesMade(), PagesMade::one(), PagesMade(ClassTable(ClassRule::a, 4)), PagesMade(ClassTable(ClassRule::b, 8))};
    auto flag = [&](int bit) { return (family >> bit & 1) != 0; };
    const RecordedLimits limits = pool & 8 ? RecordedLimits{4, 2} : RecordedLimits{};
    FtraceImporter importer({flag(0), flag(1), flag(2), flag(3), flag(4), flag(5), flag(6)}, pool & 4 ? 8 : 0, limits, made[pool % 4], functions());
    if (!cut) importer.feed(text);
    else
        for (size_t at = 0; at < text.size(); at += cut) importer.feed(text.substr(at, cut));
    importer.finish();
    for (const std::string& message : importer.messages()) expect_message(message);
    EXPECT(importer.messages().size() <= FtraceImporter::most_messages);
    if (!importer.contradiction().empty()) expect_message(importer.contradiction());
    return {importer.take(), importer.counts(), !importer.contradiction().empty()};
}

void expect_import(std::string_view text, uint8_t family, uint8_t pool, uint8_t cut) {
    if (family >> 7) (void)sight(text, functions());
    const Read read = import(text, family, pool, 0);
    if (!read.is_refused) expect_rows(read.rows);
    const auto newlines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
    EXPECT(read.counts.lines <= newlines + 1);
    if (!cut || read.is_refused) return;
    const Read again = import(text, family, pool, cut);
    EXPECT(again.counts.lines == read.counts.lines && again.counts.unpaired_lines == read.counts.unpaired_lines);
    EXPECT(again.rows.size() == read.rows.size() && std::equal(again.rows.begin(), again.rows.end(), read.rows.begin(), same));
}

// Two texts come out as one that has all of their lines.
void expect_merged(std::string_view text, uint8_t family, uint8_t pool, uint8_t cut) {
    LineMerger merger(2);
    std::array<std::string_view, 2> halves{text.substr(0, text.size() / 2), text.substr(text.size() / 2)};
    const size_t bytes = text.size() + 2;
    std::string merged;
    for (ptrdiff_t wants; (wants = merger.wants()) >= 0; merged += merger.take()) {
        std::string_view& half = halves[static_cast<size_t>(wants)];
        const size_t some = std::min<size_t>(half.size(), cut + size_t{1});
        if (some) merger.feed(static_cast<size_t>(wants), half.substr(0, some));
        else merger.end(static_cast<size_t>(wants));
        half.remove_prefix(some);
    }
    merged += merger.take();
    EXPECT(merged.size() >= text.size() && merged.size() <= bytes);
    expect_import(merged, family, pool, 0);
}

// Pages as a kernel hands them out, of a page each as far as they go.
void expect_ring(std::string_view data, uint8_t family, uint8_t pool, uint8_t cut) {
    RingBuffer ring;
    ring.add_event(1, {"store", "zswap_store", false, {{"swap", 8, 8, false, true, false}}});
    ring.add_event(2, {"store", "zswap_store", true, {{"ret", 8, 4, true, false, false}, {"stored", 12, 8, true, false, false}}});
    ring.add_event(3, {"alloc", "zs_malloc", false, {{"size", 8, 8, false, false, false}, {"name", 16, 4, false, false, true}}});
    ring.add_event(4, {"free", "zs_free", false, {{"handle", 4, 8, false, true, false}, {"dev", 60000, 2, true, false, false}}});
    const size_t page = size_t{16} + 8 * cut;
    std::string text;
    for (uint16_t cpu = 0; !data.empty(); ++cpu) {
        const std::string_view some = data.substr(0, page);
        data.remove_prefix(some.size());
        try {
            const uint64_t seen = ring.feed(cpu, some);
            if (cpu % 2) text += ring.take(seen);
        } catch (const std::invalid_argument&) {}
    }
    text += ring.take(UINT64_MAX);
    expect_import(text, family, pool, 0);
}

// ---- how text is changed ----

using Random = std::minstd_rand;

size_t pick(Random& random, size_t below) { return below ? random() % below : 0; }

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

constexpr std::array<const char*, 26> numbers{
    "0", "1", "2", "7", "100", "1000", "4095", "4096", "4097", "8192", "65536", "-1", "-12", "-4095", "-4096", "4294967284", "4294967295",
    "288230376151711743", "288230376151711744", "9223372036854775807", "9223372036854775808", "18446744073709551604",
    "0xffff888000000040", "0xffff888000000080", "(fault)", ""};
constexpr std::array<const char*, 24> keys{
    "type", "offset", "size", "handle", "ret", "stored", "pool", "pages", "freed", "page", "op", "sector", "index", "swap", "referenced",
    "nr", "cgroup", "node", "newpage", "dev", "zspage", "free", "full", "place"};
constexpr std::array<const char*, 22> events{
    "store", "load", "invalidate", "invalidate_area", "writeback", "shrink", "compact", "migrate", "visit", "scan", "zwriteback", "alloc",
    "map", "free", "locked", "rw", "bio", "slotfree", "slot", "other", "zswap_store", "p_zs_malloc_0"};

std::string new_line(Random& random) {
    const std::string event = events[pick(random, events.size())];
    const bool is_return = random() % 2;
    std::string line = " task-" + std::to_string(1 + pick(random, 3)) + " [00" + std::to_string(pick(random, 2)) + "] d..1. 4." +
                       std::to_string(100000 + pick(random, 1000)) + ": " + event + (is_return ? "_ret: (caller+0x1/0x2 <- x)" : ": (x+0x0/0x20)");
    for (size_t i = pick(random, 4); i > 0; --i) line += ' ' + std::string(keys[pick(random, keys.size())]) + '=' + numbers[pick(random, numbers.size())];
    return line;
}

// Another value, of one of its keys.
void change_value(std::string& line, Random& random) {
    std::vector<size_t> equals;
    for (size_t at = line.find('='); at != line.npos; at = line.find('=', at + 1)) equals.push_back(at);
    if (equals.empty()) {
        line += ' ' + std::string(keys[pick(random, keys.size())]) + '=' + numbers[pick(random, numbers.size())];
        return;
    }
    const size_t begin = equals[pick(random, equals.size())] + 1;
    const size_t end = std::min(line.find(' ', begin), line.size());
    line.replace(begin, end - begin, numbers[pick(random, numbers.size())]);
}

void change_lines(std::vector<std::string>& lines, Random& random) {
    if (lines.empty()) return lines.push_back(new_line(random));
    const size_t at = pick(random, lines.size()), other = pick(random, lines.size());
    const auto place = lines.begin() + static_cast<ptrdiff_t>(at);
    switch (random() % 10) {
        case 0: lines.insert(place, std::string(lines[other])); break;
        case 1: lines.erase(place); break;
        case 2: std::swap(lines[at], lines[other]); break;
        case 3: lines.insert(place, new_line(random)); break;
        case 4: {  // a call in the hands of another task
            const size_t dash = lines[at].find('-');
            if (dash != std::string::npos && dash + 1 < lines[at].size()) lines[at][dash + 1] = static_cast<char>('1' + pick(random, 4));
            break;
        }
        case 5: {  // a call instead of its return, or the other way round
            const size_t found = lines[at].find("_ret:");
            if (found != std::string::npos) lines[at].erase(found, 4);
            else if (const size_t colon = lines[at].find(": ", lines[at].find('[') == std::string::npos ? 0 : lines[at].find(']')); colon != std::string::npos)
                lines[at].insert(std::min(lines[at].find(": ", colon + 2), lines[at].size()), "_ret");
            break;
        }
        case 6: std::rotate(lines.begin(), place, lines.end()); break;
        case 7: lines.insert(place, "CPU:0 [LOST 3 EVENTS]"); break;
        default: change_value(lines[at], random);
    }
}

// A bio of 256 MiB, the longest that is taken, is 65,536 rows, ten thousand times what other texts are: all but a few are cut
// to 64 KiB, a digit less each time.
size_t with_shorter_bios(uint8_t* data, size_t size) {
    constexpr std::string_view key = "size=";
    std::string text(reinterpret_cast<const char*>(data), size);
    for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
        const size_t begin = at + key.size();
        while (true) {
            char* end;
            const uint64_t value = std::strtoull(text.c_str() + begin, &end, 0);
            if (value <= 64 << 10 || value > 256 << 20) break;
            text.erase(static_cast<size_t>(end - text.c_str()) - 1, 1);
        }
    }
    std::memcpy(data, text.data(), text.size());
    return text.size();
}

size_t written(const std::vector<std::string>& lines, uint8_t* out, size_t most) {
    size_t size = 0;
    for (const std::string& line : lines) {
        if (size + line.size() + 1 > most) break;
        std::memcpy(out + size, line.data(), line.size());
        size += line.size();
        out[size++] = '\n';
    }
    return size;
}

size_t mutated(uint8_t* data, size_t size, size_t most, Random& random) {
    if (size <= head_bytes || data[0] % 4 == 3 || random() % 4 == 0 || most <= head_bytes) return LLVMFuzzerMutate(data, size, most);
    if (random() % 8 == 0) data[pick(random, head_bytes)] = static_cast<uint8_t>(random() % 256);
    auto lines = lines_of({reinterpret_cast<const char*>(data) + head_bytes, size - head_bytes});
    for (size_t times = 1 + pick(random, 4); times > 0; --times) change_lines(lines, random);
    return head_bytes + written(lines, data + head_bytes, most - head_bytes);
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
    Random random(seed + 1);
    size = mutated(data, size, most, random);
    return random() % 256 ? with_shorter_bios(data, size) : size;
}

extern "C" size_t LLVMFuzzerCustomCrossOver(
    const uint8_t* first, size_t first_size, const uint8_t* second, size_t second_size, uint8_t* out, size_t most, unsigned seed) {
    if (first_size <= head_bytes || second_size <= head_bytes || most <= head_bytes) return 0;
    Random random(seed + 1);
    auto lines = lines_of({reinterpret_cast<const char*>(first) + head_bytes, first_size - head_bytes});
    const auto others = lines_of({reinterpret_cast<const char*>(second) + head_bytes, second_size - head_bytes});
    if (others.empty()) return 0;
    const size_t begin = pick(random, others.size()), count = 1 + pick(random, others.size() - begin);
    const auto from = others.begin() + static_cast<ptrdiff_t>(begin);
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(pick(random, lines.size() + 1)), from, from + static_cast<ptrdiff_t>(count));
    std::memcpy(out, first, head_bytes);
    return head_bytes + written(lines, out + head_bytes, most - head_bytes);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < head_bytes) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + head_bytes, size - head_bytes);
    const uint8_t family = data[1], pool = data[2], cut = data[3];
    switch (data[0] % 4) {
        case 1: expect_import(rest, family, pool, 0); break;
        case 2: expect_merged(rest, family, pool, cut); break;
        case 3: expect_ring(rest, family, pool, cut); break;
        default: expect_import(rest, family, pool, cut);
    }
    return 0;
}
