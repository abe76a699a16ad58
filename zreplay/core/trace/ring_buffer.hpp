// The kernel's ring buffer in binary (per_cpu/cpuN/trace_pipe_raw), turned into the text of trace_pipe: the kernel's own
// formatting of a line costs a hundred times what handing out its bytes does.
//
//     page    | u64 time | u64 commit | event event … |        events/header_page
//     event   | u32: 5 bits type_len, 27 bits time_delta | data |    events/header_event
//
// Pages of 64-bit kernels. What the fields of an event are is in its `format` file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace zreplay {

// One field of an event behind the common ones.
struct RingField {
    std::string name;
    uint32_t offset = 0, size = 0;
    bool is_signed = false, is_hex = false, is_string = false;  // a string is a __data_loc word
};

struct RingEvent {
    std::string name;
    std::string function;  // for the probe point
    bool at_return = false;
    std::vector<RingField> fields;
};

class RingBuffer {
  public:
    static constexpr size_t page_header_bytes = 16;

    // By the event's number (the common_type of its records). Records of other events are passed over.
    void add_event(uint16_t number, RingEvent event);

    // One page as a read of trace_pipe_raw gives it; the time of its last event. Throws std::invalid_argument for one that is
    // no such page.
    uint64_t feed(uint16_t cpu, std::string_view page);

    // The lines of events before a time (mono, ns), in order of time: all CPUs have been read up to then.
    std::string take(uint64_t before_ns);

    uint64_t events() const { return events_; }

  private:
    struct Line {
        uint64_t ts_ns;
        size_t begin, end;  // in text_
    };
    void record(uint16_t cpu, uint64_t ts_ns, std::string_view data);

    std::unordered_map<uint16_t, RingEvent> kinds_;
    std::vector<Line> lines_;
    std::string text_;
    uint64_t events_ = 0;
};

}  // namespace zreplay
