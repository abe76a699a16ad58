// What a generator needs to know of a trace to make another one like it, counted in one pass (zreplay/trace/fit.py makes a
// recipe of it, fitted.hpp rows of the recipe).
//
// The trace is cut into as many phases of equal numbers of rows. Of each kind of row (slot_lives.hpp), in each phase: how
// many, in how many runs, and to which slots: one beside the last row's of the same op, as where a process frees all it has;
// or those of one place stand in a list in the order in which they came there, and a row takes the one behind the one that
// the last row of its kind has taken, or jumps to one of some rank.
//
// Beside means: between the two is no slot that the op could have been of. What it can be of in a phase is known when the
// trace has been counted once, so it is counted twice.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "events.hpp"
#include "random.hpp"
#include "trace/slot_lives.hpp"

namespace zreplay {

class Fit {
  public:
    // Ranks of jumps are counted in shares of the list's length, 0 the youngest: the first of `coarse` bins is cut into `fine`
    // by powers of two, so that slots just come can be told apart.
    static constexpr uint32_t coarse_bins = 256, fine_bins = 16, rank_bins = coarse_bins + fine_bins - 1;
    // Near is within this part of the list.
    static constexpr uint64_t near_part = 32;
    static constexpr uint32_t near_bins = 64;
    static constexpr size_t most_kinds = 64;

    struct Counts {
        uint64_t rows = 0;
        // Rows that found a slot ahead of the last one's that they could be of, and that were of it: right ahead, and behind a
        // gap. Of those that were not, the same of the slots back from it.
        struct Beside {
            uint64_t found = 0, taken = 0;
        };
        std::array<Beside, 2> ahead, back;
        // Stores to a slot whose size was known, by its group: what size they had.
        std::array<std::array<uint32_t, size_outcomes>, weight_groups> resized{};
        uint64_t jumps = 0;  // not beside
        uint64_t next = 0;   // of the slot that came into its place behind the last one's
        uint64_t close = 0, close_back = 0;  // else close to the slot of the op's last row: all, and those below it
        uint64_t returns = 0, return_back = 0;  // else close to where one of the op's last jumps has left from
        uint64_t near = 0, near_back = 0;    // else of a rank near the last one's: all, and those that came before it
        // Neither beside nor next, and the slot below or above is none that it could be of; that would be were the slot any of its place.
        uint64_t edges = 0, edges_by_chance = 0;
        uint64_t crumbs = 0, crumbs_by_chance = 0;  // likewise, that are crumbs; that would be were the slot any of its place
        // Likewise, by the group of the slot's size; and what that would be were the slot any of its place.
        std::array<uint32_t, weight_groups> sized{}, sized_by_chance{};
        std::array<uint32_t, near_bins> close_distances{};  // of those that are close, in slots: two bins to the octave
        std::array<uint32_t, near_bins> return_distances{};
        std::array<uint32_t, near_bins> distances{};        // of those that are near, in ranks
        std::array<uint32_t, rank_bins> ranks{};            // of all others
    };

    struct Step {
        uint64_t rows = 0, runs = 0;
    };

    // Rows and runs are counted in `steps` for each phase, all else in phases.
    // `counted`: the same trace, counted once; without, nothing is beside anything.
    Fit(uint64_t rows, uint32_t phases, uint32_t steps, const Fit* counted = nullptr);
    void add(const EventBatch& batch);

    const std::vector<RowKind>& kinds() const { return kinds_; }
    const Counts& counts(size_t kind, uint32_t phase) const { return counts_[kind * phases_ + phase]; }
    const Step& step(size_t kind, uint32_t step) const { return steps_of_[kind * phases_ * steps_ + step]; }
    // Runs of the second kind right behind one of the first.
    uint64_t follows(size_t first, size_t second) const { return follows_[first * most_kinds + second]; }
    // By bytes, of stores taken, but not of those whose slot had the same size or one near it before; and of all of a kind that
    // was refused.
    const std::vector<uint64_t>& sizes(uint32_t phase) const { return sizes_[phase]; }
    std::vector<uint64_t> refused_sizes(size_t kind) const;
    // At the end of a step: how many slots swapped out had a size of each group. All 0 of a trace counted once.
    using SwappedSizes = std::array<uint32_t, weight_groups>;
    const SwappedSizes& swapped_sizes(uint32_t step) const { return swapped_sizes_[step]; }
    // Likewise, groups of slots of which any is in the pool.
    uint64_t pool_groups(uint32_t step) const { return pool_groups_[step]; }
    // Of sizes, pairs whose second is the 8th, 64th or 512th behind the first: all, and those in the same 64 bytes.
    static constexpr std::array<size_t, 3> lags{8, 64, 512};
    std::array<uint64_t, 3> pairs{}, alike{};
    uint64_t rows = 0, kinds_left_out = 0;
    uint64_t cpu_rows = 0, cpu_changes = 0;  // rows that say their CPU, and those with another one than the last
    uint32_t types = 0;                      // a bit for each that is stored to
    uint64_t first_slot = ~uint64_t{0}, last_slot = 0;  // offsets stored to

  private:
    struct Life {
        SlotPlace place;
        uint64_t position;
        uint32_t size_bytes = unknown;  // of the last store that said one
    };
    static constexpr uint32_t no_kind = ~0u, unknown = ~0u;

    RowKind kind_of(const EventBatch& batch, int64_t row, SlotPlace from) const;
    static bool is_stored_again(const EventBatch& batch, int64_t row);
    uint32_t number_of(const RowKind& kind);
    bool can_be_of(const RowKind& kind, SlotPlace place, uint32_t phase) const;
    void count_size_group(const Life& life, std::array<uint32_t, weight_groups>& counts) const;
    bool is_crumb(uint64_t word, const RowKind& kind, uint32_t phase) const;
    bool is_edge(SwapEntry slot, const RowKind& kind, uint32_t phase) const;
    bool can_be_at(uint64_t word, const RowKind& kind, uint32_t phase) const;
    bool is_beside(uint64_t last, uint64_t word, bool ahead, const RowKind& kind, uint32_t phase,
                   std::array<Counts::Beside, 2>& counts) const;
    static uint32_t distance_bin(uint64_t distance);
    void count_place(uint32_t kind, uint32_t phase, SwapEntry slot, const Life& life);
    void move(SwapEntry slot, const RowKind& kind, uint32_t size_bytes);
    void count_size(const EventBatch& batch, int64_t row, uint32_t kind, uint32_t phase, uint32_t before);
    void clear_type(uint32_t type);
    void count_swapped(const Life& life, uint32_t change);
    void count_group(uint64_t word, SlotPlace place, uint32_t change);

    const Fit* counted_;
    uint64_t expected_rows_;
    uint32_t phases_, steps_;
    std::vector<RowKind> kinds_;
    std::vector<Counts> counts_;  // kind, phase
    std::vector<Step> steps_of_;  // kind, step
    std::vector<uint64_t> follows_;  // kind, kind
    std::vector<std::vector<uint64_t>> sizes_;
    std::vector<uint8_t> size_groups_;  // by bytes; empty while nothing is counted
    std::unordered_map<size_t, std::vector<uint64_t>> refused_sizes_;
    SwappedSizes swapped_{};
    std::vector<SwappedSizes> swapped_sizes_;  // by step
    std::unordered_map<uint64_t, uint32_t> groups_;  // those with any in the pool, and how many
    std::vector<uint64_t> pool_groups_;              // by step
    std::array<AgeList, place_count> lists_;
    std::unordered_map<uint64_t, Life> lives_;
    std::array<uint64_t, most_kinds> cursors_;  // by kind: where its last slot stood
    std::array<uint64_t, op_count> last_slots_;  // by op: words
    std::array<Departures, op_count> departures_;
    Random any_{0};  // of the slots of a place
    uint32_t last_kind_ = no_kind;
    int last_cpu_ = -1;
    std::array<uint32_t, 512> last_sizes_{};
    uint64_t stores_ = 0;  // whose sizes have been counted
};

}  // namespace zreplay
