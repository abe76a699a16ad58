// A swap index beside an array: word_of[n] is what slot n must hold, and slot n is slots[n], in ascending order.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "index/registry.hpp"
#include "random.hpp"
#include "wrong.hpp"

namespace lockstep {

using namespace zreplay;

struct IndexSubject {
    const IndexKind* kind;
    bool small;  // 4-way nodes, ranges and clusters of four slots
    SlotWords words;
    bool kernels_layout;
};

class IndexRound {
  public:
    IndexRound(const IndexSubject& subject, uint64_t seed) : subject_(subject), random_(seed) {
        const IndexOptions options{.words = subject.words, .kernels_layout = subject.kernels_layout};
        index_ = subject.small ? subject.kind->make_small(options) : subject.kind->make(options);
        index_->charge(cost_);
        draw_slots();
        word_of_.resize(slots_.size());
        nodes_at_start_ = index_->nodes();
    }

    // Gives the operations done. Throws Wrong, CheckFailed.
    uint64_t run() {
        const uint64_t length = (uint64_t{64} << random_.below(9)) + 2 * slots_.size();
        // Slots far apart are in pieces of their own, over all of which a check goes.
        const auto check_every = static_cast<uint32_t>((far_apart_ ? 8192 : 32) + 4 * slots_.size());
        for (step_ = 0; step_ < length; ++step_) {
            apply();
            expect("entries", index_->entries(), live_);
            if (random_.below(check_every) == 0) compare_all();
        }
        compare_all();
        drain();
        return step_;
    }
    uint64_t step() const { return step_; }

  private:
    void draw_slots() {
        // What is in pieces has an array of them, as long as the furthest slot makes it: such rounds take a second.
        const bool in_pieces = subject_.kind->name == "table" || subject_.kind->name == "array" || subject_.kind->name == "swap-table";
        uint32_t way = random_.below(6);
        if (random_.below(in_pieces ? 256 : 6) == 0) way = 6 + random_.below(2);
        const uint32_t count = (1u << random_.below(12)) + random_.below(4);
        const uint32_t types = way < 6 ? 1 + random_.below(2) : 1 + random_.below(4);
        const uint32_t first_type = random_.below(swap_types);
        far_apart_ = way >= 4;
        for (uint32_t n = 0; n < count; ++n) {
            const uint32_t type = (first_type + random_.below(types)) % swap_types;
            uint64_t offset = random_.below(2 * count);                                       // close together
            if (way == 4) offset = (uint64_t{random_.below(8)} << 12) + random_.below(count);  // in runs
            if (way == 5) offset = uint64_t{random_.below(1u << 18)};
            if (way == 6) offset = random_.next() >> (6 + random_.below(58));                  // of all magnitudes
            if (way == 7) offset = (uint64_t{1} << random_.below(59)) + random_.below(5) - 2;  // where trees change height
            slots_.emplace_back(type, offset & SwapEntry::offset_mask);
        }
        std::ranges::sort(slots_, {}, &SwapEntry::word);
        const auto rest = std::ranges::unique(slots_);
        slots_.erase(rest.begin(), rest.end());
    }

    uint64_t word() {
        const uint64_t drawn = random_.next();
        if (drawn >> 58 == 0) return Location::same_filled().word();
        const uint64_t address = (1 + (drawn >> 20)) << 6;
        const auto other = static_cast<uint32_t>(drawn & 0xff);
        if (subject_.words == SlotWords::narrow) return address | (other & 3) << 4 | (other >> 2 & 3) << 1;
        if (subject_.words == SlotWords::wide)
            return address | Location::wide_bits(other % (subject_.kind->positions_64 ? subject_.kind->positions_64 : 32));
        return address | (other & 1);
    }

    void apply() {
        if (random_.below(1024) == 0) filling_ = !filling_;
        const uint64_t drawn = random_.next();
        const auto n = static_cast<size_t>((drawn >> 32) * slots_.size() >> 32);
        const auto chance = static_cast<uint32_t>(drawn & 63);
        const SwapEntry slot = slots_[n];
        if (chance < 12) {
            answer("find()", n, index_->find(slot));
        } else if (chance < 15) {
            look(n);
        } else if (chance < 22) {
            if (!word_of_[n]) return;
            const uint64_t moved = word();
            answer("update()", n, index_->update(slot, Location::from_word(moved)));
            word_of_[n] = moved;
        } else if ((chance < 54) == filling_) {
            const uint64_t location = word();
            answer("insert()", n, index_->insert(slot, Location::from_word(location)));
            live_ += !word_of_[n];
            word_of_[n] = location;
        } else {
            answer("erase()", n, index_->erase(slot));
            live_ -= word_of_[n] != 0;
            word_of_[n] = 0;
        }
    }

    void answer(const char* call, size_t n, Location found) {
        if (found.word() == word_of_[n]) [[likely]] return;
        throw Wrong{said(call, " of type ", slots_[n].type(), ", offset ", slots_[n].offset(), ": found ", found.word(),
                         ", expected ", word_of_[n])};
    }

    // One step of a group that is looked ahead at; calls come in between, so what was so at one of its steps is right.
    void look(size_t n) {
        Look& under_way = looks_[random_.below(Ahead::numbers)];
        Ahead& ahead = under_way.ahead;
        const Cost before = cost_;
        if (under_way.step < 0) {
            ahead = {};
            ahead.count = 1 + random_.below(Ahead::lanes);
            ahead.changing = random_.below(1u << ahead.count);
            for (uint32_t i = 0; i < ahead.count; ++i) {
                under_way.number[i] = (n + i) % slots_.size();
                ahead.entries[i] = slots_[under_way.number[i]];
            }
        }
        index_->look(++under_way.step, static_cast<uint32_t>(&under_way - looks_.data()), ahead);
        const bool last = under_way.step + 1 == index_->look_steps();
        for (uint32_t i = 0; i < ahead.count; ++i) {
            auto& there = under_way.there[i];
            there[static_cast<size_t>(under_way.step)] = word_of_[under_way.number[i]];
            if (!last || !ahead.found[i]) continue;
            if (std::find(there.begin(), there.begin() + under_way.step + 1, ahead.found[i].word()) == there.begin() + under_way.step + 1)
                answer("look()", under_way.number[i], ahead.found[i]);
        }
        if (last) under_way.step = -1;
        expect("counters changed by look()", std::memcmp(&before, &cost_, sizeof(Cost)), 0);
    }

    void compare_all() {
        index_->check();
        expect("nodes", index_->nodes() - nodes_at_start_, cost_.nodes_allocated - cost_.nodes_freed);
        size_t n = 0;
        auto skip = [&] {
            while (n < slots_.size() && !word_of_[n]) ++n;
        };
        for (uint32_t type = 0; type < swap_types; ++type)
            index_->for_each(type, [&](uint64_t offset, Location location) {
                skip();
                if (n == slots_.size()) throw Wrong{said("for_each(): found offset ", offset, " of type ", type, ", expected no more")};
                expect("for_each(): slot", SwapEntry(type, offset).word, slots_[n].word);
                answer("for_each()", n++, location);
            });
        skip();
        expect("for_each(): slots", n, slots_.size());
    }

    void drain() {
        for (size_t left = slots_.size(); left > 0; --left) {
            const size_t n = random_.below(static_cast<uint32_t>(left));
            answer("erase()", n, index_->erase(slots_[n]));
            std::swap(slots_[n], slots_[left - 1]);
            std::swap(word_of_[n], word_of_[left - 1]);
        }
        index_->check();
        expect("entries of an emptied index", index_->entries(), 0u);
        expect("nodes of an emptied index", index_->nodes(), nodes_at_start_);
    }

    struct Look {
        Ahead ahead;
        int step = -1;  // the last that was made; −1: none is under way
        std::array<size_t, Ahead::lanes> number;
        std::array<std::array<uint64_t, 16>, Ahead::lanes> there;
    };

    const IndexSubject subject_;
    Random random_;
    std::unique_ptr<SwapIndex> index_;
    Cost cost_;
    std::vector<SwapEntry> slots_;
    std::vector<uint64_t> word_of_;
    uint64_t live_ = 0, nodes_at_start_ = 0, step_ = 0;
    bool filling_ = true, far_apart_ = false;
    std::array<Look, Ahead::numbers> looks_;
};

}  // namespace lockstep
