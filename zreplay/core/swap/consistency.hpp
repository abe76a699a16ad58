// The assertions of kernel-model 7.9 that take both engines to check: what slots of the swap index say against what pages of
// the pool say. The others are where the structures are: 4, 5 and 8 within a tree in index/, 7, 10 and 12 in each pool's
// check(), 9 in mm/inactive_lru.hpp, 11 where a page moves (swap/entries.hpp), 13 and 14 around an event (replay/loop.hpp).
//
//   1  a slot names a used place of a live page, and that place names the slot
//   2  every used place of a live page is named by the slot it names
//   3  |S| = used places + same-filled entries = stored_pages
//   4  radix-tag: tag ⇔ position;   5  low bits ⇔ position
//   6  a page is in S as often as it has used places: follows from 1 to 3, places being distinct
//
// Nothing that a slot says is followed before the pool has confirmed it, so a damaged slot is a message and not a crash.
#pragma once

#include <array>

#include "index/index.hpp"
#include "types.hpp"

namespace zreplay {

// The slot of an object that is in the pool does not hold what it should.
template <class P>
[[noreturn]] void slot_failed(const SwapIndex& index, const P& pool, SwapEntry entry, Location object, Location found,
                              Location expected, uint64_t position_bits) {
    const uint64_t page = pool.page_id(object);
    if (!found)
        assertion_failed(2, "every used place of a page is named by its slot", page, entry, 0, expected.word());
    const uint64_t differing = found.word() ^ expected.word();
    if (!(differing & ~position_bits)) {
        if (index.positions_in_tags())
            assertion_failed(4, "a slot's tags are its object's position", page, entry, found.word(), expected.word());
        assertion_failed(5, "a slot's low bits are its object's position", page, entry, found.word(), expected.word());
    }
    assertion_failed(1, "a slot names the place that names it", page, entry, found.word(), expected.word());
}

// expected(entry, object): what the object's slot should hold. position_bits: those of a slot's word that say a position.
// Slots are found as in a replay, a group at a time looked at ahead: one by one, this takes longer than a short replay.
template <class P, class Expected>
void check_slots(SwapIndex& index, const P& pool, uint64_t stored_pages, uint64_t same_filled_pages, uint64_t position_bits,
                 Expected&& expected) {
    index.charge_nobody();
    uint64_t objects = 0;
    Ahead ahead;
    std::array<Location, Ahead::lanes> named_by;
    auto check_group = [&] {
        for (int step = 0; step < index.look_steps(); ++step) index.look(step, Ahead::check, ahead);
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const SwapEntry entry = ahead.entries[i];
            const Location found = index.find(entry), want = expected(entry, named_by[i]);
            if (found != want) slot_failed(index, pool, entry, named_by[i], found, want, position_bits);
        }
        ahead.count = 0;
    };
    pool.objects_from(0, [&](Location object) {
        ++objects;
        ahead.entries[ahead.count] = pool.entry(object);
        named_by[ahead.count++] = object;
        if (ahead.count == Ahead::lanes) check_group();
        return true;
    });
    check_group();
    if (index.entries() != objects + same_filled_pages) {
        // One slot too many, or a same-filled one that nobody counted: find it, to name it.
        for (uint32_t type = 0; type < swap_types; ++type)
            index.for_each(type, [&](uint64_t offset, Location word) {
                bool owned = word == Location::same_filled();
                pool.objects_from(0, [&](Location object) { return !(owned |= pool.entry(object) == SwapEntry(type, offset)); });
                if (!owned) assertion_failed(1, "a slot names a place in use", 0, {type, offset}, word.word(), 0);
            });
        require(false, "assertion 3: entries of the index are used places and same-filled pages", index.entries(),
                objects + same_filled_pages);
    }
    require(index.entries() == stored_pages, "assertion 3: entries of the index are stored_pages", index.entries(), stored_pages);
}

}  // namespace zreplay
