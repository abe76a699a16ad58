#include "trace/synth.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "huge_pages.hpp"
#include "prefetch.hpp"

namespace zreplay {

namespace {

constexpr uint32_t cluster_slots = 256;  // SWAPFILE_CLUSTER

// ---- Slots: a pattern's choice of which ----
//
// A pattern answers a touch (a free slot is taken and becomes live, a live one is given back and becomes free, or a live
// one is chosen) with a number, and settle() turns the numbers, in the same order, into slots. In between RandomSlots has
// its memory on the way: with a million resident pages nearly every number is a cache miss.

enum class Touch : uint8_t { choose, take, give_back, none };

// Twice as many slots as can be resident, so that reuse is neither immediate nor rare, and at least one per type.
// Areas take turns, as areas of one priority do; slot 0 of an area is its header.
struct SlotSpace {
    uint32_t slots, types;

    explicit SlotSpace(const SynthRecipe& recipe)
        : slots(std::max(2 * recipe.resident, recipe.types)), types(recipe.types) {}
    SwapEntry entry(uint32_t slot) const {
        if (types == 1) return {0, 1 + uint64_t{slot}};
        return {slot % types, 1 + uint64_t{slot / types}};
    }
};

// Uniform in everything. One array holds every slot, the live ones first, and a number is a place in it:
//
//      [ live … live | free … free ]
//
// To take or give back a slot is to swap it over the border, which is Fisher and Yates' shuffle spread over time. Which of
// the three touches it is nobody can predict, so nothing here branches on it: a chosen slot is swapped with itself.
class RandomSlots {
  public:
    static constexpr bool branches = false;

    explicit RandomSlots(const SynthRecipe& recipe) : space_(recipe), slots_(space_.slots) {
        std::iota(slots_.begin(), slots_.end(), 0u);
    }

    uint32_t pick(Random& random, Touch touch, uint32_t) {
        uint32_t taking = 0 - uint32_t{touch == Touch::take};  // all ones, or zero
        uint32_t below = live_ + ((space_.slots - 2 * live_) & taking);
        uint32_t place = (live_ & taking) + random.below(below);
        live_ += (touch == Touch::take) - (touch == Touch::give_back);
        return fetch(place);
    }

    SwapEntry settle(Touch touch, uint32_t place) {
        uint32_t choosing = 0 - uint32_t{touch == Touch::choose};
        uint32_t border = settled_live_ - (touch == Touch::give_back);
        border ^= (border ^ place) & choosing;
        settled_live_ += (touch == Touch::take) - (touch == Touch::give_back);
        uint32_t slot = slots_[place];
        slots_[place] = slots_[border];
        slots_[border] = slot;
        return space_.entry(slot);
    }

  protected:
    uint32_t fetch(uint32_t place) const {
        prefetch_to_write(&slots_[place]);
        return place;
    }

    SlotSpace space_;
    std::vector<uint32_t, HugePages<uint32_t>> slots_;
    uint32_t live_ = 0;
    uint32_t settled_live_ = 0;  // the border as settle() has it, some events behind
};

// As RandomSlots, but the live slot of rank k (its place in the array, from 1) is chosen with a chance of 1/k.
// A new slot comes in at the last rank, and has the rank of the next one to die as soon as that dies.
class ZipfSlots : public RandomSlots {
  public:
    static constexpr bool branches = true;

    using RandomSlots::RandomSlots;

    // Exact, in integers: ranks [2^b, 2^(b+1)) share one bucket. Every bucket is as likely, a rank in it 1/2^b, and
    // it is kept with a chance of 2^b/rank. So 1/rank in all, and about two tries.
    uint32_t pick(Random& random, Touch touch, uint32_t cpu) {
        if (touch != Touch::choose) return RandomSlots::pick(random, touch, cpu);
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
    static constexpr bool branches = true;

    explicit ScanSlots(const SynthRecipe& recipe) : space_(recipe) {}

    uint32_t pick(Random&, Touch touch, uint32_t) {
        if (touch == Touch::take) return slot(end_++);
        if (touch == Touch::give_back) return slot(begin_++);
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
    static constexpr bool branches = true;

    explicit ClusteredSlots(const SynthRecipe& recipe)
        : types_(recipe.types),
          clusters_(std::max(2 * (recipe.resident / cluster_slots + recipe.cpus + 1), recipe.types)),
          free_(clusters_.size()),
          free_count_(free_.size()),
          filling_(recipe.cpus, nowhere) {
        std::iota(free_.begin(), free_.end(), 0u);
    }

    uint32_t pick(Random& random, Touch touch, uint32_t cpu) {
        if (touch == Touch::choose) return choose(random);
        return touch == Touch::take ? take(cpu) : give_back(random);
    }

    SwapEntry settle(Touch, uint32_t number) const {
        uint32_t cluster = number / cluster_slots;
        if (types_ == 1) return {0, uint64_t{number} + cluster_slots};
        return {cluster % types_, (1 + uint64_t{cluster / types_}) * cluster_slots + number % cluster_slots};
    }

  private:
    static constexpr uint32_t nowhere = ~0u;
    struct Cluster {
        uint32_t begin = 0, end = 0;
        uint32_t live() const { return end - begin; }
        bool empty() const { return begin == end; }
    };

    uint32_t take(uint32_t cpu) {
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

    std::shared_ptr<const SynthBatch> next(size_t rows) override {
        std::shared_ptr<SynthBatch> batch = unused(rows);
        for (size_t row = 0; row < rows; row += settled_together) {
            size_t last = std::min(rows, row + settled_together);
            if (has_housekeeping()) draw<true>(*batch, row, last);
            else draw<false>(*batch, row, last);
        }
        return batch;
    }

  private:
    static constexpr size_t settled_together = 128;  // whole bytes of the bitmaps

    // Kind, slot and size are drawn in that order, event by event, for that is the order of the random stream; what the
    // words mean is worked out afterwards. Chance decides the kind, so every branch on it is mispredicted as often as not:
    // there is none, unless the pattern has to branch anyway.
    template <bool housekept>
    void draw(SynthBatch& batch, size_t first, size_t last) {
        std::array<Touch, settled_together> touches;
        std::array<uint32_t, settled_together> numbers;
        std::array<uint64_t, settled_together> size_words{};
        const uint32_t resident = recipe_.resident, cpus = recipe_.cpus;
        const uint64_t load_below = load_below_, rewrite_below = rewrite_below_;
        Random random = random_;  // in registers
        uint32_t live = live_;
        int64_t time_ns = time_ns_;
        for (size_t row = first; row < last; ++row) {
            // 32 bits for the kind, 21 for the CPU, 11 for the time.
            uint64_t drawn = random.next();
            uint64_t kind = drawn >> 32;
            auto cpu = static_cast<uint32_t>((drawn >> 11 & 0x1fffff) * cpus >> 21);
            time_ns += 1 + static_cast<int64_t>(drawn & 2047);
            batch.ts_ns[row] = time_ns;
            batch.cpu[row] = static_cast<uint16_t>(cpu);
            if constexpr (housekept) {
                if (Op op = housekeeping(); op != Op::store) {
                    batch.op[row] = static_cast<int8_t>(op);
                    touches[row - first] = Touch::none;
                    continue;
                }
            }
            Op op = Op::store;
            Touch touch;
            if constexpr (Slots::branches) {
                if (live && kind < rewrite_below) {
                    op = kind < load_below ? Op::load : Op::store;
                    touch = Touch::choose;
                } else if (live < resident) {
                    touch = Touch::take;
                    ++live;
                } else {
                    op = Op::invalidate;
                    touch = Touch::give_back;
                    --live;
                }
                numbers[row - first] = slots_.pick(random, touch, cpu);
                if (op == Op::store) size_words[row - first] = random.next();
            } else {
                bool chooses = (live != 0) & (kind < rewrite_below);
                bool loads = chooses & (kind < load_below);
                bool takes = !chooses & (live < resident);
                bool gives_back = !chooses & !takes;
                live += takes;
                live -= gives_back;
                touch = static_cast<Touch>(takes + 2 * gives_back);
                op = static_cast<Op>(loads + 2 * gives_back);
                numbers[row - first] = slots_.pick(random, touch, cpu);
                size_words[row - first] = random.next_if(!loads & !gives_back);
            }
            touches[row - first] = touch;
            batch.op[row] = static_cast<int8_t>(op);
        }
        random_ = random;
        live_ = live;
        time_ns_ = time_ns;

        for (size_t row = first; row < last; ++row) {
            SwapEntry entry;
            if (!housekept || touches[row - first] != Touch::none)
                entry = slots_.settle(touches[row - first], numbers[row - first]);
            batch.type[row] = static_cast<uint8_t>(entry.type());
            batch.offset[row] = entry.offset();
        }
        size_t without_size = 0, without_slot = 0;
        for (size_t row = first; row < last; row += 8) {
            uint32_t slots = 0, sizes = 0;
            for (size_t bit = 0; bit < 8 && row + bit < last; ++bit) {
                bool stores = batch.op[row + bit] == static_cast<int8_t>(Op::store);
                batch.size[row + bit] = size(size_words[row + bit - first]) & (0 - uint32_t{stores});
                sizes |= uint32_t{stores} << bit;
                without_size += !stores;
                if constexpr (!housekept) continue;
                bool touched = touches[row + bit - first] != Touch::none;
                slots |= uint32_t{touched} << bit;
                without_slot += !touched;
            }
            batch.has_size[row / 8] = static_cast<uint8_t>(sizes);
            if constexpr (housekept) batch.has_slot[row / 8] = static_cast<uint8_t>(slots);
        }
        batch.without_size += without_size;
        batch.without_slot += without_slot;
    }

    std::shared_ptr<SynthBatch> unused(size_t rows) {
        auto make = [&] { return std::make_shared<SynthBatch>(rows, has_housekeeping()); };
        std::shared_ptr<SynthBatch>& batch = batches_.unused(make);
        if (batch->rows != rows) batch = make();
        batch->without_slot = batch->without_size = 0;
        return batch;
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

    // Same-filled: 20 bits from the top; alias coin 32; column 12.
    uint32_t size(uint64_t drawn) const {
        uint32_t drawn_size = sizes_.pick(static_cast<uint32_t>(drawn & 0xfff), static_cast<uint32_t>(drawn >> 12));
        return drawn_size & (0 - uint32_t{drawn >> 44 >= same_filled_below_ >> 12});
    }

    SynthRecipe recipe_;
    uint64_t load_below_, rewrite_below_, same_filled_below_;
    Random random_;
    SizeTable sizes_;
    Slots slots_;
    uint32_t live_ = 0;
    int64_t time_ns_ = 0;
    uint64_t since_compact_ = 0, since_migrate_ = 0;
    SynthBatches batches_;
};

}  // namespace

SynthBatch::SynthBatch(size_t rows, bool may_lack_slot)
    : rows(rows), ts_ns(rows), op(rows), type(rows), offset(rows), size(rows), cpu(rows),
      has_slot(may_lack_slot ? (rows + 7) / 8 : 0), has_size((rows + 7) / 8) {}

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
    auto size_of = [](uint32_t column) { return static_cast<uint16_t>(column + 1); };
    constexpr double whole = 4294967296.0;  // 2^32; a poor column's share is less, by 1 / total at least
    while (!poor.empty()) {  // a poor column means that another is rich: the sum is exact
        uint32_t column = poor.back(), donor = rich.back();
        poor.pop_back();
        columns_[column] = {static_cast<uint32_t>(static_cast<double>(left[column]) / static_cast<double>(total) * whole),
                            {size_of(column), size_of(donor)}};
        left[donor] -= total - left[column];
        if (left[donor] < total) {
            rich.pop_back();
            poor.push_back(donor);
        }
    }
    for (uint32_t column : rich) columns_[column] = {0, {size_of(column), size_of(column)}};
}

std::unique_ptr<Synth> make_synth(const SynthRecipe& recipe) {
    if (recipe.pattern == "random") return std::make_unique<PatternSynth<RandomSlots>>(recipe);
    if (recipe.pattern == "clustered") return std::make_unique<PatternSynth<ClusteredSlots>>(recipe);
    if (recipe.pattern == "zipf") return std::make_unique<PatternSynth<ZipfSlots>>(recipe);
    if (recipe.pattern == "scan") return std::make_unique<PatternSynth<ScanSlots>>(recipe);
    throw std::invalid_argument("pattern: found " + recipe.pattern + ", expected random, clustered, zipf or scan");
}

}  // namespace zreplay
