#include "trace/fitted.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>
#include <utility>

namespace zreplay {

namespace {
constexpr uint32_t cluster_slots = 512;  // SWAPFILE_CLUSTER where huge pages can be swapped
constexpr int slot_tries = 64;
// A hundredth too few or too many slots of a size, and so many hundredths of the jumps that would make it worse are to others, and
// of the stores of another size.
constexpr uint64_t jump_pull = 16, store_pull = 8;
constexpr int size_tries = 8;
constexpr uint32_t pool_places = 1u << static_cast<uint32_t>(SlotPlace::fresh) | 1u << static_cast<uint32_t>(SlotPlace::read);
constexpr uint64_t most_weighed = uint64_t{1} << 40;  // runs, so that no sum of weights is too large
}  // namespace

FittedTables::FittedTables(FittedRecipe given)
    : recipe(std::move(given)), others(recipe.kinds.size()), size_groups(page_bytes + 1), size_ends(recipe.size_shares.size()) {
    require(recipe.kinds.size() <= 64, "at most 64 kinds of rows", recipe.kinds.size(), 64);
    recipe.parts = std::max(recipe.parts, static_cast<uint32_t>((recipe.area_slots - 1) / FittedPart::most_slots + 1));
    part_slots = std::max<uint64_t>(1, recipe.area_slots / recipe.parts);
    std::inclusive_scan(recipe.size_shares.begin(), recipe.size_shares.end(), size_ends.begin());
    for (uint32_t size = 0, at = 0, below = 0; size <= page_bytes; ++size) {
        size_groups[size] = static_cast<uint8_t>(std::min(below * weight_groups / FittedRecipe::million, weight_groups - 1));
        if (at < recipe.sizes.size() && recipe.sizes[at] == size) below = size_ends[at++];
    }
    for (size_t kind = 0; kind < others.size(); ++kind)
        for (size_t other = 0; other < others.size(); ++other)
            if (recipe.kinds[kind].row.goes_on_as(recipe.kinds[other].row))
                others[kind][static_cast<size_t>(recipe.kinds[other].row.from)] |= uint64_t{1} << other;
    for (size_t kind = 0; kind < others.size(); ++kind)
        if (recipe.kinds[kind].row.from == SlotPlace::cleared && recipe.kinds[kind].row.op == Op::store)
            of_cleared |= uint64_t{1} << kind;
    for (FittedRecipe::Kind& kind : recipe.kinds) {  // from now on up to the end of each step
        std::inclusive_scan(kind.rows.begin(), kind.rows.end(), kind.rows.begin());
        std::inclusive_scan(kind.runs.begin(), kind.runs.end(), kind.runs.begin());
    }
}

FittedPart::FittedPart(const FittedTables& tables, uint32_t number)
    : tables_(tables),
      recipe_(tables.recipe),
      number_(number),
      random_(recipe_.seed + number * uint64_t{0x9e3779b97f4a7c15}),
      area_(static_cast<uint32_t>(tables.part_slots), cluster_slots, recipe_.search, recipe_.cpus, random_),
      left_(recipe_.kinds.size()),
      cursors_(recipe_.kinds.size()),
      places_(recipe_.kinds.size()) {
    begin_areas();
}

void FittedPart::begin_areas() {
    for (AgeList32& one : lists_) one.clear();
    area_.clear();
    lives_.assign(tables_.part_slots + 1, 0);
    slots_.clear(tables_.part_slots + 1);
    sizes_.assign(tables_.part_slots + 1, unknown);
    swapped_sizes_.fill(0);
    swapped_ = 0;
    pool_groups_ = 0;
    std::fill(cursors_.begin(), cursors_.end(), AgeList::nowhere);
    last_slots_.fill(AgeList::nowhere);
    departures_.fill({});
}

// Of what is counted up to the end of each step, what the step has for this part: floor((n + i) / parts), i from 0 to parts - 1,
// make n together.
uint64_t FittedPart::share(const std::vector<uint64_t>& counts) const {
    auto up_to = [this](uint64_t count) { return (count + number_) / recipe_.parts; };
    return up_to(counts[step_]) - (step_ ? up_to(counts[step_ - 1]) : 0);
}

void FittedPart::enter_step() {
    for (size_t kind = 0; kind < left_.size(); ++kind) {
        left_[kind].rows += share(recipe_.kinds[kind].rows);  // to what has waited
        left_[kind].runs += share(recipe_.kinds[kind].runs);
        left_[kind].runs = std::min(left_[kind].runs, left_[kind].rows);
        if (left_[kind].rows && !left_[kind].runs) left_[kind].runs = 1;
        if (left_[kind].rows) has_rows_ |= uint64_t{1} << kind;
    }
    look_at_rows_left();
    if (!recipe_.pool_groups.empty()) wanted_groups_ = (recipe_.pool_groups[step_] + number_) / recipe_.parts;
}

bool FittedPart::can(size_t kind) const {
    const RowKind& row = recipe_.kinds[kind].row;
    if (!left_[kind].rows) return false;
    if (row.from != SlotPlace::none) return list(row.from).size() > 0;
    return row.op != Op::store || area_.used() < area_.pages();
}

// The runs that are left come in any order, but none beside another of its kind while there are others.
bool FittedPart::begin_run() {
    for (const size_t last = kind_;;) {
        if (choose_run(last) || choose_run(no_kind)) return true;
        if (kind_ != no_kind && can(kind_)) return true;
        kind_ = no_kind;
        if (begun_ && step_ + 1 >= recipe_.phases * recipe_.steps) return false;
        if (begun_) ++step_;
        phase_ = step_ / recipe_.steps;
        begun_ = true;
        enter_step();
    }
}

// One that is seen behind the last kind; behind none, any. What is cleared is stored at once.
bool FittedPart::choose_run(size_t last) {
    const std::vector<uint32_t>* follows =
        last == no_kind || recipe_.kinds[last].follows.empty() ? nullptr : &recipe_.kinds[last].follows;
    auto weight = [&](size_t kind) { return std::min(left_[kind].runs, most_weighed) * (follows ? (*follows)[kind] : 1); };
    uint64_t total = 0, able = 0;
    const uint64_t first = list(SlotPlace::cleared).size() ? has_rows_ & tables_.of_cleared : 0;
    for (uint64_t kinds = first ? first : has_rows_; kinds; kinds &= kinds - 1) {
        const auto kind = static_cast<size_t>(std::countr_zero(kinds));
        if (kind == kind_ || !can(kind)) continue;
        total += weight(kind);
        able |= uint64_t{1} << kind;
    }
    if (!total) return false;
    for (uint64_t at = below(total);; able &= able - 1) {
        kind_ = static_cast<size_t>(std::countr_zero(able));
        if (at < weight(kind_)) return true;
        at -= weight(kind_);
    }
}

size_t FittedPart::draw(DrawnRow* rows, size_t most) {
    size_t row = 0;
    for (; row < most && !waits_; ++row) {
        const bool goes_on = kind_ != no_kind && can(kind_) && left_[kind_].runs > 0;
        // Of the rows that are left of a kind, each is as likely as any other to begin a new run.
        if (!goes_on || chance(left_[kind_].runs - 1, left_[kind_].rows)) {
            if (goes_on) --left_[kind_].runs;
            if (!begin_run()) {
                ended_ = true;
                break;
            }
        }
        waits_ = recipe_.kinds[kind_].row.op == Op::invalidate_area;
        if (waits_) break;
        rows[row] = draw_one();
    }
    return row;
}

// The row that it has waited with, if it has.
DrawnRow FittedPart::free_all() {
    DrawnRow row;
    begin_areas();
    if (!waits_) return row;
    waits_ = false;
    row.kind = static_cast<uint32_t>(kind_);
    row.cpu = cpu_;
    if (--left_[kind_].rows == 0) {
        has_rows_ &= ~(uint64_t{1} << kind_);
        look_at_rows_left();
    }
    return row;
}

void FittedPart::begin_anew() {
    begin_areas();
    std::fill(left_.begin(), left_.end(), Left{});
    has_rows_ = 0;
    look_at_rows_left();
    kind_ = no_kind;
    phase_ = step_ = 0;
    begun_ = ended_ = waits_ = false;
}

DrawnRow FittedPart::draw_one() {
    Chosen chosen{kind_, AgeList::nowhere};
    if (recipe_.kinds[kind_].row.from != SlotPlace::none) chosen = choose(kind_);
    const FittedRecipe::Kind& kind = recipe_.kinds[chosen.kind];
    if (--left_[chosen.kind].rows == 0) {
        has_rows_ &= ~(uint64_t{1} << chosen.kind);
        look_at_rows_left();
    }
    if (recipe_.cpus > 1 && chance(recipe_.cpu_changes, FittedRecipe::whole))
        cpu_ = (cpu_ + 1 + static_cast<uint32_t>(below(recipe_.cpus - 1))) % recipe_.cpus;
    DrawnRow row;
    row.kind = static_cast<uint32_t>(chosen.kind);
    row.cpu = cpu_;
    uint64_t slot = 0;
    if (kind.row.from != SlotPlace::none) {
        slot = list(kind.row.from).slot(chosen.position);
        cursors_[chosen.kind] = chosen.position;
        last_slots_[static_cast<size_t>(kind.row.op)] = slot;
    } else if (kind.row.names_slot()) {
        slot = kind.row.op == Op::store ? new_slot() : some_free_slot();
    } else {
        return row;
    }
    row.slot = static_cast<uint32_t>(slot);
    count_size(slot, ~0u);
    if (kind.row.op == Op::store && kind.row.sized) {
        row.size = wanted_size_of(kind, slot);
        sizes_[slot] = static_cast<uint16_t>(std::min<uint32_t>(row.size, page_bytes));
    }
    move(chosen.kind, chosen.position, slot);
    count_size(slot, 1);
    return row;
}

uint64_t FittedPart::new_slot() {
    uint32_t slot = 0;
    for (int tries = 0; tries < slot_tries && slot == 0; ++tries) area_.allocate(cpu_, 1, &slot);
    if (slot == 0)
        throw NoFreeSlot("none found of " + std::to_string(area_.pages()) + ", of which " + std::to_string(area_.used()) +
                         " are used");
    return slot;
}

// For rows of slots that nobody has stored to.
uint64_t FittedPart::some_free_slot() {
    uint64_t slot = 0;
    for (int tries = 0; tries < slot_tries; ++tries)
        if (slot = 1 + below(tables_.part_slots); !lives_[slot]) break;
    return slot;
}

FittedPart::Chosen FittedPart::choose(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    Chosen chosen{number, AgeList::nowhere};
    if (beside(number, true, chosen) || beside(number, false, chosen)) return chosen;
    const Chosen jumped = jump_of(number);
    if (const uint64_t from = last_slots_[static_cast<size_t>(kind.row.op)]; from != AgeList::nowhere)
        departures_[static_cast<size_t>(kind.row.op)].left(from);
    return jumped;
}

FittedPart::Chosen FittedPart::jump_of(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const AgeList32& of = list(kind.row.from);
    if (const uint64_t last = cursors_[number]; last != AgeList::nowhere && below(FittedRecipe::whole) < kind.next[phase_]) {
        const uint64_t next = of.older(last) + of.has(last);
        if (next < of.size()) return {number, of.nth(next)};
    }
    if (of.size() == 1) return {number, of.nth(0)};
    // What is left over goes sooner than its number says.
    for (int tries = 1;; ++tries) {
        const uint64_t position = jump(number);
        const uint64_t slot = of.slot(position);
        const bool goes = suits_sizes(number, slot) && suits_groups(number, slot) &&
                          (below(FittedRecipe::whole) < kind.whole_rows || is_crumb(number, slot)) && has_weight(number, slot);
        if (goes || tries == jump_tries) return at_edge({number, position});
    }
}

// Some position in the list of the kind's place, near the last one's or by its rank.
uint64_t FittedPart::jump(size_t number) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const AgeList32& of = list(kind.row.from);
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
uint64_t FittedPart::close_one(size_t number) {
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
uint64_t FittedPart::around(const RowKind& row, uint64_t slot) const {
    const uint64_t last = last_slots_[static_cast<size_t>(row.op)];
    const uint32_t place = 1u << static_cast<uint32_t>(row.from);
    auto is_beside = [last](uint64_t there) { return there + 1 == last || there == last + 1; };
    const uint64_t before_first = slot >> 63 ? 0 - slot : 0;  // so far below slot 0
    if (before_first > close_slots) return AgeList::nowhere;
    uint64_t above = slots_.at_or_above(place, slot + before_first, close_slots - before_first);
    uint64_t below = before_first ? AgeList::nowhere : slots_.at_or_below(place, slot, close_slots);
    while (above != AgeList::nowhere && is_beside(above))
        above = above == slot + close_slots ? AgeList::nowhere : slots_.at_or_above(place, above + 1, slot + close_slots - above - 1);
    while (below != AgeList::nowhere && is_beside(below))
        below = below + close_slots == slot ? AgeList::nowhere : slots_.at_or_below(place, below - 1, close_slots - (slot - below) - 1);
    if (above == AgeList::nowhere && below == AgeList::nowhere) return AgeList::nowhere;
    const bool is_above = below == AgeList::nowhere || (above != AgeList::nowhere && above - slot <= slot - below);
    return lives_[is_above ? above : below] & position_mask;
}

// What is loaded or freed sooner may be large or small.
bool FittedPart::has_weight(size_t number, uint64_t slot) {
    if (sizes_[slot] == unknown) return true;
    const uint32_t weight = recipe_.kinds[number].size_weights[tables_.size_groups[sizes_[slot]]];
    return weight == FittedRecipe::whole || chance(weight, FittedRecipe::whole);
}

// By how much there are more swapped out of the group of a size than the step ends with, as a share of those; for a load, fewer.
uint64_t FittedPart::too_many(Op op, uint32_t size) const {
    const size_t group = tables_.size_groups[size];
    const auto wanted = static_cast<int64_t>(uint64_t{recipe_.swapped_sizes[step_][group]} * swapped_);
    const auto there = static_cast<int64_t>(uint64_t{swapped_sizes_[group]} * FittedRecipe::whole);
    const int64_t more = op == Op::load ? wanted - there : there - wanted;
    return more > 0 ? static_cast<uint64_t>(more) * FittedRecipe::whole / static_cast<uint64_t>(std::max<int64_t>(wanted, 1)) : 0;
}

// Whether the jump of a load, or of a store of what was loaded, may be to the slot. Who frees does not look at sizes.
bool FittedPart::suits_sizes(size_t number, uint64_t slot) {
    const RowKind& row = recipe_.kinds[number].row;
    if (recipe_.swapped_sizes.empty() || (row.op != Op::load && row.op != Op::store)) return true;
    if (is_swapped_out(row.to) == is_swapped_out(place_of(slot)) || sizes_[slot] == unknown) return true;
    const uint64_t more = too_many(row.op, sizes_[slot]);
    return !more || !chance(more * jump_pull, FittedRecipe::whole);
}

void FittedPart::count_group(SlotPlace from, SlotPlace to, uint64_t slot) {
    if (is_in_pool(from) == is_in_pool(to)) return;
    const uint64_t others = slots_.group(pool_places, slot) & ~(uint64_t{1} << slot % 64);
    if (!others) pool_groups_ += is_in_pool(to) ? 1 : ~uint64_t{0};
}

// Whether the jump of a row that takes something into the pool, or out of it, may be to the slot: where groups are too many, none
// is begun, and those of which little is left are ended; where they are too few, the other way round. Loads find what they find.
bool FittedPart::suits_groups(size_t number, uint64_t slot) {
    const RowKind& row = recipe_.kinds[number].row;
    const bool is_in = is_in_pool(row.to);
    if (recipe_.pool_groups.empty() || row.op == Op::load || is_in == is_in_pool(place_of(slot)) || pool_groups_ == wanted_groups_)
        return true;
    const auto there = static_cast<uint64_t>(std::popcount(slots_.group(pool_places, slot)));
    if (pool_groups_ > wanted_groups_) return is_in ? there > 0 : !chance(there - 1, there);
    return is_in ? there == 0 : there > 1;
}

// Before a row has changed anything of its slot, and after.
void FittedPart::count_size(uint64_t slot, uint32_t change) {
    if (!is_swapped_out(place_of(slot)) || sizes_[slot] == unknown) return;
    swapped_sizes_[tables_.size_groups[sizes_[slot]]] += change;
    swapped_ += change;
}

bool FittedPart::is_crumb(size_t number, uint64_t slot) const {
    const uint32_t places = places_of(number);
    return 1 + slots_.run_below(places, slot) + slots_.run_above(places, slot) < crumb_slots;
}

// Along the quantiles, by the lower 32 bits of what is drawn.
uint64_t FittedPart::drawn_from(const std::vector<uint32_t>& quantiles, uint64_t drawn, uint64_t times) {
    const uint64_t along = (drawn & 0xffffffff) * (quantiles.size() - 1);  // 32 bits behind the point
    const uint64_t step = along >> 32, part = along & 0xffffffff;
    const uint64_t low = quantiles[step], high = quantiles[step + 1];
    return static_cast<uint64_t>(__extension__ static_cast<unsigned __int128>((low << 32) + (high - low) * part) * times >> 32);
}

// Whether the row is of the nearest slot ahead of the last one of its op, or back from it, that a row of the op can be of.
bool FittedPart::beside(size_t number, bool ahead, Chosen& chosen) {
    const FittedRecipe::Kind& kind = recipe_.kinds[number];
    const uint64_t last = last_slots_[static_cast<size_t>(kind.row.op)];
    if (last == AgeList::nowhere) return false;
    const uint32_t right = (ahead ? kind.ahead : kind.back)[phase_];
    const uint32_t over_gap = ahead ? kind.ahead_over_gap : kind.back_over_gap;
    const uint64_t drawn = below(FittedRecipe::whole);
    if (drawn >= std::max(right, over_gap)) return false;
    const uint32_t places = places_of(number);
    const uint64_t nearest = ahead ? slots_.at_or_above(places, last + 1, slots_ahead - 1) : slots_.at_or_below(places, last - 1, slots_ahead - 1);
    if (nearest == AgeList::nowhere) return false;
    if (drawn >= (nearest == last + 1 || nearest + 1 == last ? right : over_gap)) return false;
    kind_of(number, nearest, chosen);
    return true;
}

// Where has_rows_ has changed.
void FittedPart::look_at_rows_left() {
    for (size_t kind = 0; kind < places_.size(); ++kind) {
        places_[kind] = 0;
        for (size_t place = 1; place < place_count; ++place)
            places_[kind] |= uint32_t{(tables_.others[kind][place] & has_rows_) != 0} << place;
    }
}

// As what a row of the kind goes on at the slot, if it can.
bool FittedPart::kind_of(size_t number, uint64_t slot, Chosen& chosen) const {
    if (slot >= lives_.size()) return false;
    const uint64_t kinds = tables_.others[number][lives_[slot] >> place_shift] & has_rows_;
    if (!kinds) return false;
    chosen = {kinds >> number & 1 ? number : static_cast<size_t>(std::countr_zero(kinds)), lives_[slot] & position_mask};
    return true;
}

// Who frees, or reads, all that it has begins at one end of it: the chosen slot, or the last of those beside it on the side
// from which the kind comes.
FittedPart::Chosen FittedPart::at_edge(Chosen chosen) {
    const FittedRecipe::Kind& kind = recipe_.kinds[chosen.kind];
    if (below(FittedRecipe::whole) >= kind.edges[phase_]) return chosen;
    const uint64_t slot = list(kind.row.from).slot(chosen.position);
    const uint64_t ahead = kind.ahead[phase_], back = kind.back[phase_];
    const bool from_below = below(ahead + back + 1) <= ahead;
    const uint32_t places = places_of(chosen.kind);
    uint64_t steps = 0;
    for (uint64_t run = 64; run == 64 && steps < edge_slots; steps += run)
        run = from_below ? slots_.run_below(places, slot - steps) : slots_.run_above(places, slot + steps);
    Chosen edge = chosen;
    if (steps > 0 && steps < edge_slots) kind_of(chosen.kind, from_below ? slot - steps : slot + steps, edge);
    return edge;
}

uint32_t FittedPart::wanted_size_of(const FittedRecipe::Kind& kind, uint64_t slot) {
    const bool is_any = recipe_.swapped_sizes.empty() || kind.row.to != SlotPlace::fresh;
    for (int tries = 1;; ++tries) {
        const uint32_t size = size_of(kind, slot);
        if (is_any || tries == size_tries) return size;
        if (const uint64_t more = too_many(Op::store, std::min(size, page_bytes));
            !more || !chance(more * store_pull, FittedRecipe::whole))
            return size;
    }
}

uint32_t FittedPart::size_of(const FittedRecipe::Kind& kind, uint64_t slot) {
    if (!kind.sizes.empty()) return kind.sizes[below(kind.sizes.size())];
    if (const uint32_t before = sizes_[slot]; kind.row.from != SlotPlace::none && before != unknown) {
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
uint32_t FittedPart::size_between(uint64_t first, uint64_t end) {
    const uint64_t rank = first + (end > first + 1 ? below(end - first) : 0);
    const auto found = std::ranges::upper_bound(tables_.size_ends, std::min<uint64_t>(rank, FittedRecipe::million - 1));
    return recipe_.sizes[static_cast<size_t>(found - tables_.size_ends.begin())];
}

// The size of a page that is stored again: most keep theirs, or its group.
uint32_t FittedPart::resized(const FittedRecipe::Kind& kind, uint32_t before) {
    const auto& shares = kind.resized[tables_.size_groups[before]];
    uint64_t share = below(FittedRecipe::whole);
    size_t outcome = 0;
    for (; outcome < shares.size() && share >= shares[outcome]; ++outcome) share -= shares[outcome];
    if (outcome == same_size) return before;
    if (outcome == near_size) {
        const auto first = std::ranges::lower_bound(recipe_.sizes, before < near_bytes ? 0 : before - near_bytes);
        const auto last = std::ranges::upper_bound(recipe_.sizes, before + near_bytes);
        if (first == last) return before;
        const auto at = first - recipe_.sizes.begin(), end = last - recipe_.sizes.begin();
        return size_between(at ? tables_.size_ends[static_cast<size_t>(at - 1)] : 0, tables_.size_ends[static_cast<size_t>(end - 1)]);
    }
    if (outcome == shares.size()) return unknown;
    const uint64_t group = outcome - 2;
    return size_between(group * FittedRecipe::million / weight_groups, (group + 1) * FittedRecipe::million / weight_groups);
}

void FittedPart::move(size_t number, uint64_t position, uint64_t slot) {
    const RowKind& kind = recipe_.kinds[number].row;
    if (kind.to == kind.from && (kind.from == SlotPlace::none || (kind.op != Op::load && kind.op != Op::store))) return;
    count_group(kind.from, kind.to, slot);
    if (kind.from != SlotPlace::none) {
        list(kind.from).remove(position);
        slots_.remove(static_cast<uint32_t>(kind.from), slot);
    }
    if (kind.to == SlotPlace::none) {
        area_.free(static_cast<uint32_t>(slot));
        lives_[slot] = 0;
        sizes_[slot] = unknown;
        return;
    }
    AgeList32& to = list(kind.to);
    if (to.full())
        for (size_t i = 0; i < recipe_.kinds.size(); ++i)
            if (recipe_.kinds[i].row.from == kind.to && cursors_[i] != AgeList::nowhere) cursors_[i] = to.older(cursors_[i]);
    const uint32_t place = static_cast<uint32_t>(kind.to) << place_shift;
    slots_.add(static_cast<uint32_t>(kind.to), slot);
    lives_[slot] = place | static_cast<uint32_t>(to.append(slot, [&](uint64_t moved, uint64_t now) { lives_[moved] = place | static_cast<uint32_t>(now); }));
}

}  // namespace zreplay
