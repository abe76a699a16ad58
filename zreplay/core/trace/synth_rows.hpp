// Rows of a generator that makes some at a time: they go into batches of the size that is asked for, and what a step makes
// beyond the end of one begins the next.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "random.hpp"
#include "trace/swap_slots.hpp"
#include "trace/synth.hpp"
#include "types.hpp"

namespace zreplay {

class SynthRows {
  public:
    static constexpr uint32_t most_a_step = 512;

    struct Columns {
        bool may_lack_slot = false;  // there are rows without a slot
        bool may_lack_offset_only = false;  // there are rows of a type as a whole
        bool cgroup = false;
    };

    SynthRows(uint64_t seed, uint32_t mean_gap_ns, Columns columns)
        : random_(seed), gap_span_(2 * uint64_t{mean_gap_ns} - 1), columns_(columns) {
        if (columns.cgroup) carry_.cgroup.resize(most_a_step);
    }

    void begin(size_t rows) {
        batch_ = unused(rows);
        at_ = 0;
        while (carried_first_ < carried_ && at_ < rows) copy(carry_, carried_first_++, *batch_, at_++);
    }
    bool is_full() const { return at_ >= batch_->rows; }
    std::shared_ptr<const SynthBatch> end() {
        if (at_ > batch_->rows) {
            carried_first_ = carried_ = 0;
            for (size_t row = batch_->rows; row < at_; ++row) copy(*batch_, row, carry_, carried_++);
        }
        say_what_is_null(*batch_);
        return std::move(batch_);
    }

    // `size` is of a store or a cma; `cgroup` 0 is none. Times are uniform from 1 to twice the mean, less 1.
    void row(Op op, uint32_t cpu, uint32_t slot, uint32_t size = 0, uint64_t cgroup = 0) {
        SynthBatch& out = *batch_;
        time_ns_ += 1 + static_cast<int64_t>((random_.next() >> 32) * gap_span_ >> 32);
        out.ts_ns[at_] = time_ns_;
        out.op[at_] = static_cast<int8_t>(op);
        out.type[at_] = static_cast<uint8_t>(Slot::type(slot));
        out.offset[at_] = Slot::offset(slot);
        out.size[at_] = size;
        out.cpu[at_] = static_cast<uint16_t>(cpu);
        if (columns_.cgroup) out.cgroup[at_] = cgroup;
        ++at_;
        ++count_;
    }

    uint64_t count() const { return count_; }  // since the trace's begin

  private:
    void copy(const SynthBatch& from, size_t row, SynthBatch& to, size_t at) const {
        to.ts_ns[at] = from.ts_ns[row];
        to.op[at] = from.op[row];
        to.type[at] = from.type[row];
        to.offset[at] = from.offset[row];
        to.size[at] = from.size[row];
        to.cpu[at] = from.cpu[row];
        if (columns_.cgroup) to.cgroup[at] = from.cgroup[row];
    }

    std::shared_ptr<SynthBatch> unused(size_t rows) {
        const size_t room = rows + most_a_step;
        auto make = [&] {
            auto batch = std::make_shared<SynthBatch>(room, columns_.may_lack_slot);
            if (columns_.may_lack_offset_only) batch->has_type.resize(batch->has_slot.size());
            if (columns_.cgroup) {
                batch->cgroup.resize(room);
                batch->has_cgroup.resize(batch->has_size.size());
            }
            return batch;
        };
        std::shared_ptr<SynthBatch>& batch = batches_.unused(make);
        if (batch->op.size() < room) batch = make();
        batch->rows = rows;
        return batch;
    }

    template <class Has>
    static size_t bitmap(std::vector<uint8_t>& bits, size_t rows, Has&& has) {
        if (bits.empty()) return 0;
        size_t with = 0;
        for (size_t row = 0; row < rows; row += 8) {
            uint32_t byte = 0;
            for (size_t bit = 0; bit < 8; ++bit) byte |= static_cast<uint32_t>(has(row + bit)) << bit;  // behind the last is room
            if (rows - row < 8) byte &= (1u << (rows - row)) - 1;
            bits[row / 8] = static_cast<uint8_t>(byte);
            with += static_cast<size_t>(std::popcount(byte));
        }
        return rows - with;
    }

    static void say_what_is_null(SynthBatch& batch) {
        const int8_t* op = batch.op.data();
        auto is = [op](size_t row, Op which) { return op[row] == static_cast<int8_t>(which); };
        auto up_to = [op](size_t row, Op which) { return op[row] <= static_cast<int8_t>(which); };
        batch.without_size = bitmap(batch.has_size, batch.rows, [&](size_t row) { return is(row, Op::store) | is(row, Op::cma); });
        batch.without_slot = bitmap(batch.has_slot, batch.rows, [&](size_t row) { return up_to(row, Op::invalidate); });
        batch.without_type = bitmap(batch.has_type, batch.rows, [&](size_t row) { return up_to(row, Op::invalidate_area); });
        batch.without_cgroup = bitmap(batch.has_cgroup, batch.rows, [&](size_t row) { return batch.cgroup[row] != 0; });
    }

    Random random_;
    uint64_t gap_span_;
    Columns columns_;
    SynthBatches batches_;
    std::shared_ptr<SynthBatch> batch_;
    size_t at_ = 0;
    SynthBatch carry_{most_a_step, false};
    size_t carried_first_ = 0, carried_ = 0;
    uint64_t count_ = 0;
    int64_t time_ns_ = 0;
};

}  // namespace zreplay
