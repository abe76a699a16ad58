// The generator: an endless, reproducible stream of swap events over a bounded set of slots.
//
// An event is drawn in three steps, each from its own word of the random stream, so that one seed gives one trace
// whatever the size of the batches it is taken in:
//
//      1. time, CPU and kind         load | rewrite | turn-over     (compact and migrate by count, not by chance)
//      2. slot                       of a turn-over a free one (store) or a live one (invalidate), else a live one
//      3. size, of a store           0 for a same-filled page, else from the table of sizes
//
// A turn-over stores while fewer than `resident` slots are live and invalidates otherwise. So the resident count
// climbs to `resident`, then goes back and forth between it and one less, and never exceeds it. A slot's life is a
// store, some loads and rewrites, an invalidate; no load and no invalidate is of a slot that is not live.
//
// Which slot is the pattern's affair. Each pattern is a class of three operations: take a free slot, give a live one
// back, choose a live one; synth.cpp has one class a pattern. All keep O(resident) state, the largest being 8 bytes
// a resident page.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "random.hpp"
#include "types.hpp"

namespace zreplay {

// Sizes 1 to page_bytes with given integer weights, in constant time: Walker's alias method.
class SizeTable {
  public:
    // `weights[i]` belongs to size i + 1; their sum is at least 1 and below 2^48.
    explicit SizeTable(const std::vector<uint64_t>& weights);

    // From 12 + 32 random bits.
    uint32_t pick(uint32_t column, uint32_t coin) const {
        const Column& at = columns_[column];
        return at.sizes[coin >= at.threshold];  // a place, not a branch: the coin is a coin
    }

  private:
    struct Column {
        uint32_t threshold = 0;             // of 2^32: the share of this column that is its own size
        std::array<uint16_t, 2> sizes = {};  // its own; the one that fills it up
    };
    std::vector<Column> columns_;
};

struct SynthRecipe {
    std::string pattern;  // random, clustered, zipf, scan
    uint64_t seed = 0;
    uint32_t resident = 1;  // at most 2^30
    uint32_t types = 1;
    uint32_t cpus = 1;
    double load_share = 0;     // of the slot events, once something is resident
    double rewrite_share = 0;  // likewise
    double same_filled = 0;    // of the stores
    uint64_t compact_every = 0;  // events; 0 is never
    uint64_t migrate_every = 0;
    std::vector<uint64_t> size_weights;  // page_bytes of them, see SizeTable
};

// Rows as columns; there may be room behind the last. `has_` are bitmaps as Arrow has them, the first row in bit 0 of the
// first byte; no `has_slot` (offset, and type where there is no `has_type`) means that no row is without. A value that is
// null is 0. Columns that a recipe has nothing to say in are empty.
struct SynthBatch {
    SynthBatch(size_t rows, bool may_lack_slot);

    size_t rows;
    std::vector<int64_t> ts_ns;
    std::vector<int8_t> op;
    std::vector<uint8_t> type;
    std::vector<uint64_t> offset;
    std::vector<uint32_t> size;
    std::vector<uint16_t> cpu;
    std::vector<uint8_t> has_slot, has_size;
    size_t without_slot = 0, without_size = 0;
    std::vector<uint8_t> has_type, has_cgroup;
    std::vector<uint64_t> cgroup;
    size_t without_type = 0, without_cgroup = 0;
};

// The memory of a batch that nobody holds any more is used again, by whichever thread it was let go: fresh pages from
// the kernel cost as much as the drawing. As many are kept as were ever held at once, and one.
class SynthBatches {
  public:
    // One that nobody holds, or what `make` returns; its `rows` may be others.
    template <class Make>
    std::shared_ptr<SynthBatch>& unused(Make&& make) {
        for (auto& batch : batches_) {
            if (batch.use_count() != 1) continue;
            const auto held = batch;  // counted up after the last holder counted down: what it read, it has read
            return batch;
        }
        return batches_.emplace_back(make());
    }

  private:
    std::vector<std::shared_ptr<SynthBatch>> batches_;
};

class Synth {
  public:
    virtual ~Synth() = default;
    virtual std::shared_ptr<const SynthBatch> next(size_t rows) = 0;
};

// Throws std::invalid_argument for a pattern there is not.
std::unique_ptr<Synth> make_synth(const SynthRecipe& recipe);

}  // namespace zreplay
