// How long one kind of operation takes. One event in 61 is timed (a prime, so that no period of a trace hides from it):
// reading the clock twice costs as much as a whole operation. Durations go into a histogram whose buckets are 1/8 of a
// power of two wide, so a quantile is right to 12 %.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace zreplay {

class Durations {
    static constexpr int sub_bits = 3;

  public:
    static constexpr uint64_t one_in = 61;

    static int64_t now_ns() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

    // What reading the clock itself takes is taken off.
    void add(int64_t measured_ns) {
        static const int64_t clock_ns = least_clock_ns();
        const auto ns = static_cast<uint64_t>(std::max<int64_t>(measured_ns - clock_ns, 0));
        ++counts_[bucket(ns)];
        ++samples_;
        total_ns_ += ns;
    }

    uint64_t samples() const { return samples_; }
    uint64_t total_ns() const { return total_ns_; }

    // The lower edge of the bucket that holds quantile q of the samples; 0 without samples.
    uint64_t quantile_ns(double q) const {
        uint64_t rank = static_cast<uint64_t>(q * static_cast<double>(samples_)), seen = 0;
        for (size_t i = 0; i < counts_.size(); ++i)
            if ((seen += counts_[i]) > rank) return lower_edge(i);
        return 0;
    }

  private:
    static int64_t least_clock_ns() {
        int64_t least = 1000;
        for (int i = 0; i < 1000; ++i) {
            const int64_t start = now_ns();
            least = std::min(least, now_ns() - start);
        }
        return least;
    }

    static size_t bucket(uint64_t ns) {
        if (ns < (1u << sub_bits)) return ns;
        int exponent = std::bit_width(ns) - 1 - sub_bits;
        return static_cast<size_t>((exponent << sub_bits) + static_cast<int>(ns >> exponent));
    }
    static uint64_t lower_edge(size_t bucket) {
        if (bucket < (1u << sub_bits)) return bucket;
        int exponent = static_cast<int>(bucket >> sub_bits) - 1;
        return ((bucket & 7) | 8) << exponent;
    }

    std::array<uint32_t, 64 << sub_bits> counts_{};
    uint64_t samples_ = 0;
    uint64_t total_ns_ = 0;
};

}  // namespace zreplay
