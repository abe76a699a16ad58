// The generator of fitted recipes: rows drawn from the tables of a trace (fit.hpp says what was counted there).
//
// A trace is in phases, and these in steps. A step has so many rows of each kind, in so many runs; which run comes next is
// drawn, by which kinds were seen to follow each other, and all compositions of a kind's rows into its runs are equally likely. So
// each step ends with as many slots in each place as it was counted with. Which slot a row takes:
//
//      beside     the last one of its op: the nearest above, else below. It may be in another place: then the row is of the
//                 kind that is of that one, if the step still has any
//      next       of the list of the place that its kind is of, the one that came behind its kind's last
//      a jump     one close to the last slot of the op, or to where an earlier jump left; one near its kind's last in the list,
//                 or one of any rank; likelier to a crumb (slot_lives.hpp) and to some sizes, and perhaps then to the end of
//                 what is in a row there
//
// Of sizes of which too many are swapped out beside what the step ends with (swapped_sizes) fewer are stored; and jumps of loads
// fall rather to slots of such sizes, those of stores to others. Jumps into the pool and out of it begin and end groups of 64 slots,
// where too few or too many have any there (pool_groups). A row beside the last one does not look at either: what is in a row would
// come apart.
//
// What is cleared is stored before anything else happens, as by the kernel. A kind that finds nobody in its place waits, into the
// next step if it must.
//
// A recipe may have parts (fitted_synth.hpp puts their rows together). Each has its share of the rows, and slots of its own, and
// knows of nothing but an invalidate_area in the others: so it can be drawn beside them. All is O(slots not free) in memory, and a row
// takes constant work but for finding a rank, which is a logarithm.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "random.hpp"
#include "trace/place_bits.hpp"
#include "trace/slot_lives.hpp"
#include "trace/swap_area.hpp"

namespace zreplay {

struct FittedRecipe {
    static constexpr uint32_t whole = 10'000;  // shares and ranks are in parts of it
    static constexpr uint32_t million = 1'000'000;  // those of sizes of this one

    struct Kind {
        RowKind row;
        std::vector<uint64_t> rows, runs;        // by step
        std::vector<uint32_t> follows;  // by kind: how likely its run is the next one, beside a hundred by chance; or empty
        // Shares of the rows that find a slot right ahead, or back, that they can be of, by phase; behind a gap, over all phases.
        std::vector<uint32_t> ahead, back;
        uint32_t ahead_over_gap = 0, back_over_gap = 0;
        std::vector<uint32_t> next, close, returns, near;  // by phase: shares of the others
        std::vector<uint32_t> close_back, return_back, near_back;  // shares of those
        std::vector<uint32_t> edges;             // share of jumps that are to the end of slots in a row
        uint32_t whole_rows = whole;             // share of jumps to slots that are no crumb that are made
        std::array<uint32_t, weight_groups> size_weights{};  // by group of the slot's size: share of jumps that are made
        std::vector<uint32_t> close_distances, return_distances, distances;  // of those: quantiles, in slots, and in ranks
        std::vector<std::vector<uint32_t>> rank;  // by phase, of the others: quantiles, in shares of the list
        // Of stores to a slot whose size is known, by its group: shares with the same size, one near it, and one of each group;
        // all 0 where it says nothing.
        std::array<std::array<uint32_t, size_outcomes>, weight_groups> resized{};
        std::vector<uint32_t> sizes;             // of stores that were refused with a size, one as likely as another
    };
    std::vector<Kind> kinds;
    // Of stores taken: bytes, and how many in a million of all phases' stores are of them.
    std::vector<uint32_t> sizes, size_shares;
    // By phase: quantiles of the sizes, evenly spaced, each said by the share of all phases' stores that are smaller.
    std::vector<std::vector<uint32_t>> size_ranks;
    // By step: shares of the slots swapped out at its end whose size is of each group; empty where nothing is said.
    std::vector<std::array<uint32_t, weight_groups>> swapped_sizes;
    // By step: groups of slots of which any is in the pool at its end; empty where nothing is said.
    std::vector<uint64_t> pool_groups;
    // Shares of sizes that are near a place among the sizes: one that moves before every 8th, 64th and 512th of them.
    std::array<uint32_t, 3> alike{};
    static constexpr std::array<uint32_t, 3> moves{8, 64, 512};
    static constexpr uint32_t size_groups = 16;  // near is in the same one of them
    uint32_t phases = 1, steps = 1;            // steps of each phase
    uint32_t parts = 1;         // that rows and slots are divided among
    uint64_t area_slots = 1;  // of all swap areas
    uint32_t types = 1, cpus = 1;
    uint32_t cpu_changes = 0;  // share of the rows that are another CPU's than the one before
    SlotSearch search = SlotSearch::clusters_6_1;
    uint64_t seed = 0;
};

// What parts have in common: the recipe, and what follows from it.
struct FittedTables {
    explicit FittedTables(FittedRecipe recipe);

    FittedRecipe recipe;
    uint64_t part_slots;                                    // of the area
    std::vector<std::array<uint64_t, place_count>> others;  // by kind and place: which kinds it goes on as, a bit each
    uint64_t of_cleared = 0;                                // kinds of stores of what is cleared, a bit each
    std::vector<uint8_t> size_groups;                       // by bytes
    std::vector<uint32_t> size_ends;                        // shares of the sizes up to each
};

// A row as it is drawn: what is the same for all of a kind is not in it.
struct DrawnRow {
    uint32_t slot = 0;  // of the part; of an invalidate_area its type
    uint32_t kind : 7 = 0, size : 14 = 0, cpu : 10 = 0;
};

class FittedPart {
  public:
    static constexpr uint64_t most_slots = uint64_t{1} << 26;

    // Which of the parts it is.
    FittedPart(const FittedTables& tables, uint32_t number);

    // The next rows, to the end of the last phase or until it waits: how many.
    size_t draw(DrawnRow* rows, size_t most);
    bool ended() const { return ended_; }
    // For the others to come to an invalidate_area too: it frees the slots of all.
    bool waits() const { return waits_; }
    DrawnRow free_all();
    void begin_anew();

  private:
    struct Left {
        uint64_t rows = 0, runs = 0;
    };

    bool begin_run();
    bool can(size_t kind) const;
    void enter_step();
    uint64_t share(const std::vector<uint64_t>& counts) const;
    bool choose_run(size_t last);
    void begin_areas();
    DrawnRow draw_one();
    // What a row is of: its kind, and where its slot stands.
    struct Chosen {
        size_t kind;
        uint64_t position;
    };
    Chosen choose(size_t kind);
    Chosen jump_of(size_t kind);
    static uint64_t drawn_from(const std::vector<uint32_t>& quantiles, uint64_t drawn, uint64_t times);
    bool beside(size_t kind, bool ahead, Chosen& chosen);
    bool kind_of(size_t kind, uint64_t slot, Chosen& chosen) const;
    uint32_t places_of(size_t kind) const { return places_[kind]; }
    void look_at_rows_left();
    Chosen at_edge(Chosen chosen);
    bool is_crumb(size_t kind, uint64_t slot) const;
    bool has_weight(size_t kind, uint64_t slot);
    bool suits_sizes(size_t kind, uint64_t slot);
    uint64_t too_many(Op op, uint32_t size) const;
    void count_size(uint64_t slot, uint32_t change);
    bool suits_groups(size_t kind, uint64_t slot);
    void count_group(SlotPlace from, SlotPlace to, uint64_t slot);
    SlotPlace place_of(uint64_t slot) const { return static_cast<SlotPlace>(lives_[slot] >> place_shift); }
    uint64_t jump(size_t kind);
    uint64_t close_one(size_t kind);
    uint64_t around(const RowKind& row, uint64_t slot) const;
    uint64_t new_slot();
    uint64_t some_free_slot();
    uint32_t resized(const FittedRecipe::Kind& kind, uint32_t before);
    uint32_t size_between(uint64_t first, uint64_t end);
    uint32_t size_of(const FittedRecipe::Kind& kind, uint64_t slot);
    uint32_t wanted_size_of(const FittedRecipe::Kind& kind, uint64_t slot);
    void move(size_t kind, uint64_t position, uint64_t slot);
    bool chance(uint64_t part, uint64_t whole) { return below(whole) < part; }
    uint64_t below(uint64_t limit) {
        return static_cast<uint64_t>(__extension__ static_cast<unsigned __int128>(random_.next()) * limit >> 64);
    }
    AgeList32& list(SlotPlace place) { return lists_[static_cast<size_t>(place)]; }
    const AgeList32& list(SlotPlace place) const { return lists_[static_cast<size_t>(place)]; }

    const FittedTables& tables_;
    const FittedRecipe& recipe_;
    uint32_t number_;
    Random random_;
    SwapArea area_;
    std::array<AgeList32, place_count> lists_;
    static constexpr uint32_t place_shift = 29, position_mask = (1u << place_shift) - 1;
    std::vector<uint32_t> lives_;     // by slot: its place in the upper three bits, where it stands there in the others
    static constexpr uint16_t unknown = 0xffff;
    PlaceBits slots_;                  // of each place
    std::vector<uint16_t> sizes_;     // by slot: of its last store, in bytes up to a page, or unknown
    std::array<uint32_t, weight_groups> swapped_sizes_{};  // slots that are swapped out, by the group of their size
    uint32_t swapped_ = 0;
    uint64_t pool_groups_ = 0, wanted_groups_ = 0;  // of which any is in the pool, and at the step's end
    std::vector<Left> left_;          // of the step, by kind
    std::vector<uint64_t> cursors_;   // by kind: where its last slot stood
    std::array<uint64_t, op_count> last_slots_{};
    std::array<Departures, op_count> departures_{};
    std::vector<uint32_t> places_;   // by kind: those of whose slots a row of it could be, a bit each
    uint64_t has_rows_ = 0;  // kinds of which the step has rows left, a bit each
    uint32_t phase_ = 0, step_ = 0;
    bool begun_ = false, ended_ = false, waits_ = false;
    static constexpr size_t no_kind = ~size_t{0};
    static constexpr int jump_tries = 16;
    size_t kind_ = no_kind;
    uint32_t cpu_ = 0;
    std::array<uint32_t, 3> size_places_{};
};

}  // namespace zreplay
