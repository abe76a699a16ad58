// What a user may change about a model's decisions; a kernel profile is a set of these (zreplay/replay/profiles.py).
#pragma once

#include <vector>

#include "mm/inactive_lru.hpp"
#include "swap/limits.hpp"
#include "swap/slots.hpp"

namespace zreplay {

// The contiguous memory allocator asks for ranges: at rows of the trace, and every so many events.
struct Cma {
    uint64_t every_events = 0;  // 0: only at rows of the trace
    uint64_t percent = 10;      // of the pool's pages, where a row does not say how many
};

struct Policy {
    Limits limits;
    bool exclusive_loads = false;  // a load takes the entry away (a parameter of 6.5, always so since 6.9)
    bool keeps_incompressible = false;  // what does not compress stays as it is, 4096 bytes (6.18)
    bool same_filled = true;       // pages of one repeated word are seen and kept without pool memory
    bool follows_pages = false;    // a driven replay: what moves is what the recording says
    bool paced = false;            // the model's evictions happen at the recorded moments (zswap_6_1.hpp)
    std::vector<uint64_t> cgroups;  // those of the recorded machine that swapped, in the order of a walk over all
    SlotOptions slots;
    InactiveLruOptions inactive_lru;
    Cma cma;
};

// What a page of one repeated word compresses to where nobody looks for such pages: lzo makes 30 to 40 bytes of it, and
// with an 8-byte header it is one chunk of zbud's whatever the compressor.
inline constexpr uint32_t same_filled_compressed_bytes = 40;

}  // namespace zreplay
