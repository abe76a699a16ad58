// What a user may change about a model's decisions; a kernel profile is a set of these (zreplay/replay/profiles.py).
#pragma once

#include "swap/limits.hpp"

namespace zreplay {

struct Policy {
    Limits limits;
    bool exclusive_loads = false;  // a load takes the entry away (a parameter of 6.5, always so since 6.9)
    bool same_filled = true;       // pages of one repeated word are seen and kept without pool memory
    bool paced = false;            // the model's evictions happen at the recorded moments (zswap_6_1.hpp)
};

// What a page of one repeated word compresses to where nobody looks for such pages: lzo makes 30 to 40 bytes of it, and
// with an 8-byte header it is one chunk of zbud's whatever the compressor.
inline constexpr uint32_t same_filled_compressed_bytes = 40;

}  // namespace zreplay
