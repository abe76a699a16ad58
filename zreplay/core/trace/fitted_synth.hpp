// Rows of a fitted recipe, of all its parts, as columns.
//
//      part 0   ─ drawn by some thread ─▶ rows ─┐
//      part 1   ─ drawn by some thread ─▶ rows ─┼─ by turns of 512 ─▶ columns
//        …                                      ┘
//
// A part is a trace of its own, but for the area: slots of the part i are i strides above those of the first. It is small, so that
// its state stays in a processor's cache, and the threads share nothing. Which rows come out depends on neither.
//
// The parts take turns of many rows, so that what is next to what in the trace is nearly always of one part, and of few beside
// what a step of a trace that is worth scaling has, so that all parts are about where the others are. An invalidate_area frees the
// slots of all: who comes to one waits for the others.
//
// Of a trace that is longer than a few rounds, the later ones are earlier ones of the parts', mixed anew (part_rounds.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "random.hpp"
#include "trace/fitted.hpp"
#include "trace/part_rounds.hpp"

namespace zreplay {

struct FittedBatch {
    explicit FittedBatch(size_t rows);

    size_t rows;
    std::vector<int64_t> ts_ns;
    std::vector<int8_t> op;
    std::vector<uint8_t> type;
    std::vector<uint64_t> offset;
    std::vector<uint32_t> size;
    std::vector<uint16_t> cpu;
    std::vector<int32_t> result;
    std::vector<uint32_t> call_rows;
    std::vector<int8_t> asked_by;
    std::vector<uint8_t> has_type, has_slot, has_size, has_result, has_call_rows, has_asked_by;
    size_t types = 0, slots = 0, sizes = 0, results = 0, calls = 0, asked = 0;  // how many have one
};

class FittedSynth {
  public:
    // At most 64 kinds.
    explicit FittedSynth(FittedRecipe recipe);
    FittedSynth(const FittedSynth&) = delete;  // the parts refer to its tables
    FittedSynth& operator=(const FittedSynth&) = delete;

    // The next rows. When all phases have been, all slots are freed and the first begins again.
    std::shared_ptr<const FittedBatch> next(size_t rows);

  private:
    static constexpr size_t turn_rows = 512;
    // Drawn at once: as many of a part as make it worth while, but of many parts not more in memory than this.
    static constexpr size_t least_drawn = 2 * turn_rows, most_drawn = 32 * turn_rows, drawn_together = size_t{1} << 23;
    // Rounds of each part that are kept to come again, of at most so many rows (8 bytes each) together; or none.
    static constexpr uint64_t kept_rows = uint64_t{1} << 24, least_kept = 4, most_kept = 8;

    struct Part {
        PartRounds rounds;
        std::vector<DrawnRow> rows;
        size_t begin = 0, end = 0;  // of those that are there
        bool stops() const { return rounds.ended() || rounds.waits(); }
        bool is_empty() const { return begin == end; }
    };
    // What a kind's rows have in common.
    struct Shape {
        int8_t op = 0, asked_by = 0;
        uint8_t has = 0;
        int32_t result = 0;
    };
    enum Has : uint8_t { slot = 1, type = 2, size = 4, result = 8, call_rows = 16, asked_by = 32 };

    std::shared_ptr<FittedBatch> unused(size_t rows);
    void draw_parts();
    void refill(Part& part) const;
    void pass_together();
    void put(FittedBatch& batch, size_t row, const DrawnRow* rows, size_t count, uint64_t first_slot);
    void say_what_is_there(FittedBatch& batch) const;

    FittedTables tables_;
    uint64_t stride_;  // slots from one part to the next
    std::vector<Part> parts_;
    std::vector<Shape> shapes_;       // by kind, and of the row between two rounds
    std::vector<DrawnRow> together_;  // that all parts have come to
    size_t together_put_ = 0;
    Random times_;
    int64_t time_ns_ = 0;
    size_t turn_ = 0, turn_left_ = turn_rows;
    std::vector<uint8_t> has_;  // by row of the batch
    std::vector<std::shared_ptr<FittedBatch>> batches_;  // as many as were ever held at once, and one
};

}  // namespace zreplay
