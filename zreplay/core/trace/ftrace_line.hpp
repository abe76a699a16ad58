// One line of ftrace text, taken apart:
//
//     kworker/0:2-47      [000] .N...    40.330286: store_ret: (caller+0x56/0xd0 <- probe) ret=0 stored=1 pool=4096
//     columns (ftrace_columns.hpp)                  EVENT       PROBE POINT               key=value …
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace zreplay {

// The probes by the names the recorder gives them. A `_ret` is its call with `is_return` set.
enum class Probe : uint8_t {
    store, load, invalidate, invalidate_area, writeback, shrink, compact, migrate,  // as in Op
    visit, scan, zwriteback,                                                        // who evicts: zswap since 6.8, zram
    alloc, map, free, locked,                                                       // inside those
    rw, bio, slotfree, slot,                                                        // zram's own
    other,                                                                          // not one of ours
};

// The arguments a probe may carry; each is a bit of FtraceLine::present.
enum class Key : uint8_t {
    type, offset, size, handle, ret, stored, pool, pages, freed, page, op, sector, index,
    swap, referenced, nr, cgroup, node, nid, newpage, place, base, full, vmemmap, direct, dev, zspage, free, count
};

struct FtraceLine {
    Probe probe = Probe::other;
    bool is_return = false;
    bool has_cpu = true;
    bool has_point = true;  // else the time is a count, not seconds
    uint16_t cpu = 0;
    int32_t pid = 0;
    int64_t ts_ns = 0;
    bool names_zsmalloc = false;  // the probe point, or an event named after it, is zs_malloc: it returns a handle
    uint32_t present = 0;
    uint64_t values[static_cast<size_t>(Key::count)] = {};  // negative numbers as two's complement

    bool has(Key key) const { return present >> static_cast<uint32_t>(key) & 1; }
    uint64_t operator[](Key key) const { return values[static_cast<size_t>(key)]; }
};

// Kernel function → the probe at its entry, by the recorder's name (zreplay/trace/families/functions.py).
using Functions = std::map<std::string, std::string, std::less<>>;

// Fills `line`; returns an empty string, or what was expected and found. An event of another name is known by the function
// it is a probe of: in its probe point, or in the name the kernel or perf gave it.
std::string parse_ftrace_line(std::string_view text, FtraceLine& line, const Functions& functions = {});

// Whether a kernel function that answers with 0 or minus an errno can have returned this: also as 32 bits without a sign, as
// a probe that does not say `:s32` prints an int.
constexpr bool is_errno(uint64_t value) {
    constexpr uint64_t most = 4095;  // MAX_ERRNO
    return value == 0 || value >= 0 - most || (value <= UINT32_MAX && value >= uint64_t{UINT32_MAX} + 1 - most);
}

// The names of the probe and of the keys, as in a line.
std::string_view name_of(Probe probe);
std::string_view name_of(Key key);

}  // namespace zreplay
