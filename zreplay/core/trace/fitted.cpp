#include "trace/fitted.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace zreplay {

namespace {
constexpr uint32_t cluster_slots = 512;  // SWAPFILE_CLUSTER where huge pages can be swapped
constexpr int slot_tries = 64;
}  // namespace

FittedBatch::FittedBatch(size_t rows)
    : rows(rows), ts_ns(rows), op(rows), type(rows), offset(rows), size(rows), cpu(rows), result(rows), call_rows(rows),
      asked_by(rows), has_type((rows + 7) / 8), has_slot((rows + 7) / 8), has_size((rows + 7) / 8), has_result((rows + 7) / 8),
      has_call_rows((rows + 7) / 8), has_asked_by((rows + 7) / 8) {}

// Values that are null stay what they were.
void FittedBatch::clear() {
    for (auto* bits : {&has_type, &has_slot, &has_size, &has_result, &has_call_rows, &has_asked_by}) std::ranges::fill(*bits, 0);
    std::ranges::fill(call_rows, 0);
    types = slots = sizes = results = calls = asked = 0;
}

FittedSynth::FittedSynth(FittedRecipe recipe)
    : recipe_(std::move(recipe)),
      random_(recipe_.seed),
      area_(static_cast<uint32_t>(recipe_.area_slots), cluster_slots, recipe_.search, recipe_.cpus, random_),
      left_(recipe_.kinds.size()),
      cursors_(recipe_.kinds.size()),
      others_(recipe_.kinds.size()),
      size_ends_(recipe_.size_shares.size()) {
    std::inclusive_scan(recipe_.size_shares.begin(), recipe_.size_shares.end(), size_ends_.begin());
    size_groups_.resize(page_bytes + 1);
    for (uint32_t size = 0, at = 0, below = 0; size <= page_bytes; ++size) {
        size_groups_[size] = static_cast<uint8_t>(std::min(below * weight_groups / FittedRecipe::million, weight_groups - 1));
        if (at < recipe_.sizes.size() && recipe_.sizes[at] == size) below = size_ends_[at++];
    }
    require(recipe_.kinds.size() <= 64, "at most 64 kinds of rows", recipe_.kinds.size(), 64);
    begin_areas();
    for (size_t kind = 0; kind < others_.size(); ++kind)
        for (size_t other = 0; other < others_.size(); ++other)
            if (recipe_.kinds[kind].row.goes_on_as(recipe_.kinds[other].row))
                others_[kind][static_cast<size_t>(recipe_.kinds[other].row.from)] |= uint64_t{1} << other;
}

void FittedSynth::begin_areas() {
    for (AgeList& one : lists_) one.clear();
    area_.clear();
    lives_.assign(recipe_.area_slots + 1, 0);
    sizes_.assign(recipe_.area_slots + 1, unknown);
    std::fill(cursors_.begin(), cursors_.end(), AgeList::nowhere);
    last_slots_.fill(AgeList::nowhere);
    departures_.fill({});
}

void FittedSynth::enter_step() {
    for (size_t kind = 0; kind < left_.size(); ++kind) {
        left_[kind].rows += recipe_.kinds[kind].rows[step_];  // to what has waited
        left_[kind].runs += recipe_.kinds[kind].runs[step_];
        left_[kind].runs = std::min(left_[kind].runs, left_[kind].rows);
        if (left_[kind].rows && !left_[kind].runs) left_[kind].runs = 1;
        if (left_[kind].rows) has_rows_ |= uint64_t{1} << kind;
    }
}

bool FittedSynth::can(size_t kind) const {
    const RowKind& row = recipe_.kinds[kind].row;
    if (!left_[kind].rows) return false;
    if (row.from != Place::none) return list(row.from).size() > 0;
    return row.op != Op::store || area_.used() < area_.pages();
}

// The runs that are left come in any order, but none beside another of its kind while there are others.
bool FittedSynth::begin_run() {
    for (;;) {
        uint64_t total = 0, able = 0;
        for (uint64_t kinds = has_rows_; kinds; kinds &= kinds - 1) {
            const auto kind = static_cast<size_t>(std::countr_zero(kinds));
            if (kind == kind_ || !can(kind)) continue;
            total += left_[kind].runs;
            able |= uint64_t{1} << kind;
        }
        if (total) {
            for (uint64_t at = below(total);; able &= able - 1) {
                kind_ = static_cast<size_t>(std::countr_zero(able));
                if (at < left_[kind_].runs) return true;
                at -= left_[kind_].runs;
            }
        }
        if (kind_ != no_kind && can(kind_)) return true;
        kind_ = no_kind;
        if (begun_ && step_ + 1 >= recipe_.phases * recipe_.steps) return false;
        if (begun_) ++step_;
        phase_ = step_ / recipe_.steps;
        begun_ = true;
        enter_step();
    }
}

std::shared_ptr<FittedBatch> FittedSynth::unused(size_t rows) {
    for (auto& batch : batches_) {
        if (batch.use_count() != 1) continue;
        const auto held = batch;  // counted up after the last holder counted down: what it read, it has read
        if (batch->rows == rows) batch->clear();
        else batch = std::make_shared<FittedBatch>(rows);
        return batch;
    }
    return batches_.emplace_back(std::make_shared<FittedBatch>(rows));
}

std::shared_ptr<const FittedBatch> FittedSynth::next(size_t rows) {
    std::shared_ptr<FittedBatch> batch = unused(rows);
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
    begin_areas();
    std::fill(left_.begin(), left_.end(), Left{});
    has_rows_ = 0;
    kind_ = no_kind;
    phase_ = step_ = 0;
    begun_ = false;
}

void FittedSynth::draw(FittedBatch& batch, size_t row) {
    Chosen chosen{kind_, AgeList::nowhere};
    if (recipe_.kinds[kind_].row.from != Place::none) chosen = choose(kind_);
    const FittedRecipe::Kind& kind = recipe_.kinds[chosen.kind];
    if (--left_[chosen.kind].rows == 0) has_rows_ &= ~(uint64_t{1} << chosen.kind);
    batch.op[row] = static_cast<int8_t>(kind.row.op);
    time_ns_ += 1 + static_cast<int64_t>(random_.next() & 2047);
    batch.ts_ns[row] = time_ns_;
    if (recipe_.cpus > 1 && chance(recipe_.cpu_changes, FittedRecipe::whole))
        cpu_ = (cpu_ + 1 + static_cast<uint32_t>(below(recipe_.cpus - 1))) % recipe_.cpus;
    batch.cpu[row] = static_cast<uint16_t>(cpu_);
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
    uint64_t slot = 0;
    const bool names_slot = kind.row.op <= Op::invalidate || kind.row.op == Op::visit;
    if (kind.row.from != Place::none) {
        slot = list(kind.row.from).slot(chosen.position);
        cursors_[chosen.kind] = chosen.position;
        last_slots_[static_cast<size_t>(kind.row.op)] = slot;
    } else if (names_slot) {
        slot = kind.row.op == Op::store ? new_slot() : some_free_slot();
    } else {
        if (kind.row.op == Op::invalidate_area) {
            begin_areas();
            FittedBatch::set(batch.has_type, row);
            ++batch.types;
        }
        return;
    }
    if (kind.row.op == Op::store && kind.row.sized) {
        batch.size[row] = size_of(kind, slot);
        sizes_[slot] = static_cast<uint16_t>(std::min(batch.size[row], page_bytes));
        FittedBatch::set(batch.has_size, row);
        ++batch.sizes;
    }
    const SwapEntry named = entry(slot);
    batch.type[row] = static_cast<uint8_t>(named.type());
    batch.offset[row] = named.offset();
    FittedBatch::set(batch.has_slot, row);
    FittedBatch::set(batch.has_type, row);
    ++batch.slots;
    ++batch.types;
    move(chosen.kind, chosen.position, slot);
}

// One area's clusters stand for those of all, which take turns.
SwapEntry FittedSynth::entry(uint64_t slot) const {
    const uint64_t cluster = slot / cluster_slots;
    return {static_cast<uint32_t>(cluster % recipe_.types), cluster / recipe_.types * cluster_slots + slot % cluster_slots};
}

uint64_t FittedSynth::new_slot() {
    uint32_t slot = 0;
    for (int tries = 0; tries < slot_tries && slot == 0; ++tries) area_.allocate(cpu_, 1, &slot);
    require(slot != 0, "area_slots are enough for the kernel to find a free one", area_.used(), area_.pages());
    return slot;
}

// For rows of slots that nobody has stored to.
uint64_t FittedSynth::some_free_slot() {
    uint64_t slot = 0;
    for (int tries = 0; tries < slot_tries; ++tries)
        if (slot = 1 + below(recipe_.area_slots); !lives_[slot]) break;
    return slot;
}

FittedSynth::Chosen FittedSynth::choose(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    Chosen chosen{number, AgeList::nowhere};
    if (beside(number, true, chosen) || beside(number, false, chosen)) return chosen;
    const Chosen jumped = jump_of(number);
    if (const uint64_t from = last_slots_[static_cast<size_t>(kind.row.op)]; from != AgeList::nowhere)
        departures_[static_cast<size_t>(kind.row.op)].left(from);
    return jumped;
}

FittedSynth::Chosen FittedSynth::jump_of(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const AgeList& of = list(kind.row.from);
    if (const uint64_t last = cursors_[number]; last != AgeList::nowhere && below(FittedRecipe::whole) < kind.next[phase_]) {
        const uint64_t next = of.older(last) + of.has(last);
        if (next < of.size()) return {number, of.nth(next)};
    }
    // What is left over goes sooner than its number says.
    for (int tries = 1;; ++tries) {
        const uint64_t position = jump(number);
        const uint64_t slot = of.slot(position);
        const bool goes = (below(FittedRecipe::whole) < kind.whole_rows || is_crumb(number, slot)) && has_weight(number, slot);
        if (goes || tries == jump_tries) return at_edge({number, position});
    }
}

// Some position in the list of the kind's place, near the last one's or by its rank.
uint64_t FittedSynth::jump(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const AgeList& of = list(kind.row.from);
    if (const uint64_t position = close_one(number); position != AgeList::nowhere) return position;
    const uint64_t drawn = random_.next(), last = cursors_[number];
    const uint64_t share = (drawn >> 32) * FittedRecipe::whole >> 32;
    if (last != AgeList::nowhere && share < kind.near[phase_]) {
        const uint64_t distance = drawn_from(kind.distances, drawn, 1), older = of.older(last);
        const bool back = below(FittedRecipe::whole) < kind.near_back[phase_];
        if (back && distance <= older) return of.nth(older - distance);
        if (!back && older + distance < of.size()) return of.nth(older + distance);
    }
    const uint64_t rank = drawn_from(kind.rank[phase_], drawn, of.size()) / FittedRecipe::whole;
    return of.nth(of.size() - 1 - std::min(rank, of.size() - 1));
}

// One of the kind's place about as far from the last slot of its op as jumps are that are close, or likewise from where an
// earlier jump left, if there is any.
uint64_t FittedSynth::close_one(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const uint64_t last = last_slots_[static_cast<size_t>(kind.row.op)];
    const Departures& departures = departures_[static_cast<size_t>(kind.row.op)];
    if (last != AgeList::nowhere && below(FittedRecipe::whole) < kind.close[phase_]) {
        const uint64_t distance = drawn_from(kind.close_distances, random_.next(), 1);
        return around(kind.row, below(FittedRecipe::whole) < kind.close_back[phase_] ? last - distance : last + distance);
    }
    if (departures.size() && below(FittedRecipe::whole) < kind.returns[phase_]) {
        const uint64_t distance = drawn_from(kind.return_distances, random_.next(), 1);
        const uint64_t from = departures.slots[below(departures.size())];
        return around(kind.row, below(FittedRecipe::whole) < kind.return_back[phase_] ? from - distance : from + distance);
    }
    return AgeList::nowhere;
}

// Where the one of the row's place stands that is nearest to the slot, but for those right beside the last one: to be of them
// is no jump.
uint64_t FittedSynth::around(const RowKind& row, uint64_t slot) const {
    const uint64_t last = last_slots_[static_cast<size_t>(row.op)];
    for (uint64_t step = 0; step <= close_slots; ++step)
        for (const uint64_t there : {slot + step, slot - step})
            if (there < lives_.size() && lives_[there] >> 61 == static_cast<uint64_t>(row.from) && there + 1 != last &&
                there != last + 1)
                return lives_[there] & ~uint64_t{0} >> 3;
    return AgeList::nowhere;
}

// What is loaded or freed sooner may be large or small.
bool FittedSynth::has_weight(size_t number, uint64_t slot) {
    if (sizes_[slot] == unknown) return true;
    const uint32_t weight = recipe_.kinds[number].size_weights[size_groups_[sizes_[slot]]];
    return weight == FittedRecipe::whole || chance(weight, FittedRecipe::whole);
}

bool FittedSynth::is_crumb(size_t number, uint64_t slot) const {
    Chosen beside{};
    uint64_t slots = 1;
    for (uint64_t below = slot - 1; slots < crumb_slots && kind_of(number, below, beside); --below) ++slots;
    for (uint64_t above = slot + 1; slots < crumb_slots && kind_of(number, above, beside); ++above) ++slots;
    return slots < crumb_slots;
}

// Along the quantiles, by the lower 32 bits of what is drawn.
uint64_t FittedSynth::drawn_from(const std::vector<uint32_t>& quantiles, uint64_t drawn, uint64_t times) {
    const uint64_t along = (drawn & 0xffffffff) * (quantiles.size() - 1);  // 32 bits behind the point
    const uint64_t step = along >> 32, part = along & 0xffffffff;
    const uint64_t low = quantiles[step], high = quantiles[step + 1];
    return static_cast<uint64_t>(__extension__ static_cast<unsigned __int128>((low << 32) + (high - low) * part) * times >> 32);
}

// Whether the row is of the nearest slot ahead of the last one of its op, or back from it, that a row of the op can be of.
bool FittedSynth::beside(size_t number, bool ahead, Chosen& chosen) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const uint64_t last = last_slots_[static_cast<size_t>(kind.row.op)];
    if (last == AgeList::nowhere) return false;
    const uint32_t right = (ahead ? kind.ahead : kind.back)[phase_];
    const uint32_t over_gap = ahead ? kind.ahead_over_gap : kind.back_over_gap;
    const uint64_t drawn = below(FittedRecipe::whole);
    if (drawn >= std::max(right, over_gap)) return false;
    for (uint64_t step = 1; step <= slots_ahead; ++step)
        if (kind_of(number, ahead ? last + step : last - step, chosen)) return drawn < (step == 1 ? right : over_gap);
    return false;
}

// As what a row of the kind goes on at the slot, if it can.
bool FittedSynth::kind_of(size_t number, uint64_t slot, Chosen& chosen) const {
    if (slot >= lives_.size()) return false;
    const uint64_t kinds = others_[number][lives_[slot] >> 61] & has_rows_;
    if (!kinds) return false;
    chosen = {kinds >> number & 1 ? number : static_cast<size_t>(std::countr_zero(kinds)), lives_[slot] & ~uint64_t{0} >> 3};
    return true;
}

// Who frees, or reads, all that it has begins at one end of it: the chosen slot, or the last of those beside it on the side
// from which the kind comes.
FittedSynth::Chosen FittedSynth::at_edge(Chosen chosen) {
    const FittedRecipe::Kind& kind = recipe_.kinds[chosen.kind];
    if (below(FittedRecipe::whole) >= kind.edges[phase_]) return chosen;
    const uint64_t slot = list(kind.row.from).slot(chosen.position);
    const uint64_t ahead = kind.ahead[phase_], back = kind.back[phase_];
    const bool from_below = below(ahead + back + 1) <= ahead;
    Chosen edge = chosen;
    for (uint64_t step = 1; step <= edge_slots; ++step) {
        if (!kind_of(chosen.kind, from_below ? slot - step : slot + step, edge)) return edge;
    }
    return chosen;
}

uint32_t FittedSynth::size_of(const FittedRecipe::Kind& kind, uint64_t slot) {
    if (!kind.sizes.empty()) return kind.sizes[below(kind.sizes.size())];
    if (const uint32_t before = sizes_[slot]; kind.row.from != Place::none && before != unknown) {
        if (const uint32_t size = resized(kind, before); size != unknown) return size;
    }
    const std::vector<uint32_t>& ranks = recipe_.size_ranks[phase_];
    const uint32_t steps = static_cast<uint32_t>(ranks.size()) - 1, group = std::max(1u, steps / FittedRecipe::size_groups);
    uint64_t step = below(steps), share = below(FittedRecipe::whole);
    for (size_t i = 0; i < size_places_.size(); ++i) {
        if (!recipe_.alike[i]) continue;
        if (below(FittedRecipe::moves[i]) == 0) size_places_[i] = static_cast<uint32_t>(below(FittedRecipe::size_groups));
        if (share < recipe_.alike[i]) step = std::min<uint64_t>(steps - 1, size_places_[i] * group + below(group));
        share -= recipe_.alike[i];  // below 0 it is large, and that of no other place
    }
    const uint64_t rank = ranks[step] + below(std::max(1u, ranks[step + 1] - ranks[step]));
    return size_between(rank, rank + 1);
}

// One of the sizes whose ranks among all are from the first on and below the end.
uint32_t FittedSynth::size_between(uint64_t first, uint64_t end) {
    const uint64_t rank = first + (end > first + 1 ? below(end - first) : 0);
    const auto found = std::ranges::upper_bound(size_ends_, std::min<uint64_t>(rank, FittedRecipe::million - 1));
    return recipe_.sizes[static_cast<size_t>(found - size_ends_.begin())];
}

// The size of a page that is stored again: most keep theirs, or its group.
uint32_t FittedSynth::resized(const FittedRecipe::Kind& kind, uint32_t before) {
    const auto& shares = kind.resized[size_groups_[before]];
    uint64_t share = below(FittedRecipe::whole);
    size_t outcome = 0;
    for (; outcome < shares.size() && share >= shares[outcome]; ++outcome) share -= shares[outcome];
    if (outcome == same_size) return before;
    if (outcome == near_size) {
        const auto first = std::ranges::lower_bound(recipe_.sizes, before < near_bytes ? 0 : before - near_bytes);
        const auto last = std::ranges::upper_bound(recipe_.sizes, before + near_bytes);
        if (first == last) return before;
        const auto at = first - recipe_.sizes.begin(), end = last - recipe_.sizes.begin();
        return size_between(at ? size_ends_[static_cast<size_t>(at - 1)] : 0, size_ends_[static_cast<size_t>(end - 1)]);
    }
    if (outcome == shares.size()) return unknown;
    const uint64_t group = outcome - 2;
    return size_between(group * FittedRecipe::million / weight_groups, (group + 1) * FittedRecipe::million / weight_groups);
}

void FittedSynth::move(size_t number, uint64_t position, uint64_t slot) {
    const RowKind& kind = recipe_.kinds[number].row;
    if (kind.to == kind.from && (kind.from == Place::none || (kind.op != Op::load && kind.op != Op::store))) return;
    if (kind.from != Place::none) list(kind.from).remove(position);
    if (kind.to == Place::none) {
        area_.free(static_cast<uint32_t>(slot));
        lives_[slot] = 0;
        sizes_[slot] = unknown;
        return;
    }
    AgeList& to = list(kind.to);
    if (to.full())
        for (size_t i = 0; i < recipe_.kinds.size(); ++i)
            if (recipe_.kinds[i].row.from == kind.to && cursors_[i] != AgeList::nowhere) cursors_[i] = to.older(cursors_[i]);
    const uint64_t place = static_cast<uint64_t>(kind.to) << 61;
    lives_[slot] = place | to.append(slot, [&](uint64_t moved, uint64_t now) { lives_[moved] = place | now; });
}

}  // namespace zreplay
