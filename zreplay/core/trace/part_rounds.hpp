// A part of a fitted recipe, round after round: the first few are drawn, and each one after them is one of these, by chance.
//
//      part 0     a b c d e f g h  d a d f …      drawn, drawn again from those
//      part 1     i j k l m n o p  n n i k …
//
// A round, of all phases, begins and ends with all slots free, so nothing in it depends on the one before; and each part has
// rounds of its own, so that the same ones are seldom together twice. To draw a row takes longer than to write it to a file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "random.hpp"
#include "trace/fitted.hpp"

namespace zreplay {

class PartRounds {
  public:
    // Which of the parts it is, how many rounds of it are drawn before they come again (0: none ever does), and how many rows
    // one has, about.
    PartRounds(const FittedTables& tables, uint32_t number, size_t kept, size_t rows)
        : part_(std::make_unique<FittedPart>(tables, number)), kept_(kept), rows_(rows), random_(~tables.recipe.seed - number) {
        keep_another();
    }

    // As of a FittedPart.
    size_t draw(DrawnRow* rows, size_t most) {
        if (again_) {
            const size_t count = std::min(most, stop() - at_);
            std::copy_n(&again_->rows[at_], count, rows);
            at_ += count;
            return count;
        }
        const size_t count = part_->draw(rows, most);
        if (kept_) rounds_.back().rows.insert(rounds_.back().rows.end(), rows, rows + count);
        return count;
    }
    bool ended() const { return again_ ? at_ == again_->rows.size() : part_->ended(); }
    bool waits() const { return again_ ? at_ == stop() && !ended() : part_->waits(); }
    DrawnRow free_all() {
        if (again_) {
            if (!waits()) return {};
            ++stops_passed_;
            return again_->rows[at_++];
        }
        const bool waited = part_->waits();
        const DrawnRow row = part_->free_all();
        if (waited && kept_) {
            rounds_.back().stops.push_back(rounds_.back().rows.size());
            rounds_.back().rows.push_back(row);
        }
        return row;
    }
    void begin_anew() {
        if (rounds_.size() < kept_ || !kept_) {
            part_->begin_anew();
            keep_another();
            return;
        }
        part_.reset();
        again_ = &rounds_[random_.below(static_cast<uint32_t>(rounds_.size()))];
        at_ = stops_passed_ = 0;
    }

  private:
    struct Round {
        std::vector<DrawnRow> rows;
        std::vector<size_t> stops;  // those that free the slots of all parts
    };
    void keep_another() {
        if (kept_) rounds_.emplace_back().rows.reserve(rows_);
    }
    size_t stop() const { return stops_passed_ < again_->stops.size() ? again_->stops[stops_passed_] : again_->rows.size(); }

    std::unique_ptr<FittedPart> part_;  // until all are drawn
    size_t kept_, rows_;
    Random random_;
    std::vector<Round> rounds_;
    const Round* again_ = nullptr;
    size_t at_ = 0, stops_passed_ = 0;
};

}  // namespace zreplay
