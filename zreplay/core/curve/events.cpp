#include "curve/events.hpp"

#include <algorithm>

#include "trace/slot_sample.hpp"

namespace zreplay {

CurveEvents::CurveEvents(Options options, MissingSizes missing_sizes)
    : options_(std::move(options)), missing_sizes_(missing_sizes) {
    for (uint64_t cgroup : options_.cgroups) groups_.push_back(cgroup << 16);
}

void CurveEvents::add(const EventBatch& batch, std::span<const Call> calls) {
    missing_sizes_.enter(batch);
    if (options_.sample_of > options_.sample_keep) calls = {};
    for (int64_t i = 0; i < batch.rows; ++i, ++events) {
        take_calls(static_cast<int64_t>(events), calls);
        const Event event = batch.event(i);
        const auto row = static_cast<uint32_t>(events);
        switch (event.op) {
            case Op::store: {
                ++all_stores;
                const uint32_t call = call_of(static_cast<int64_t>(events));
                if (is_sampled(event.entry)) store(event, row, call);
                break;
            }
            case Op::load:
                ++all_loads;
                if (is_sampled(event.entry)) load(event.entry, row);
                break;
            case Op::invalidate:
                if (is_sampled(event.entry)) invalidate(event.entry, row);
                break;
            case Op::invalidate_area: invalidate_area(event.entry.type(), row); break;
            case Op::compact:
                // The row at a compaction's end is the one that counts.
                if (event.result() != -e_inprogress) ops_.push_back({.row = row, .what = CurveOp::compact});
                break;
            case Op::visit: visit(event, row); break;
            default: break;
        }
    }
}

bool CurveEvents::is_sampled(SwapEntry slot) const {
    return options_.sample_of == 1 || slot_hash(slot) % options_.sample_of < options_.sample_keep;
}

void CurveEvents::take_calls(int64_t row, std::span<const Call>& calls) {
    for (; !calls.empty() && calls.front().at <= row; calls = calls.subspan(1)) {
        const Call& made = calls.front();
        auto found = std::ranges::find(pending_, made.row, &Pending::row);
        if (found == pending_.end()) {
            uint32_t call = static_cast<uint32_t>(most_calls);
            if (free_calls_.empty()) {
                ++most_calls;
            } else {
                call = free_calls_.back();
                free_calls_.pop_back();
            }
            pending_.push_back({made.row, call});
            found = pending_.end() - 1;
        }
        ops_.push_back({.row = static_cast<uint32_t>(row),
                        .call = found->call,
                        .size_bytes = static_cast<uint16_t>(std::min<uint32_t>(made.size_bytes, UINT16_MAX)),
                        .what = made.what == Call::store ? CurveOp::decide : CurveOp::reserve});
    }
}

uint32_t CurveEvents::call_of(int64_t row) {
    auto found = std::ranges::find(pending_, row, &Pending::row);
    if (found == pending_.end()) return CurveOp::none;
    const uint32_t call = found->call;
    pending_.erase(found);
    free_calls_.push_back(call);
    return call;
}

uint16_t CurveEvents::group_of(uint64_t key) {
    for (size_t n = 0; n < groups_.size(); ++n)
        if (groups_[n] == key) return static_cast<uint16_t>(n);
    groups_.push_back(key);
    return static_cast<uint16_t>(groups_.size() - 1);
}

uint32_t CurveEvents::new_page() {
    if (free_pages_.empty()) return static_cast<uint32_t>(most_pages++);
    const uint32_t page = free_pages_.back();
    free_pages_.pop_back();
    return page;
}

// As ZswapFolio::store: what of it no limit decides.
void CurveEvents::store(const Event& event, uint32_t row, uint32_t call) {
    ++stores;
    const bool lacks_size = event.size == Event::missing_size;
    const bool incompressible = lacks_size && event.result() == -e_inval;
    bool is_refused = incompressible && !options_.keeps_incompressible;
    uint32_t size_bytes = page_bytes;
    if (!incompressible) {
        if (!lacks_size) size_bytes = static_cast<uint32_t>(event.size);
        else if (auto drawn = missing_sizes_.of(event, events)) size_bytes = *drawn;
        else is_refused = true;
        if (size_bytes == 0 && !options_.same_filled) size_bytes = same_filled_compressed_bytes;
    }
    uint32_t& slot = word(event.entry);
    if (!is_refused && size_bytes == 0) {
        // An older page of the slot stays, out of reach.
        slot |= zero_bit;
        if (call != CurveOp::none) ops_.push_back({.row = row, .call = call, .what = CurveOp::drop});
        return;
    }
    slot &= ~zero_bit;
    if (options_.keeps_incompressible) size_bytes = std::min(size_bytes, page_bytes);
    is_refused |= size_bytes > page_bytes;
    if (is_refused) {
        ++refused;
        ops_.push_back({.row = row, .page = slot ? slot - 1 : CurveOp::none, .call = call, .what = CurveOp::refused});
        if (slot) free_pages_.push_back(slot - 1);
        slot = 0;
        return;
    }
    if (!slot) slot = new_page() + 1;
    ops_.push_back({.row = row,
                    .page = slot - 1,
                    .call = call,
                    .size_bytes = static_cast<uint16_t>(size_bytes),
                    .group = group_of(event.group()),
                    .what = CurveOp::store});
}

void CurveEvents::load(SwapEntry entry, uint32_t row) {
    ++loads;
    const uint32_t slot = peek(entry);
    if (slot & zero_bit) {
        ++loads_zero;
    } else if (!slot) {
        ++loads_cold;
    } else {
        ops_.push_back({.row = row, .page = slot - 1, .what = CurveOp::load});
        free_pages_.push_back(slot - 1);
        word(entry) = 0;
    }
}

void CurveEvents::invalidate(SwapEntry entry, uint32_t row) {
    const uint32_t slot = peek(entry);
    if (!slot) return;
    if (const uint32_t page = slot & ~zero_bit) {
        ops_.push_back({.row = row, .page = page - 1, .what = CurveOp::drop});
        free_pages_.push_back(page - 1);
    }
    word(entry) = 0;
}

// Those of the limit's own worker are each replay's own affair.
void CurveEvents::visit(const Event& event, uint32_t row) {
    if (event.asked_by() == Asker::limit || (event.has_slot() && !is_sampled(event.entry))) return;
    const int verdict = event.result().value_or(lru_removed_retry);
    const bool failed = event.has_slot() && (verdict == lru_retry || verdict == lru_stop);
    const uint32_t page = failed ? peek(event.entry) & ~zero_bit : 0;
    ops_.push_back({.row = row,
                    .page = page ? page - 1 : CurveOp::none,
                    .group = group_of(event.group()),
                    .what = CurveOp::visit});
}

void CurveEvents::invalidate_area(uint32_t type, uint32_t row) {
    slots_.for_each(type, [&](uint64_t, const Piece& piece) {
        for (uint32_t slot : piece)
            if (const uint32_t page = slot & ~zero_bit) {
                ops_.push_back({.row = row, .page = page - 1, .what = CurveOp::drop});
                free_pages_.push_back(page - 1);
            }
    });
    slots_.clear_type(type);
}

}  // namespace zreplay
