// What to replay a trace through, and what to write down.
#pragma once

#include <cstdint>
#include <string>

#include "swap/limits.hpp"

namespace zreplay {

struct ReplayConfig {
    std::string index = "rbtree";
    std::string pool = "zbud";
    std::string kernel = "6.1";
    bool driven = false;  // the recording decides, not the model
    bool paced = false;   // evictions of the model at the recorded moments (zswap_6_1.hpp)
    Limits limits;
    uint64_t sample_events = 1000;  // a row of the timeline every so many events …
    int64_t sample_ns = 0;          // … or, when not 0, every so much trace time
    uint64_t check_every = 0;       // check() both structures every so many events; 0: only at the end
    bool observe = false;           // write down the model's state after every event
};

}  // namespace zreplay
