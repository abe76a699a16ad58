#include "trace/fitted_synth.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace zreplay {

namespace {
constexpr uint64_t cluster_slots = 512;  // SWAPFILE_CLUSTER where huge pages can be swapped
}  // namespace

FittedBatch::FittedBatch(size_t rows)
    : rows(rows), ts_ns(rows), op(rows), type(rows), offset(rows), size(rows), cpu(rows), result(rows), call_rows(rows),
      asked_by(rows), has_type((rows + 7) / 8), has_slot((rows + 7) / 8), has_size((rows + 7) / 8), has_result((rows + 7) / 8),
      has_call_rows((rows + 7) / 8), has_asked_by((rows + 7) / 8) {}

FittedSynth::FittedSynth(FittedRecipe recipe)
    : tables_(std::move(recipe)),
      stride_((tables_.part_slots + 1 + cluster_slots - 1) / cluster_slots * cluster_slots),
      shapes_(tables_.recipe.kinds.size() + 1),
      times_(tables_.recipe.seed ^ 0x74696d6573) {
    const size_t drawn_rows = std::clamp(drawn_together / tables_.recipe.parts, least_drawn, most_drawn);
    uint64_t round_rows = 1;
    for (const FittedRecipe::Kind& kind : tables_.recipe.kinds) round_rows += kind.rows.empty() ? 0 : kind.rows.back();
    const uint64_t kept = kept_rows / round_rows < least_kept ? 0 : std::min(kept_rows / round_rows, most_kept);
    const uint64_t part_rows = round_rows / tables_.recipe.parts + tables_.recipe.kinds.size();
    for (uint32_t number = 0; number < tables_.recipe.parts; ++number)
        parts_.push_back({PartRounds(tables_, number, kept, part_rows), std::vector<DrawnRow>(drawn_rows)});
    for (size_t kind = 0; kind < tables_.recipe.kinds.size(); ++kind) {
        const RowKind& row = tables_.recipe.kinds[kind].row;
        Shape& shape = shapes_[kind];
        shape.op = static_cast<int8_t>(row.op);
        if (row.names_slot()) shape.has |= Has::slot | Has::type;
        if (row.op == Op::invalidate_area) shape.has |= Has::type;
        if (row.op == Op::store && row.sized) shape.has |= Has::size;
        if (row.takes) shape.has |= Has::call_rows;
        if (row.result != RowKind::no_result) {
            shape.result = row.result;
            shape.has |= Has::result;
        }
        if (row.asked_by != RowKind::nobody) {
            shape.asked_by = static_cast<int8_t>(row.asked_by);
            shape.has |= Has::asked_by;
        }
    }
    shapes_.back() = {.op = static_cast<int8_t>(Op::invalidate_area), .has = Has::type};
}

std::shared_ptr<FittedBatch> FittedSynth::unused(size_t rows) {
    for (auto& batch : batches_) {
        if (batch.use_count() != 1) continue;
        const auto held = batch;  // counted up after the last holder counted down: what it read, it has read
        if (batch->rows != rows) batch = std::make_shared<FittedBatch>(rows);
        return batch;
    }
    return batches_.emplace_back(std::make_shared<FittedBatch>(rows));
}

std::shared_ptr<const FittedBatch> FittedSynth::next(size_t rows) {
    std::shared_ptr<FittedBatch> batch = unused(rows);
    has_.assign((rows + 7) / 8 * 8, 0);
    size_t idle = 0;
    for (size_t row = 0; row < rows;) {
        if (together_put_ < together_.size()) {
            put(*batch, row++, &together_[together_put_++], 1, 0);
            continue;
        }
        Part& part = parts_[turn_];
        if (part.is_empty() && !part.stops()) draw_parts();
        const size_t count = std::min({turn_left_, part.end - part.begin, rows - row});
        put(*batch, row, &part.rows[part.begin], count, turn_ * stride_);
        row += count;
        part.begin += count;
        turn_left_ -= count;
        idle = count ? 0 : idle + 1;
        if (turn_left_ == 0 || (part.is_empty() && part.stops())) {
            turn_ = (turn_ + 1) % parts_.size();
            turn_left_ = turn_rows;
        }
        if (idle > parts_.size()) {
            pass_together();
            idle = 0;
        }
    }
    say_what_is_there(*batch);
    return batch;
}

// Draws on for every part that has less than a turn left.
void FittedSynth::draw_parts() {
    std::vector<Part*> wanted;
    for (Part& part : parts_)
        if (!part.stops() && part.end - part.begin < turn_rows) wanted.push_back(&part);
    std::atomic<size_t> next{0};
    std::exception_ptr failed;
    std::mutex failing;
    auto draw_some = [&] {
        try {
            for (size_t i; (i = next++) < wanted.size();) refill(*wanted[i]);
        } catch (...) {
            std::lock_guard lock(failing);
            failed = std::current_exception();
        }
    };
    std::vector<std::thread> threads;
    const size_t at_once = std::min<size_t>(wanted.size(), std::max(1u, std::thread::hardware_concurrency()));
    threads.reserve(at_once);
    try {
        while (threads.size() + 1 < at_once) threads.emplace_back(draw_some);
    } catch (const std::system_error&) {
        // No more threads to be had: those that are there, and this one, draw all the same.
    }
    draw_some();
    for (std::thread& thread : threads) thread.join();
    if (failed) std::rethrow_exception(failed);
}

void FittedSynth::refill(Part& part) const {
    std::copy(part.rows.begin() + static_cast<std::ptrdiff_t>(part.begin), part.rows.begin() + static_cast<std::ptrdiff_t>(part.end),
              part.rows.begin());
    part.end -= std::exchange(part.begin, 0);
    part.end += part.rounds.draw(&part.rows[part.end], part.rows.size() - part.end);
}

// All parts have come to an invalidate_area; or to their ends: then every area is switched off, which frees all slots, and on again.
void FittedSynth::pass_together() {
    together_.clear();
    together_put_ = 0;
    for (Part& part : parts_) {
        if (part.rounds.waits()) together_.push_back(part.rounds.free_all());
        else part.rounds.free_all();
    }
    if (!together_.empty()) return;
    for (Part& part : parts_) part.rounds.begin_anew();
    for (uint32_t type = 0; type < tables_.recipe.types; ++type) {
        DrawnRow row;
        row.slot = type;
        row.kind = static_cast<uint32_t>(shapes_.size() - 1);
        together_.push_back(row);
    }
}

void FittedSynth::put(FittedBatch& batch, size_t row, const DrawnRow* rows, size_t count, uint64_t first_slot) {
    const uint64_t types = tables_.recipe.types;
    for (size_t i = 0; i < count; ++i, ++row) {
        const DrawnRow drawn = rows[i];
        const Shape& shape = shapes_[drawn.kind];
        time_ns_ += 1 + static_cast<int64_t>(times_.next() & 2047);
        batch.ts_ns[row] = time_ns_;
        batch.op[row] = shape.op;
        batch.cpu[row] = drawn.cpu;
        batch.size[row] = drawn.size;
        batch.result[row] = shape.result;
        batch.asked_by[row] = shape.asked_by;
        has_[row] = shape.has;
        uint64_t slot = first_slot + drawn.slot, of_type = 0;
        if (!(shape.has & Has::slot)) {
            of_type = drawn.slot;
        } else if (types > 1) {  // one area's clusters stand for those of all, which take turns
            const uint64_t cluster = slot / cluster_slots;
            of_type = cluster % types;
            slot = cluster / types * cluster_slots + slot % cluster_slots;
        }
        batch.type[row] = static_cast<uint8_t>(of_type);
        batch.offset[row] = slot;
    }
}

void FittedSynth::say_what_is_there(FittedBatch& batch) const {
    constexpr uint64_t each = ~uint64_t{0} / 255;  // 1 in every byte
    auto bits = [&](Has what, std::vector<uint8_t>& out) {
        size_t ones = 0;
        for (size_t byte = 0; byte < out.size(); ++byte) {
            uint64_t eight;
            std::memcpy(&eight, &has_[8 * byte], 8);
            // The lowest bits of eight bytes, each moved to where it stands in one.
            const uint64_t lowest = eight >> std::countr_zero(static_cast<uint32_t>(what)) & each;
            out[byte] = static_cast<uint8_t>(lowest * 0x0102040810204080 >> 56);
            ones += lowest * each >> 56;
        }
        return ones;
    };
    batch.slots = bits(Has::slot, batch.has_slot);
    batch.types = bits(Has::type, batch.has_type);
    batch.sizes = bits(Has::size, batch.has_size);
    batch.results = bits(Has::result, batch.has_result);
    batch.calls = bits(Has::call_rows, batch.has_call_rows);
    batch.asked = bits(Has::asked_by, batch.has_asked_by);
}

}  // namespace zreplay
