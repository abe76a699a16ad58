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

    // What is due before group `now` of the batch happens.
    void before(const EventBatch& batch, uint64_t now, uint64_t groups) {
        look_ahead(now, groups, steps(), [&](int step, uint64_t number) {
            Group& group = groups_[number % Ahead::groups];
            if (step == 0) read(batch, static_cast<int64_t>(number) * Ahead::lanes, group);
            if (step < index_steps_) index_.look(step, number % Ahead::groups, group.ahead);
            if (step >= index_steps_ - 1) fetch(group, step - index_steps_ + 1);
        });
    }

    // Rows of a group that has been looked at.
    const Rows& rows(uint64_t group) const { return groups_[group % Ahead::groups].rows; }

  private:
    struct alignas(64) Group {
        Ahead ahead;
        Rows rows;
        uint32_t stores = 0;
        std::array<uint32_t, Ahead::lanes> sizes;  // of its stores
    };

    // As soon as a slot has been read, what it names can be fetched.
    int steps() const { return index_steps_ + Model::warm_steps - 1; }

    // A lane for every row, also for those without a slot: they look at some slot in vain.
    void read(const EventBatch& batch, int64_t first, Group& group) const {
        group.rows.decode(batch, first);
        Ahead& ahead = group.ahead;
        ahead.count = group.rows.count;
        ahead.changing = group.stores = 0;
        ahead.entries = group.rows.entries;
        for (uint32_t i = 0; i < ahead.count; ++i) {
            ahead.changing |= uint32_t{group.rows.ops[i] != Op::load} << i;
            group.sizes[group.stores] = static_cast<uint32_t>(group.rows.sizes[i]);
            group.stores += group.rows.ops[i] == Op::store && group.rows.sizes[i] > 0;
        }
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
        for (uint32_t i = 0; step < P::warm_alloc_steps && i < group.stores; ++i) pool_.warm_alloc(group.sizes[i]);
    }

    SwapIndex& index_;
    const P& pool_;
    const Model& model_;
    const int index_steps_;
    std::array<Group, Ahead::groups> groups_;
};

}  // namespace zreplay
