// Which slots a sample has: those whose hash modulo `of` is below `keep`. All that happens to a slot stays or goes together.
#pragma once

#include <cstdint>

#include "types.hpp"

namespace zreplay {

// splitmix64's last steps: every bit of the slot has a say in every bit of the hash, so that a sample is of no pattern.
// Written into docs/trace-format.md: a sample of the same trace is the same everywhere.
inline uint64_t sample_hash(SwapEntry slot) {
    uint64_t x = slot.word + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

}  // namespace zreplay
