#include "trace/portrait.hpp"

#include <algorithm>

namespace zreplay {

void Portrait::add(const EventBatch& batch) {
    for (int64_t i = 0; i < batch.rows; ++i, ++row_) {
        while (resident.size() < row_ * curve_points / expected_rows_) resident.push_back(taken_);
        const Op op = batch.op(i);
        const bool fails = batch.result.get(i, 0) < 0;
        ++ops[2 * static_cast<size_t>(op) + fails];
        if (op != Op::invalidate && free_run_) {
            free_runs.add(free_run_);
            free_run_ = 0;
        }
        if (op == Op::invalidate_area) {
            for (auto& [word, life] : lives_)
                if (SwapEntry::from_word(word).type() == batch.type.get(i, 0)) take_out(life);
            continue;
        }
        if (!batch.type.has(i) || !batch.offset.has(i)) continue;
        const SwapEntry slot = batch.entry(i);
        Life& life = lives_[slot.word];
        switch (op) {
            case Op::store:
                add_step(store_steps, last_stored_, slot);
                if (slot.word == last_stored_ + 1) ++store_run_;
                else {
                    if (store_run_) store_runs.add(store_run_);
                    store_run_ = 1;
                }
                last_stored_ = slot.word;
                take_out(life);
                touch(slot, life, false);
                if (fails) break;
                life = {row_, batch.size.get(i, 0), life.touched, true};
                ++taken_;
                if (batch.size.has(i)) ++sizes[std::min(batch.size[i], page_bytes)];
                break;
            case Op::load:
                touch(slot, life, true);
                if (!fails && (batch.call_rows.has(i) || batch.call_ts_ns.has(i))) take_out(life);
                break;
            case Op::invalidate:
                add_step(free_steps, last_freed_, slot);
                last_freed_ = slot.word;
                ++free_run_;
                take_out(life);
                if (life.touched != AgeList::nowhere) touched_.remove(life.touched);
                lives_.erase(slot.word);
                break;
            case Op::writeback:
                if (!fails) take_out(life);
                break;
            default: break;
        }
    }
}

void Portrait::add_step(Binned& steps, uint64_t last, SwapEntry slot) {
    if (last == AgeList::nowhere || SwapEntry::from_word(last).type() != slot.type()) return;
    steps.add(slot.word >= last ? slot.word - last : last - slot.word);
}

void Portrait::end() {
    if (store_run_) store_runs.add(store_run_);
    if (free_run_) free_runs.add(free_run_);
    while (resident.size() < curve_points) resident.push_back(taken_);
}

void Portrait::take_out(Life& life) {
    if (!life.taken) return;
    life.taken = false;
    --taken_;
    const uint64_t age = row_ - life.row;
    ages.add(age);
    ++sizes_ages[std::min<uint64_t>(life.size / 64, size_bins - 1) * age_bins +
                 std::min<uint64_t>(static_cast<uint64_t>(std::bit_width(age)), age_bins - 1)];
}

void Portrait::touch(SwapEntry slot, Life& life, bool is_load) {
    if (life.touched != AgeList::nowhere) {
        if (is_load) reuses.add(touched_.rank(life.touched));
        touched_.remove(life.touched);
    }
    life.touched = touched_.append(slot.word, [&](uint64_t word, uint64_t now) { lives_.at(word).touched = now; });
}

}  // namespace zreplay
