#include "index/time_index.hpp"

#include <time.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

#include "index/registry.hpp"

namespace zreplay {

namespace {

int64_t now_ns() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

TimedIndex::TimedIndex(std::string_view index, uint32_t entries, uint64_t seed, bool timing)
    : looks_ahead_(!timing), index_(index_kind(index).make({.kernels_layout = timing})), ops_(op_stream_chunk) {
    if (entries < 1 || entries >= uint32_t{1} << 31)
        throw std::invalid_argument("entries " + std::to_string(entries) + ", expected 1 to 2^31 - 1");
    if (!op_stream_init(&stream_, entries, seed)) throw std::bad_alloc();
    index_->charge(cost_);
    play(op_stream_fill, entries);
}

TimedIndex::~TimedIndex() { op_stream_free(&stream_); }

int64_t TimedIndex::run(uint64_t operations) { return play(op_stream_next, operations); }

int64_t TimedIndex::play(op_stream_op (*next)(op_stream*), uint64_t operations) {
    int64_t spent = 0;
    while (operations) {
        const uint64_t count = std::min<uint64_t>(operations, op_stream_chunk), groups = (count + Ahead::lanes - 1) / Ahead::lanes;
        for (uint64_t i = 0; i < count; ++i) ops_[i] = next(&stream_);
        const int64_t begun = now_ns();
        for (uint64_t group = 0; group < groups; ++group) {
            const uint64_t first = group * Ahead::lanes;
            const auto happen = [&](uint32_t from, uint32_t to) {
                for (uint64_t i = first + from; i < first + to; ++i) sum_ += apply(ops_[i], done_ + i);
            };
            const auto lanes = static_cast<uint32_t>(std::min<uint64_t>(Ahead::lanes, count - first));
            if (looks_ahead_)
                look_ahead(
                    group, groups, index_->look_steps(), lanes, [&](int step, uint64_t number) { look(step, number, count); },
                    happen);
            else happen(0, lanes);
        }
        spent += now_ns() - begun;
        done_ += count;
        operations -= count;
    }
    return spent;
}

void TimedIndex::look(int step, uint64_t group, uint64_t count) {
    Ahead& to_come = ahead_[group % Ahead::groups];
    if (step == 0) {
        const uint64_t first = group * Ahead::lanes;
        to_come.count = static_cast<uint32_t>(std::min<uint64_t>(Ahead::lanes, count - first));
        to_come.changing = 0;
        to_come.wants_found = false;
        for (uint32_t i = 0; i < to_come.count; ++i) {
            to_come.entries[i] = SwapEntry(0, ops_[first + i].offset);
            to_come.changing |= uint32_t{ops_[first + i].kind != op_stream_load} << i;
        }
    }
    index_->look(step, group % Ahead::groups, to_come);
}

uint64_t TimedIndex::apply(op_stream_op op, uint64_t number) {
    const SwapEntry entry(0, op.offset);
    switch (op.kind) {
        case op_stream_store: return index_->insert(entry, Location::from_word(op_stream_word(number))).word();
        case op_stream_load: return index_->find(entry).word();
        default: return index_->erase(entry).word();
    }
}

}  // namespace zreplay
