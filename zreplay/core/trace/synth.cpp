#include "trace/synth.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "prefetch.hpp"

namespace zreplay {

namespace {

constexpr uint32_t cluster_slots = 256;  // SWAPFILE_CLUSTER

// ---- Slots: a pattern's choice of which ----
//
// A pattern answers to take (a free slot becomes live), give_back (a live one becomes free) and choose (a live one)
// with a number, and settle() turns the numbers, in the same order, into slots. In between RandomSlots has its memory
// on the way: with a million resident pages nearly every number is a cache miss.

enum class Touch : uint8_t { none, take, give_back, choose };

// Twice as many slots as can be resident, so that reuse is neither immediate nor rare, and at least one per type.
// Areas take turns, as areas of one priority do; slot 0 of an area is its header.
struct SlotSpace {
    uint32_t slots, types;

    explicit SlotSpace(const SynthRecipe& recipe)
        : slots(std::max(2 * recipe.resident, recipe.types)), types(recipe.types) {}
    SwapEntry entry(uint32_t slot) const { return {slot % types, 1 + uint64_t{slot / types}}; }
};

// Uniform in everything. One array holds every slot, the live ones first, and a number is a place in it:
//
//      [ live … live | free … free ]
//
// To take or give back a slot is to swap it over the border, which is Fisher and Yates' shuffle spread over time.
class RandomSlots {
  public:
    explicit RandomSlots(const SynthRecipe& recipe) : space_(recipe), slots_(space_.slots) {
        std::iota(slots_.begin(), slots_.end(), 0u);
    }

    uint32_t take(Random& random, uint32_t) {
        uint32_t place = fetch(live_ + random.below(space_.slots - live_));
        ++live_;
        return place;
    }
    uint32_t give_back(Random& random) { return fetch(random.below(live_--)); }
    uint32_t choose(Random& random) { return fetch(random.below(live_)); }

    SwapEntry settle(Touch touch, uint32_t place) {
        if (touch == Touch::choose) return space_.entry(slots_[place]);
        uint32_t border = touch == Touch::take ? settled_live_++ : --settled_live_;
        std::swap(slots_[place], slots_[border]);
        return space_.entry(slots_[border]);
    }

  protected:
    uint32_t fetch(uint32_t place) const {
        prefetch_to_write(&slots_[place]);
        return place;
    }

    SlotSpace space_;
    std::vector<uint32_t> slots_;
    uint32_t live_ = 0;
    uint32_t settled_live_ = 0;  // the border as settle() has it, some events behind
};

// As RandomSlots, but the live slot of rank k (its place in the array, from 1) is chosen with a chance of 1/k.
// A new slot comes in at the last rank, and has the rank of the next one to die as soon as that dies.
class ZipfSlots : public RandomSlots {
  public:
    using RandomSlots::RandomSlots;

    // Exact, in integers: ranks [2^b, 2^(b+1)) share one bucket. Every bucket is as likely, a rank in it 1/2^b, and
    // it is kept with a chance of 2^b/rank. So 1/rank in all, and about two tries.
    uint32_t choose(Random& random) {
        auto buckets = static_cast<uint32_t>(std::bit_width(live_));
        for (;;) {
            uint64_t drawn = random.next();
            uint32_t bucket = static_cast<uint32_t>((drawn >> 32) * buckets >> 32);
            uint32_t width = uint32_t{1} << bucket;
            uint32_t rank = width | (static_cast<uint32_t>(drawn) & (width - 1));
            if (rank <= live_ && random.below(rank) < width) return fetch(rank - 1);
        }
    }
};

// A sweep. Stores go round the slots in order, invalidates follow a window behind, and loads and rewrites go over
// the window again and again. Positions only grow; a slot is its position modulo the number of slots.
class ScanSlots {
  public:
    explicit ScanSlots(const SynthRecipe& recipe) : space_(recipe) {}

    uint32_t take(Random&, uint32_t) { return slot(end_++); }
    uint32_t give_back(Random&) { return slot(begin_++); }
    uint32_t choose(Random&) {
        if (next_ < begin_ || next_ >= end_) next_ = begin_;
        return slot(next_++);
    }
    SwapEntry settle(Touch, uint32_t slot) const { return space_.entry(slot); }

  private:
    uint32_t slot(uint64_t position) const { return static_cast<uint32_t>(position % space_.slots); }
    SlotSpace space_;
    uint64_t begin_ = 0, end_ = 0, next_ = 0;
};

// What the kernel's allocator for SSDs does (since 3.12, "swap: make cluster allocation per-cpu"): a CPU takes the
// first free cluster of 256 slots and fills it in order; when it is full, the next. A cluster whose last slot is freed
// goes to the end of the free list. An area's cluster 0 holds the header and is never free, so never taken.
//
// What is freed is ours to choose: pages that were swapped out together die together, so one filled cluster, drawn at
// random, is drained in order and then the next. This is what lets whole clusters come free for ever, and it makes a
// cluster's live slots a range:
//
//      0 … freed … begin … live … end … not yet filled … 256
//
// A cluster still being filled is drained only if there is no filled one. So a filled cluster with fewer than 256 live
// slots is the one being drained or one of at most `cpus` that were filled during such a shortage, and
// resident / 256 + 2 cpus + 1 clusters are always enough for one to be free.
class ClusteredSlots {
  public:
    explicit ClusteredSlots(const SynthRecipe& recipe)
        : types_(recipe.types),
          clusters_(std::max(2 * (recipe.resident / cluster_slots + recipe.cpus + 1), recipe.types)),
          free_(clusters_.size()),
          free_count_(free_.size()),
          filling_(recipe.cpus, nowhere) {
        std::iota(free_.begin(), free_.end(), 0u);
    }

    uint32_t take(Random&, uint32_t cpu) {
        uint32_t& filling = filling_[cpu];
        if (filling == nowhere) filling = next_free();
        uint32_t taken = filling;
        uint32_t slot = clusters_[taken].end++;
        if (clusters_[taken].end == cluster_slots) {
            filling = nowhere;
            if (taken != draining_) filled_.push_back(taken);
        }
        return taken * cluster_slots + slot;
    }

    uint32_t give_back(Random& random) {
        if (draining_ == nowhere || clusters_[draining_].empty()) draining_ = next_to_drain(random);
        uint32_t drained = draining_;
        uint32_t slot = clusters_[drained].begin++;
        if (clusters_[drained].begin == cluster_slots) {
            clusters_[drained] = {};
            put_free(drained);
            draining_ = nowhere;
        }
        return drained * cluster_slots + slot;
    }

    // Uniform over the clusters with live slots, then over those; nearly all clusters are full.
    uint32_t choose(Random& random) {
        for (;;) {
            auto filled = static_cast<uint32_t>(filled_.size());
            auto filling = static_cast<uint32_t>(filling_.size());
            uint32_t at = random.below(filled + filling + 1);
            uint32_t chosen = at < filled ? filled_[at] : at < filled + filling ? filling_[at - filled] : draining_;
            if (chosen == nowhere || clusters_[chosen].empty()) continue;
            return chosen * cluster_slots + clusters_[chosen].begin + random.below(clusters_[chosen].live());
        }
    }

    SwapEntry settle(Touch, uint32_t number) const {
        uint32_t cluster = number / cluster_slots;
        return {cluster % types_, (1 + uint64_t{cluster / types_}) * cluster_slots + number % cluster_slots};
    }

  private:
    static constexpr uint32_t nowhere = ~0u;
    struct Cluster {
        uint32_t begin = 0, end = 0;
        uint32_t live() const { return end - begin; }
        bool empty() const { return begin == end; }
    };

    uint32_t next_free() {
        require(free_count_ > 0, "a free cluster is always left");
        uint32_t cluster = free_[free_first_];
        free_first_ = (free_first_ + 1) % free_.size();
        --free_count_;
        return cluster;
    }
    void put_free(uint32_t cluster) { free_[(free_first_ + free_count_++) % free_.size()] = cluster; }

    uint32_t next_to_drain(Random& random) {
        if (!filled_.empty()) {
            std::swap(filled_[random.below(static_cast<uint32_t>(filled_.size()))], filled_.back());
            uint32_t cluster = filled_.back();
            filled_.pop_back();
            return cluster;
        }
        for (size_t cpu = random.below(static_cast<uint32_t>(filling_.size()));; cpu = (cpu + 1) % filling_.size())
            if (filling_[cpu] != nowhere && !clusters_[filling_[cpu]].empty()) return filling_[cpu];
    }

    uint32_t types_;
    std::vector<Cluster> clusters_;
    std::vector<uint32_t> free_;  // a ring
    size_t free_first_ = 0, free_count_;
    std::vector<uint32_t> filling_;  // by CPU
    std::vector<uint32_t> filled_;   // without the one being drained
    uint32_t draining_ = nowhere;
};

// ---- Events ----

// A share as a threshold for 32 random bits; exact at 0 and at 1.
uint64_t threshold(double share) { return static_cast<uint64_t>(share * 4294967296.0); }

template <class Slots>
class PatternSynth final : public Synth {
  public:
    explicit PatternSynth(const SynthRecipe& recipe)
        : recipe_(recipe),
          load_below_(threshold(recipe.load_share)),
          rewrite_below_(threshold(recipe.load_share + recipe.rewrite_share)),
          same_filled_below_(threshold(recipe.same_filled)),
          random_(recipe.seed),
          sizes_(recipe.size_weights),
          slots_(recipe) {}

    SynthBatch next(size_t rows) override {
        SynthBatch batch;
        batch.ts_ns.resize(rows);
        batch.op.resize(rows);
        batch.type.resize(rows);
        batch.offset.resize(rows);
        batch.size.resize(rows);
        batch.cpu.resize(rows);
        batch.has_size.resize(rows);
        if (has_housekeeping()) batch.has_slot.resize(rows, 1);
        for (size_t row = 0; row < rows; row += settled_together)
            draw(batch, row, std::min(rows, row + settled_together));
        return batch;
    }

  private:
    static constexpr size_t settled_together = 128;

    void draw(SynthBatch& batch, size_t first, size_t last) {
        std::array<Touch, settled_together> touches;
        std::array<uint32_t, settled_together> numbers;
        for (size_t row = first; row < last; ++row) {
            // 32 bits for the kind, 21 for the CPU, 11 for the time.
            uint64_t drawn = random_.next();
            auto kind = static_cast<uint32_t>(drawn >> 32);
            auto cpu = static_cast<uint32_t>((drawn >> 11 & 0x1fffff) * recipe_.cpus >> 21);
            time_ns_ += 1 + static_cast<int64_t>(drawn & 2047);

            Op op = has_housekeeping() ? housekeeping() : Op::store;
            Touch touch = Touch::none;
            uint32_t number = 0;
            if (op != Op::store) {
                batch.has_slot[row] = 0;
            } else if (live_ && kind < rewrite_below_) {
                op = kind < load_below_ ? Op::load : Op::store;
                touch = Touch::choose;
                number = slots_.choose(random_);
            } else if (live_ < recipe_.resident) {
                touch = Touch::take;
                number = slots_.take(random_, cpu);
                ++live_;
            } else {
                op = Op::invalidate;
                touch = Touch::give_back;
                number = slots_.give_back(random_);
                --live_;
            }
            touches[row - first] = touch;
            numbers[row - first] = number;
            batch.ts_ns[row] = time_ns_;
            batch.op[row] = static_cast<int8_t>(op);
            batch.cpu[row] = static_cast<uint16_t>(cpu);
            batch.has_size[row] = op == Op::store;
            if (op == Op::store) batch.size[row] = size();
        }
        for (size_t row = first; row < last; ++row) {
            if (touches[row - first] == Touch::none) continue;
            SwapEntry entry = slots_.settle(touches[row - first], numbers[row - first]);
            batch.type[row] = static_cast<uint8_t>(entry.type());
            batch.offset[row] = entry.offset();
        }
    }

    bool has_housekeeping() const { return recipe_.compact_every || recipe_.migrate_every; }

    // Every so many events a compaction or a migration, a migration one later where both are due. Op::store if neither.
    Op housekeeping() {
        ++since_compact_;
        ++since_migrate_;
        if (recipe_.compact_every && since_compact_ >= recipe_.compact_every) {
            since_compact_ = 0;
            return Op::compact;
        }
        if (recipe_.migrate_every && since_migrate_ >= recipe_.migrate_every) {
            since_migrate_ = 0;
            return Op::migrate;
        }
        return Op::store;
    }

    uint32_t size() {
        uint64_t drawn = random_.next();  // same-filled: 20 bits from the top; alias coin 32; column 12
        if (drawn >> 44 < same_filled_below_ >> 12) return 0;
        return sizes_.pick(static_cast<uint32_t>(drawn & 0xfff), static_cast<uint32_t>(drawn >> 12));
    }

    SynthRecipe recipe_;
    uint64_t load_below_, rewrite_below_, same_filled_below_;
    Random random_;
    SizeTable sizes_;
    Slots slots_;
    uint32_t live_ = 0;
    int64_t time_ns_ = 0;
    uint64_t since_compact_ = 0, since_migrate_ = 0;
};

}  // namespace

// Columns above the average give away what they have too much to those below, one donor a column (Vose's form).
SizeTable::SizeTable(const std::vector<uint64_t>& weights) : columns_(page_bytes) {
    require(weights.size() == page_bytes, "one weight a size", weights.size(), page_bytes);
    uint64_t total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
    require(total > 0 && total < uint64_t{1} << 48, "the sum of the weights is from 1 to 2^48 - 1", total);

    std::vector<uint64_t> left(page_bytes);  // in units of which the average column has `total`
    std::vector<uint32_t> poor, rich;
    for (uint32_t column = 0; column < page_bytes; ++column) {
        left[column] = weights[column] * page_bytes;
        (left[column] < total ? poor : rich).push_back(column);
    }
    constexpr uint64_t whole = uint64_t{1} << 32;
    while (!poor.empty()) {  // a poor column means that another is rich: the sum is exact
        uint32_t column = poor.back(), donor = rich.back();
        poor.pop_back();
        columns_[column] = {static_cast<uint64_t>(static_cast<double>(left[column]) / static_cast<double>(total) * whole),
                            donor + 1};
        left[donor] -= total - left[column];
        if (left[donor] < total) {
            rich.pop_back();
            poor.push_back(donor);
        }
    }
    for (uint32_t column : rich) columns_[column] = {whole, column + 1};
}

std::unique_ptr<Synth> make_synth(const SynthRecipe& recipe) {
    if (recipe.pattern == "random") return std::make_unique<PatternSynth<RandomSlots>>(recipe);
    if (recipe.pattern == "clustered") return std::make_unique<PatternSynth<ClusteredSlots>>(recipe);
    if (recipe.pattern == "zipf") return std::make_unique<PatternSynth<ZipfSlots>>(recipe);
    if (recipe.pattern == "scan") return std::make_unique<PatternSynth<ScanSlots>>(recipe);
    throw std::invalid_argument("pattern: found " + recipe.pattern + ", expected random, clustered, zipf or scan");
}

}  // namespace zreplay
