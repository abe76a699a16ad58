// Random numbers are xoshiro256++ seeded through splitmix64 (Blackman and Vigna, public domain; prng.di.unimi.it).
// <random>'s distributions are not used: what they return differs between standard libraries.
#pragma once

#include <array>
#include <cstdint>

namespace zreplay {

class Random {
  public:
    explicit Random(uint64_t seed) {
        for (uint64_t& word : state_) {  // splitmix64
            uint64_t z = seed += 0x9e3779b97f4a7c15;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
            z = (z ^ z >> 27) * 0x94d049bb133111eb;
            word = z ^ z >> 31;
        }
    }

    uint64_t next() {  // xoshiro256++
        uint64_t drawn = rotate(state_[0] + state_[3], 23) + state_[0];
        uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return drawn;
    }

    // The same if `wanted`; otherwise the stream stays where it is, and what is returned means nothing. For a caller who
    // wants a word by chance: a branch would be mispredicted as often as not.
    uint64_t next_if(bool wanted) {
        uint64_t mask = 0 - uint64_t{wanted};
        uint64_t drawn = rotate(state_[0] + state_[3], 23) + state_[0];
        uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0] & mask;
        state_[3] ^= state_[1] & mask;
        state_[1] ^= state_[2] & mask;
        state_[0] ^= state_[3] & mask;
        state_[2] ^= shifted & mask;
        state_[3] ^= (rotate(state_[3], 45) ^ state_[3]) & mask;
        return drawn;
    }

    // 0 to limit - 1, by multiplication; no value is off its fair share by more than limit / 2^32.
    uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32) * limit >> 32); }

  private:
    static uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }
    std::array<uint64_t, 4> state_;
};

}  // namespace zreplay
