#include "trace/fit.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

namespace zreplay {

Fit::Fit(uint64_t rows, uint32_t phases, uint32_t steps, const Fit* counted)
    : counted_(counted), expected_rows_(std::max<uint64_t>(rows, 1)), phases_(phases), steps_(steps) {
    last_slots_.fill(AgeList::nowhere);
    sizes_.assign(phases, std::vector<uint64_t>(page_bytes + 1));
    cursors_.fill(AgeList::nowhere);
    swapped_sizes_.resize(size_t{phases} * steps);
    pool_groups_.resize(size_t{phases} * steps);
    follows_.resize(most_kinds * most_kinds);
    if (!counted_) return;
    std::vector<uint64_t> together(page_bytes + 1);
    for (const auto& sizes : counted_->sizes_)
        for (size_t size = 0; size < together.size(); ++size) together[size] += sizes[size];
    const uint64_t total = std::max<uint64_t>(1, std::accumulate(together.begin(), together.end(), uint64_t{0}));
    size_groups_.resize(together.size());
    uint64_t below = 0;
    for (size_t size = 0; size < together.size(); below += together[size++])
        size_groups_[size] = static_cast<uint8_t>(std::min<uint64_t>(below * weight_groups / total, weight_groups - 1));
}

void Fit::add(const EventBatch& batch) {
    for (int64_t i = 0; i < batch.rows; ++i, ++rows) {
        const uint64_t all_steps = uint64_t{phases_} * steps_, step = std::min(rows * all_steps / expected_rows_, all_steps - 1);
        const auto phase = static_cast<uint32_t>(step / steps_);
        const bool has_slot = batch.type.has(i) && batch.offset.has(i);
        const SwapEntry slot = has_slot ? batch.entry(i) : SwapEntry{};
        Life life{SlotPlace::none, 0};
        if (has_slot)
            if (auto found = lives_.find(slot.word); found != lives_.end()) life = found->second;
        const RowKind kind = kind_of(batch, i, life.place);
        const uint32_t number = number_of(kind);
        if (batch.cpu.has(i)) {
            const int cpu = batch.cpu[i];
            ++cpu_rows;
            cpu_changes += last_cpu_ >= 0 && cpu != last_cpu_;
            last_cpu_ = cpu;
        }
        if (number == no_kind) {
            ++kinds_left_out;
            continue;
        }
        Counts& counts = counts_[size_t{number} * phases_ + phase];
        Step& here = steps_of_[number * all_steps + step];
        ++counts.rows;
        ++here.rows;
        here.runs += number != last_kind_ || here.rows == 1;
        if (last_kind_ != no_kind && last_kind_ != number) ++follows_[last_kind_ * most_kinds + number];
        last_kind_ = number;
        if (life.place != SlotPlace::none) count_place(number, phase, slot, life);
        if (kind.op == Op::store) {
            count_size(batch, i, number, phase, life.size_bytes);
            types |= 1u << slot.type();
            first_slot = std::min(first_slot, slot.offset());
            last_slot = std::max(last_slot, slot.offset());
        }
        if (kind.op == Op::invalidate_area) clear_type(batch.type.get(i, 0));
        else if (has_slot) move(slot, kind, kind.sized ? batch.size[i] : life.size_bytes);
        swapped_sizes_[step] = swapped_;
        pool_groups_[step] = groups_.size();
    }
}

RowKind Fit::kind_of(const EventBatch& batch, int64_t row, SlotPlace from) const {
    RowKind kind{.op = batch.op(row), .from = from, .to = from};
    const bool has_result = batch.result.has(row);
    const int32_t result = batch.result.get(row, 0);
    const bool compressed = from == SlotPlace::fresh || from == SlotPlace::read;
    switch (kind.op) {
        case Op::store:
            kind.to = result < 0 ? SlotPlace::refused : SlotPlace::fresh;
            kind.sized = batch.size.has(row);
            break;
        case Op::load:
            kind.takes = result >= 0 && (batch.call_rows.has(row) || batch.call_ts_ns.has(row));
            if (from != SlotPlace::none) kind.to = kind.takes || result < 0 || !compressed ? SlotPlace::back : SlotPlace::read;
            break;
        case Op::invalidate:
            kind.to = from != SlotPlace::none && is_stored_again(batch, row) ? SlotPlace::cleared : SlotPlace::none;
            break;
        case Op::writeback:
            if (result >= 0 && compressed) kind.to = SlotPlace::written;
            break;
        default: break;
    }
    // What a kernel counted is its own affair; that it refused, and what an entry came to, are kinds.
    if (has_result) kind.result = result <= 0 || kind.op == Op::visit ? result : RowKind::no_result;
    if (batch.asked_by.has(row)) kind.asked_by = static_cast<uint8_t>(batch.asked_by[row]);
    return kind;
}

// At once, and before anything else happens to it. (A batch ends now and then before that can be seen.)
bool Fit::is_stored_again(const EventBatch& batch, int64_t row) {
    const SwapEntry slot = batch.entry(row);
    for (int64_t next = row + 1; next < std::min(batch.rows, row + 1 + cleared_rows); ++next)
        if (batch.type.has(next) && batch.offset.has(next) && batch.entry(next) == slot) return batch.op(next) == Op::store;
    return false;
}

uint32_t Fit::number_of(const RowKind& kind) {
    auto found = std::find(kinds_.begin(), kinds_.end(), kind);
    if (found != kinds_.end()) return static_cast<uint32_t>(found - kinds_.begin());
    if (kinds_.size() == most_kinds) return no_kind;
    kinds_.push_back(kind);
    counts_.resize(kinds_.size() * phases_);
    steps_of_.resize(kinds_.size() * phases_ * steps_);
    return static_cast<uint32_t>(kinds_.size() - 1);
}

bool Fit::can_be_of(const RowKind& kind, SlotPlace place, uint32_t phase) const {
    for (size_t i = 0; i < counted_->kinds_.size(); ++i) {
        const RowKind& other = counted_->kinds_[i];
        if (other.from == place && kind.goes_on_as(other) && counted_->counts(i, phase).rows) return true;
    }
    return false;
}

bool Fit::can_be_at(uint64_t word, const RowKind& kind, uint32_t phase) const {
    auto found = lives_.find(word);
    return found != lives_.end() && can_be_of(kind, found->second.place, phase);
}

// Whether the slot is the nearest one on that side of the last one.
bool Fit::is_beside(uint64_t last, uint64_t word, bool ahead, const RowKind& kind, uint32_t phase,
                    std::array<Counts::Beside, 2>& counts) const {
    for (uint64_t step = 1; step <= slots_ahead; ++step) {
        const uint64_t nearest = ahead ? last + step : last - step;
        if (!can_be_at(nearest, kind, phase)) continue;
        Counts::Beside& beside = counts[step > 1];
        ++beside.found;
        beside.taken += nearest == word;
        return nearest == word;
    }
    return false;
}

bool Fit::is_edge(SwapEntry slot, const RowKind& kind, uint32_t phase) const {
    return !can_be_at(slot.word - 1, kind, phase) || !can_be_at(slot.word + 1, kind, phase);
}

void Fit::count_size_group(const Life& life, std::array<uint32_t, weight_groups>& counts) const {
    if (life.size_bytes <= page_bytes) ++counts[size_groups_[life.size_bytes]];
}

bool Fit::is_crumb(uint64_t word, const RowKind& kind, uint32_t phase) const {
    uint64_t slots = 1;
    for (uint64_t below = word - 1; slots < crumb_slots && can_be_at(below, kind, phase); --below) ++slots;
    for (uint64_t above = word + 1; slots < crumb_slots && can_be_at(above, kind, phase); ++above) ++slots;
    return slots < crumb_slots;
}

// Two to the octave.
uint32_t Fit::distance_bin(uint64_t distance) {
    const uint64_t at_least_one = std::max<uint64_t>(distance, 1);
    const auto octave = static_cast<uint32_t>(std::bit_width(at_least_one) - 1);
    const auto half = static_cast<uint32_t>(octave ? at_least_one >> (octave - 1) & 1 : 0);
    return std::min(2 * octave + half, near_bins - 1);
}

void Fit::count_place(uint32_t number, uint32_t phase, SwapEntry slot, const Life& life) {
    const RowKind& kind = kinds_[number];
    Counts& counts = counts_[size_t{number} * phases_ + phase];
    const AgeList& list = lists_[static_cast<size_t>(life.place)];
    const uint64_t older = list.older(life.position), last = std::exchange(cursors_[number], life.position);
    const uint64_t last_slot = std::exchange(last_slots_[static_cast<size_t>(kind.op)], slot.word);
    if (!counted_) return;
    if (last_slot != AgeList::nowhere && (is_beside(last_slot, slot.word, true, kind, phase, counts.ahead) ||
                                          is_beside(last_slot, slot.word, false, kind, phase, counts.back)))
        return;
    ++counts.jumps;
    Departures& departures = departures_[static_cast<size_t>(kind.op)];
    const Departures before = departures;
    if (last_slot != AgeList::nowhere) departures.left(last_slot);
    if (last != AgeList::nowhere && older == list.older(last) + list.has(last)) {
        ++counts.next;
        return;
    }
    counts.edges += is_edge(slot, kind, phase);
    counts.crumbs += is_crumb(slot.word, kind, phase);
    const uint64_t any = list.slot(list.nth(any_.below(static_cast<uint32_t>(list.size()))));
    counts.crumbs_by_chance += is_crumb(any, kind, phase);
    counts.edges_by_chance += is_edge(SwapEntry::from_word(any), kind, phase);
    count_size_group(life, counts.sized);
    count_size_group(lives_.at(any), counts.sized_by_chance);
    if (last_slot != AgeList::nowhere) {
        const uint64_t distance = slot.word > last_slot ? slot.word - last_slot : last_slot - slot.word;
        if (distance <= close_slots) {
            ++counts.close;
            counts.close_back += slot.word < last_slot;
            ++counts.close_distances[distance_bin(distance)];
            return;
        }
    }
    for (size_t i = 0; i < before.size(); ++i) {
        const uint64_t from = before.slots[i], distance = slot.word > from ? slot.word - from : from - slot.word;
        if (distance <= return_slots) {
            ++counts.returns;
            counts.return_back += slot.word < from;
            ++counts.return_distances[distance_bin(distance)];
            return;
        }
    }
    if (last != AgeList::nowhere) {
        const uint64_t last_older = list.older(last), distance = older > last_older ? older - last_older : last_older - older;
        if (distance * near_part < list.size()) {
            ++counts.near;
            counts.near_back += older < last_older;
            ++counts.distances[distance_bin(distance)];
            return;
        }
    }
    const uint64_t rank = list.size() - 1 - older;
    uint64_t bin = rank * coarse_bins / list.size() + fine_bins - 1;
    if (bin == fine_bins - 1) {
        const uint64_t share = (rank * coarse_bins << fine_bins) / list.size();  // of 2^fine_bins
        bin = share ? static_cast<uint64_t>(std::bit_width(share) - 1) : 0;
    }
    ++counts.ranks[std::min<uint64_t>(bin, rank_bins - 1)];
}

void Fit::move(SwapEntry slot, const RowKind& kind, uint32_t size_bytes) {
    const bool stays = kind.to == kind.from && kind.op != Op::load && kind.op != Op::store;
    if (stays) return;
    if (kind.from != SlotPlace::none) {
        const Life& life = lives_.at(slot.word);
        lists_[static_cast<size_t>(kind.from)].remove(life.position);
        count_swapped(life, ~0u);
        count_group(slot.word, kind.from, ~0u);
    }
    if (kind.to == SlotPlace::none) {
        lives_.erase(slot.word);
        return;
    }
    AgeList& list = lists_[static_cast<size_t>(kind.to)];
    if (list.full())
        for (size_t i = 0; i < kinds_.size(); ++i)
            if (kinds_[i].from == kind.to && cursors_[i] != AgeList::nowhere) cursors_[i] = list.older(cursors_[i]);
    const uint64_t position = list.append(slot.word, [&](uint64_t word, uint64_t now) { lives_.at(word).position = now; });
    const Life life{kind.to, position, size_bytes};
    lives_[slot.word] = life;
    count_swapped(life, 1);
    count_group(slot.word, kind.to, 1);
}

void Fit::count_size(const EventBatch& batch, int64_t row, uint32_t kind, uint32_t phase, uint32_t before) {
    if (!kinds_[kind].sized) return;
    const uint32_t size = batch.size[row];
    if (kinds_[kind].to == SlotPlace::fresh) {
        Counts& counts = counts_[size_t{kind} * phases_ + phase];
        if (before != unknown) {
            const bool same = size == before, near = !same && size <= before + near_bytes && before <= size + near_bytes;
            if (counted_) {
                const uint32_t group = size_groups_[std::min(before, page_bytes)], to = size_groups_[std::min(size, page_bytes)];
                ++counts.resized[group][same ? same_size : near ? near_size : 2 + to];
            }
            if (same || near) return;
        }
        ++sizes_[phase][std::min(size, page_bytes)];
        for (size_t i = 0; i < lags.size(); ++i) {
            if (stores_ < lags[i]) continue;
            ++pairs[i];
            alike[i] += last_sizes_[(stores_ - lags[i]) % last_sizes_.size()] / 64 == size / 64;
        }
        last_sizes_[stores_++ % last_sizes_.size()] = size;
    } else {
        auto& sizes = refused_sizes_[kind];
        if (sizes.empty()) sizes.resize(2 * page_bytes + 1);
        ++sizes[std::min(size, 2 * page_bytes)];
    }
}

std::vector<uint64_t> Fit::refused_sizes(size_t kind) const {
    auto found = refused_sizes_.find(kind);
    return found == refused_sizes_.end() ? std::vector<uint64_t>{} : found->second;
}

void Fit::count_swapped(const Life& life, uint32_t change) {
    if (counted_ && is_swapped_out(life.place) && life.size_bytes <= page_bytes) swapped_[size_groups_[life.size_bytes]] += change;
}

void Fit::count_group(uint64_t word, SlotPlace place, uint32_t change) {
    if (!is_in_pool(place)) return;
    const uint64_t group = word >> group_shift;
    if ((groups_[group] += change) == 0) groups_.erase(group);
}

void Fit::clear_type(uint32_t type) {
    for (auto life = lives_.begin(); life != lives_.end();) {
        if (life->first >> SwapEntry::type_shift != type) {
            ++life;
            continue;
        }
        lists_[static_cast<size_t>(life->second.place)].remove(life->second.position);
        count_swapped(life->second, ~0u);
        count_group(life->first, life->second.place, ~0u);
        life = lives_.erase(life);
    }
}

}  // namespace zreplay
