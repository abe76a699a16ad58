// Looking ahead: a trace tells what comes next, so what the next groups of events will touch is fetched while the events
// before them happen, and misses overlap instead of following each other.
//
//      group         g          g + 1       g + 2      g + 3
//      now         happens    last step   … step 1   step 0
//
// Each step of a group reads what its step before has fetched, and a whole group happens in between. Looking changes nothing
// and is not counted: all there is of it is that what happens finds its memory in the cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "types.hpp"

namespace zreplay {

// Events to come, told to an index a group at a time so that it can fetch what their calls will touch.
struct Ahead {
    static constexpr uint32_t lanes = 16;
    static constexpr uint32_t groups = 8;  // most that are under way at once in a replay
    static constexpr uint32_t check = groups;  // the number of groups that only a check looks at, between events
    static constexpr uint32_t numbers = groups + 1;

    uint32_t count = 0;     // lanes in use
    uint32_t changing = 0;  // bit i: entries[i] will be inserted, erased or moved, not only found
    std::array<SwapEntry, lanes> entries;
    std::array<Location, lanes> found;  // after the last step, if wanted: what find(entries[i]) would give at that moment
    bool wants_found = true;
};

// Before group `now` of `groups` happens: step(number of the step, group) for what is due, so that a group has been through all
// steps when it happens, the last of them one group before. The first call catches up with what went before.
template <class Step>
void look_ahead(uint64_t now, uint64_t groups, int steps, Step&& step) {
    for (int distance = 0; distance <= steps; ++distance) {
        const uint64_t group = now + static_cast<uint64_t>(distance);
        if (group >= groups) return;
        for (int due = steps - distance, last = std::min(due, steps - 1), first = now ? due : 0; first <= last; ++first)
            step(first, group);
    }
}

}  // namespace zreplay
