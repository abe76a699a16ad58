// The columns before a line's event, in every style that the kernel and its tools print them in:
//
//     trace_pipe    kworker/0:2-47      [000] .N...    40.330286: store_ret: (…
//       record-tgid kworker/0:2-47      (     47) [000] .N...    40.330286: store_ret: (…
//     trace-cmd     kworker/0:2-47      [000]    40.330286: store_ret:             (…
//     perf script   kworker/0:2    47/47    [000] .N...    40.330286:       zreplay:store_ret: (…
//       without CPU kworker/0:2    47    40.330286: zreplay:store_ret: (…
//     latency       kworker/0:2-47        0.N...  330286us+: store_ret: (…
//     verbose       kworker/0:2      47   0 1 00000000 00000012 [00050a1e] 330.286ms (+0.001ms): store_ret: (…
//
// COMM is whatever a program calls itself: it may hold spaces, dashes, colons and brackets, so it cannot be read from
// the left. It is at most 15 bytes, which is too short to hold everything that must surround the true `[CPU]`; so the
// first bracket (or time, where there is none) with all of its neighbours around it is the right one.
#pragma once

#include <cstdint>
#include <string_view>

namespace zreplay {

struct Columns {
    int32_t pid = 0;
    uint16_t cpu = 0;
    bool has_cpu = true;    // perf script may be told to leave it out
    bool has_point = true;  // else the time is a count: trace_clock counter, x86-tsc or uptime
    int64_t ts_ns = 0;
    std::string_view event;  // without its group
    std::string_view rest;   // behind `EVENT:`
};

// False when the text is of none of these styles.
bool read_columns(std::string_view text, Columns& columns);

// What tools print between events and what is none: `cpus=4`, `version = 6`, `CPU 1 is empty`.
bool is_heading(std::string_view text);

// `CPU:3 [LOST 120 EVENTS]`, trace-cmd's `CPU:3 [120 EVENTS DROPPED]`: true, with the CPU and the number (1 when it is
// not said how many).
bool parse_lost_line(std::string_view text, uint16_t& cpu, uint64_t& lost);

}  // namespace zreplay
