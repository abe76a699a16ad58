// The look ahead of one replay (index/ahead.hpp): the index first, then what its slots lead to in the model and the pool.
#pragma once

#include <array>
#include <cstdint>

#include "events.hpp"
#include "index/index.hpp"

namespace zreplay {

template <class Model, class P>
class LookAhead {
  public:
    LookAhead(SwapIndex& index, const P& pool, const Model& model)
        : index_(index), pool_(pool), model_(model), index_steps_(index.look_steps()) {
        require(steps() < static_cast<int>(Ahead::groups), "groups under way when looking ahead", steps(), Ahead::groups - 1);
    }

    // happen(from, to) for the rows of group `now` of the batch, and what is due meanwhile.
    template <class Happen>
    void around(const DecodedBatch& batch, uint64_t now, Happen&& happen) {
        const auto step = [&](int step, uint64_t number) {
            Group& group = groups_[number % Ahead::groups];
            if (step == 0) enter(batch.group(number), group);
            if (step < index_steps_) index_.look(step, number % Ahead::groups, group.ahead);
            if (step >= index_steps_ - 1) fetch(group, step - index_steps_ + 1);
        };
        look_ahead(now, batch.groups, steps(), batch.group(now).count, step, happen);
    }

  private:
    struct alignas(64) Group {
        Ahead ahead;
        const Rows* rows;
    };

    // As soon as a slot has been read, what it names can be fetched.
    int steps() const { return index_steps_ + Model::warm_steps - 1; }

    // A lane for every row, also for those without a slot: they look at some slot in vain.
    void enter(const Rows& rows, Group& group) const {
        group.rows = &rows;
        Ahead& ahead = group.ahead;
        ahead.count = rows.count;
        ahead.changing = ~rows.loads;
        ahead.entries = rows.entries;
        if (model_.warms_slots())
            for (uint32_t i = 0; i < ahead.count; ++i) model_.warm(ahead.entries[i]);
    }

    // What is found was so a few groups ago; it may have been freed since: its memory is still there, and what it says is a hint.
    void fetch(const Group& group, int step) const {
        const Ahead& ahead = group.ahead;
        const bool warms_objects = model_.warms_objects();
        for (uint32_t i = 0; warms_objects && i < ahead.count; ++i) {
            const Location found = ahead.found[i];
            const bool is_object = found && !found.is_same_filled();
            // The first step only fetches what is named, so it can do so without a branch that is often guessed wrong.
            if (step == 0) model_.warm(is_object ? found : Location(&group, 0), 0, ahead.changing >> i & 1);
            else if (is_object) model_.warm(found, step, ahead.changing >> i & 1);
        }
        for (uint32_t i = 0; step < P::warm_alloc_steps && i < group.rows->stores; ++i) pool_.warm_alloc(group.rows->store_sizes[i]);
    }

    SwapIndex& index_;
    const P& pool_;
    const Model& model_;
    const int index_steps_;
    std::array<Group, Ahead::groups> groups_;
};

}  // namespace zreplay
