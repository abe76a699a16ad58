#include "swap/missing_size.hpp"

#include <algorithm>

namespace zreplay {

void SizeHistogram::add(uint32_t size_bytes) {
    if (size_bytes >= counts_.size()) counts_.resize(size_bytes + 1);
    ++counts_[size_bytes];
    ++sizes_;
    total_bytes_ += size_bytes;
}

void SizeHistogram::close() {
    for (size_t size = 1; size < counts_.size(); ++size) counts_[size] += counts_[size - 1];
}

uint32_t SizeHistogram::draw(Random& random) const {
    // Not Random::below, whose limit ends at 2^32: a modulus is off its fair share by sizes / 2^64.
    uint64_t rank = random.next() % sizes_;
    return static_cast<uint32_t>(std::upper_bound(counts_.begin(), counts_.end(), rank) - counts_.begin());
}

void RecordedSizes::learn(const EventBatch& batch) {
    std::optional<int32_t> last_pid;  // stores of a process come in runs
    SizeHistogram* of_last = nullptr;
    for (int64_t row = 0; row < batch.rows; ++row) {
        if (batch.op(row) != Op::store || !batch.size.has(row)) continue;
        uint32_t size = std::min(batch.size[row], 2 * page_bytes);  // the compressor's buffer ends there
        all_.add(size);
        if (!batch.pid.has(row)) continue;
        if (last_pid != batch.pid[row]) {
            last_pid = batch.pid[row];
            of_last = &of_pid_[*last_pid];
        }
        of_last->add(size);
    }
}

void RecordedSizes::close() {
    all_.close();
    for (auto& [pid, histogram] : of_pid_) histogram.close();
}

const SizeHistogram* RecordedSizes::of_process(std::optional<int32_t> pid) const {
    if (pid)
        if (auto place = of_pid_.find(*pid); place != of_pid_.end() && place->second.sizes() >= enough)
            return &place->second;
    return all_.sizes() ? &all_ : nullptr;
}

bool lacks_size(const EventBatch& batch) {
    // Whether a row is a store is as good as random: nothing to branch by, nearly always nothing to be found.
    bool may_lack = !batch.size.values;
    if (batch.size.values && batch.size.validity)
        for (int64_t row = 0; row < batch.rows; ++row) may_lack |= !batch.size.has(row) & (batch.op(row) == Op::store);
    if (!may_lack) return false;
    for (int64_t row = 0; row < batch.rows; ++row)
        // What the compressor refused (−EINVAL) needs no size: no model asks for one.
        if (batch.op(row) == Op::store && !batch.size.has(row) && batch.result.get(row, 0) != -e_inval) return true;
    return false;
}

std::optional<uint32_t> MissingSizes::of(const Event& event, uint64_t trace_row) const {
    if (how_ == MissingSize::reject || !recorded_) return std::nullopt;
    const auto& pid = batch_->pid;
    const SizeHistogram* known = recorded_->of_process(pid.has(event.row) ? std::optional(pid[event.row]) : std::nullopt);
    if (!known) return std::nullopt;
    if (how_ == MissingSize::mean) return known->mean();
    Random random(seed_ ^ Random(trace_row).next());
    return known->draw(random);
}

}  // namespace zreplay
