// Sizes for stores that have none: the recorded kernel refused the page before it was compressed. When the model would
// take the page, a size is drawn from those the recording has, of the same process where enough of them are known.
//
// A draw depends on the seed and on the number of the row, on nothing else: not on the batches, and not on what was
// drawn before, so that two models that admit different stores still agree on the size of each.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "events.hpp"
#include "random.hpp"

namespace zreplay {

// How often each size was recorded; 0 is a same-filled page.
class SizeHistogram {
  public:
    void add(uint32_t size_bytes);
    void close();  // after the last add, before the first question

    uint64_t sizes() const { return sizes_; }
    uint32_t mean() const { return static_cast<uint32_t>((total_bytes_ + sizes_ / 2) / sizes_); }
    uint32_t draw(Random& random) const;

  private:
    std::vector<uint64_t> counts_;  // by size; when closed, of that size or less
    uint64_t sizes_ = 0;
    uint64_t total_bytes_ = 0;
};

class RecordedSizes {
  public:
    // A process with fewer recorded sizes than this is given everybody's.
    static constexpr uint64_t enough = 32;

    void learn(const EventBatch& batch);
    void close();
    // Nullptr: nothing is known at all.
    const SizeHistogram* of_process(std::optional<int32_t> pid) const;

  private:
    SizeHistogram all_;
    std::unordered_map<int32_t, SizeHistogram> of_pid_;
};

// Whether some store of the batch has no size.
bool lacks_size(const EventBatch& batch);

enum class MissingSize : uint8_t { reject, mean, empirical };

// One replay's answers.
class MissingSizes {
  public:
    MissingSizes(MissingSize how, uint64_t seed, const RecordedSizes* recorded)
        : how_(how), seed_(seed), recorded_(recorded) {}

    // The events that follow are of this batch.
    void enter(const EventBatch& batch) { batch_ = &batch; }

    // For an event in that row of the trace. Empty: the store must be refused.
    std::optional<uint32_t> of(const Event& event, uint64_t trace_row) const;

  private:
    MissingSize how_;
    uint64_t seed_;
    const RecordedSizes* recorded_;
    const EventBatch* batch_ = nullptr;
};

}  // namespace zreplay
