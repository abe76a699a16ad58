// One index by itself against the clock, on the operations of op_stream.h: what the kernel's own code is timed on too
// (docs/studies/performance/kernel). Costs are counted, as in a replay.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "index/index.hpp"
#include "index/op_stream.h"

namespace zreplay {

class TimedIndex {
  public:
    // Fills it to `entries` entries. With `timing` as a replay with --timing: the kernel's layout, no looking ahead.
    TimedIndex(std::string_view index, uint32_t entries, uint64_t seed, bool timing);
    ~TimedIndex();
    TimedIndex(const TimedIndex&) = delete;
    TimedIndex& operator=(const TimedIndex&) = delete;

    // Nanoseconds of this thread's processor time for the next operations of the stream, without making them up.
    int64_t run(uint64_t operations);

    uint64_t sum() const { return sum_; }  // of the words found, replaced and erased so far
    const SwapIndex& index() const { return *index_; }

  private:
    int64_t play(op_stream_op (*next)(op_stream*), uint64_t operations);
    void look(int step, uint64_t group, uint64_t count);
    uint64_t apply(op_stream_op op, uint64_t number);

    const bool looks_ahead_;
    std::unique_ptr<SwapIndex> index_;
    Cost cost_;
    op_stream stream_;
    std::vector<op_stream_op> ops_;
    std::array<Ahead, Ahead::groups> ahead_;
    uint64_t done_ = 0, sum_ = 0;
};

}  // namespace zreplay
