#include "trace/fitted.hpp"

#include <algorithm>
#include <utility>

namespace zreplay {

FittedBatch::FittedBatch(size_t rows)
    : rows(rows), ts_ns(rows), op(rows), type(rows), offset(rows), size(rows), cpu(rows), result(rows), call_rows(rows),
      asked_by(rows), has_type((rows + 7) / 8), has_slot((rows + 7) / 8), has_size((rows + 7) / 8), has_result((rows + 7) / 8),
      has_call_rows((rows + 7) / 8), has_asked_by((rows + 7) / 8) {}

FittedSynth::FittedSynth(FittedRecipe recipe)
    : recipe_(std::move(recipe)),
      random_(recipe_.seed),
      area_(recipe_.area_slots, recipe_.oldest_first),
      left_(recipe_.kinds.size()),
      cursors_(recipe_.kinds.size(), AgeList::nowhere) {}

void FittedSynth::enter_phase() {
    for (size_t kind = 0; kind < left_.size(); ++kind) {
        left_[kind].rows += recipe_.kinds[kind].rows[phase_];  // to what has waited
        left_[kind].runs += recipe_.kinds[kind].runs[phase_];
        left_[kind].runs = std::min(left_[kind].runs, left_[kind].rows);
        if (left_[kind].rows && !left_[kind].runs) left_[kind].runs = 1;
    }
}

bool FittedSynth::can(size_t kind) const {
    const RowKind& row = recipe_.kinds[kind].row;
    if (!left_[kind].rows) return false;
    if (row.from != Place::none) return list(row.from).size() > 0;
    return row.op != Op::store || area_.slots_free() > 0;
}

// The runs that are left come in any order, but none beside another of its kind while there are others.
bool FittedSynth::begin_run() {
    for (;;) {
        uint64_t total = 0;
        for (size_t kind = 0; kind < left_.size(); ++kind)
            if (kind != kind_ && can(kind)) total += left_[kind].runs;
        if (total) {
            uint64_t at = below(total);
            size_t kind = 0;
            for (;; ++kind) {
                if (kind == kind_ || !can(kind)) continue;
                if (at < left_[kind].runs) break;
                at -= left_[kind].runs;
            }
            kind_ = kind;
            return true;
        }
        if (kind_ != no_kind && can(kind_)) return true;
        kind_ = no_kind;
        if (begun_ && phase_ + 1 >= recipe_.phases) return false;
        if (begun_) ++phase_;
        begun_ = true;
        enter_phase();
    }
}

std::shared_ptr<const FittedBatch> FittedSynth::next(size_t rows) {
    auto batch = std::make_shared<FittedBatch>(rows);
    for (size_t row = 0; row < rows; ++row) {
        const bool goes_on = kind_ != no_kind && can(kind_) && left_[kind_].runs > 0;
        // Of the rows that are left of a kind, each is as likely as any other to begin a new run.
        if (!goes_on || chance(left_[kind_].runs - 1, left_[kind_].rows)) {
            if (goes_on) --left_[kind_].runs;
            if (!begin_run()) {
                begin_anew(*batch, row);
                continue;
            }
        }
        draw(*batch, row);
    }
    return batch;
}

// The area is switched off, which frees all slots, and on again.
void FittedSynth::begin_anew(FittedBatch& batch, size_t row) {
    time_ns_ += 1;
    batch.ts_ns[row] = time_ns_;
    batch.op[row] = static_cast<int8_t>(Op::invalidate_area);
    FittedBatch::set(batch.has_type, row);
    ++batch.types;
    for (AgeList& one : lists_) one.clear();
    area_ = AreaSlots(recipe_.area_slots, recipe_.oldest_first);
    std::fill(left_.begin(), left_.end(), Left{});
    std::fill(cursors_.begin(), cursors_.end(), AgeList::nowhere);
    kind_ = no_kind;
    phase_ = 0;
    begun_ = false;
}

void FittedSynth::draw(FittedBatch& batch, size_t row) {
    const FittedRecipe::Kind& kind = recipe_.kinds[kind_];
    --left_[kind_].rows;
    batch.op[row] = static_cast<int8_t>(kind.row.op);
    time_ns_ += 1 + static_cast<int64_t>(random_.next() & 2047);
    batch.ts_ns[row] = time_ns_;
    if (kind.row.result != RowKind::no_result) {
        batch.result[row] = kind.row.result;
        FittedBatch::set(batch.has_result, row);
        ++batch.results;
    }
    if (kind.row.takes) {
        FittedBatch::set(batch.has_call_rows, row);
        ++batch.calls;
    }
    if (kind.row.asked_by != RowKind::nobody) {
        batch.asked_by[row] = static_cast<int8_t>(kind.row.asked_by);
        FittedBatch::set(batch.has_asked_by, row);
        ++batch.asked;
    }
    if (kind.row.op == Op::store && kind.row.sized) {
        batch.size[row] = size_of(kind);
        FittedBatch::set(batch.has_size, row);
        ++batch.sizes;
    }
    uint64_t position = AgeList::nowhere;
    SwapEntry slot;
    if (kind.row.from != Place::none) {
        position = choose(kind_);
        slot = SwapEntry::from_word(list(kind.row.from).slot(position));
        cursors_[kind_] = position;
    } else if (kind.row.op == Op::store) {
        slot = SwapEntry(0, area_.take());
    } else if (kind.row.op == Op::load || kind.row.op == Op::invalidate || kind.row.op == Op::visit) {
        slot = SwapEntry(0, area_.next());  // one that is free
    } else {
        if (kind.row.op != Op::invalidate_area) return;
        FittedBatch::set(batch.has_type, row);
        ++batch.types;
        for (AgeList& one : lists_) one.clear();
        area_ = AreaSlots(recipe_.area_slots, recipe_.oldest_first);
        std::fill(cursors_.begin(), cursors_.end(), AgeList::nowhere);
        return;
    }
    batch.type[row] = static_cast<uint8_t>(slot.type());
    batch.offset[row] = slot.offset();
    FittedBatch::set(batch.has_slot, row);
    FittedBatch::set(batch.has_type, row);
    ++batch.slots;
    ++batch.types;
    move(kind_, position, slot);
}

// The position in its list of the slot that a row takes.
uint64_t FittedSynth::choose(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const AgeList& of = list(kind.row.from);
    const uint64_t drawn = random_.next();
    const uint64_t share = (drawn >> 32) * FittedRecipe::whole >> 32;
    if (const uint64_t last = cursors_[number]; last != AgeList::nowhere) {
        const uint64_t older = of.older(last);
        if (share < kind.next[phase_]) {
            const uint64_t next = older + of.has(last);
            if (next < of.size()) return of.nth(next);
        } else if (share < kind.next[phase_] + kind.previous[phase_] && older > 0) {
            return of.nth(older - 1);
        }
    }
    const std::vector<uint32_t>& quantiles = kind.rank[phase_];
    const uint64_t steps = quantiles.size() - 1;
    const uint64_t along = (drawn & 0xffffffff) * steps;  // 32 bits behind the point
    const uint64_t step = along >> 32, part = along & 0xffffffff;
    const uint64_t low = quantiles[step], high = quantiles[step + 1];
    const auto rank = static_cast<uint64_t>(
        __extension__ static_cast<unsigned __int128>((low << 32) + (high - low) * part) * of.size() / FittedRecipe::whole >> 32);
    return of.nth(of.size() - 1 - std::min(rank, of.size() - 1));
}

uint32_t FittedSynth::size_of(const FittedRecipe::Kind& kind) {
    if (!kind.sizes.empty()) return kind.sizes[below(kind.sizes.size())];
    const std::vector<uint32_t>& sizes = recipe_.sizes[phase_];
    const auto count = static_cast<uint32_t>(sizes.size());
    const uint32_t near = std::max(1u, count / 16);
    if (chance(recipe_.alike, FittedRecipe::whole))
        size_place_ = std::min(count - 1, size_place_ / near * near + static_cast<uint32_t>(below(near)));
    else
        size_place_ = static_cast<uint32_t>(below(count));
    return sizes[size_place_];
}

void FittedSynth::move(size_t number, uint64_t position, SwapEntry slot) {
    const RowKind& kind = recipe_.kinds[number].row;
    if (kind.to == kind.from && (kind.from == Place::none || (kind.op != Op::load && kind.op != Op::store))) return;
    if (kind.from != Place::none) list(kind.from).remove(position);
    if (kind.to == Place::none) {
        area_.give_back(slot.offset());
        return;
    }
    AgeList& to = list(kind.to);
    if (to.full())
        for (size_t i = 0; i < recipe_.kinds.size(); ++i)
            if (recipe_.kinds[i].row.from == kind.to && cursors_[i] != AgeList::nowhere) cursors_[i] = to.older(cursors_[i]);
    to.append(slot.word, [](uint64_t, uint64_t) {});
}

}  // namespace zreplay
