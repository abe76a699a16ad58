// Looking ahead in an rbtree (index.hpp): the descents of sixteen entries side by side, a level at a time, so that their misses
// overlap; in five steps, so that the first of them are prefetched a whole group earlier:
//
//      0  the buckets' words    1  their starts    2  what is below    3  the descents, and what lies around their ends
//      4  what was found
#pragma once

#include <bit>
#include <cstdint>

#include "index/rbtree.hpp"
#include "prefetch.hpp"

namespace zreplay {

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::look(int step, uint32_t group, Ahead& ahead) {
    if constexpr (keeps) {
        Lane* lanes = &lanes_[group * Ahead::lanes];
        switch (step) {
            case 0: return fetch_buckets(lanes, ahead);
            case 1: return fetch_starts(ahead);
            case 2: return fetch_below_starts(ahead);
            case 3: return go_down(lanes, ahead);
            default: return take(lanes, ahead);
        }
    } else {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Place place = descend(trees_[ahead.entries[i].type()], ahead.entries[i].offset());
            ahead.found[i] = place.is_hit ? Location::from_word(nodes_[place.at].handle) : Location();
        }
    }
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::fetch_buckets(Lane* lanes, const Ahead& ahead) {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const SwapEntry entry = ahead.entries[i];
        lanes[i].word = entry.word;
        lanes[i].is_kept = false;
        prefetch(trees_[entry.type()].shortcuts.place(entry.offset()));
    }
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::fetch_starts(const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i)
        nodes_.fetch(Shortcuts::entry_of(*trees_[ahead.entries[i].type()].shortcuts.place(ahead.entries[i].offset())));
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::fetch_below_starts(const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const uint64_t offset = ahead.entries[i].offset();
        if (const Ref start = Shortcuts::entry_of(*trees_[ahead.entries[i].type()].shortcuts.place(offset)))
            nodes_.fetch(nodes_[start].towards(offset));
    }
}

// One level down, unless this is the end. A descent from the root learns its bucket's start on the way.
template <class Nodes, class Shortcuts>
bool Rbtree<Nodes, Shortcuts>::go_down_one(Tree& tree, Lane& lane, uint64_t offset) {
    const auto& here = nodes_[lane.place.at];
    const Ref next = here.towards(offset);
    lane.place.is_hit = here.offset == offset;
    if (!lane.is_kept && tree.shortcuts.bucket(here.offset) == tree.shortcuts.bucket(offset)) [[unlikely]] {
        tree.shortcuts.learn(tree.shortcuts.bucket(offset), lane.place.at, lane.place.depth);
        lane.is_kept = true;
    }
    if (lane.place.is_hit || !next) return false;
    lane.place.at = next;
    ++lane.place.depth;
    nodes_.fetch(next);
    return true;
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::go_down(Lane* lanes, const Ahead& ahead) {
    uint32_t under_way = 0;
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Tree& tree = trees_[ahead.entries[i].type()];
        const uint64_t word = *tree.shortcuts.place(ahead.entries[i].offset());
        Lane& lane = lanes[i];
        lane.place = {Shortcuts::entry_of(word), Shortcuts::depth_of(word)};
        lane.is_kept = lane.place.at != Ref{};
        if (!lane.is_kept) lane.place = {tree.root};
        under_way |= uint32_t{lane.place.at != Ref{}} << i;
    }
    while (under_way) {
        for (uint32_t left = under_way; left; left &= left - 1) {
            const auto i = static_cast<uint32_t>(std::countr_zero(left));
            const SwapEntry entry = ahead.entries[i];
            if (!go_down_one(trees_[entry.type()], lanes[i], entry.offset())) under_way &= ~(1u << i);
        }
    }
    for (uint32_t i = 0; i < ahead.count; ++i) {
        keep(trees_[ahead.entries[i].type()], lanes[i], ahead.entries[i].offset());
        if (lanes[i].place.at && ahead.changing >> i & 1) fetch_around(lanes[i]);
    }
}

// The lane's descent is over, and nothing has changed since it began.
template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::keep(Tree& tree, Lane& lane, uint64_t offset) {
    lane.state = tree.shortcuts.state(offset);
    lane.is_kept = tree.shortcuts.entry_of(*tree.shortcuts.place(offset)) != Ref{};
    if (lane.is_kept) lane.version = nodes_[lane.place.at].version;
}

// What rebalancing would look at next: the parent, and of an entry to be erased its children.
template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::fetch_around(const Lane& lane) const {
    const auto& here = nodes_[lane.place.at];
    nodes_.fetch(here.parent());
    if (!lane.place.is_hit) return;
    nodes_.fetch(here.child[rb::left]);
    nodes_.fetch(here.child[rb::right]);
}

// Then the sibling (a new entry's uncle), or the first step to the successor.
template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::fetch_beyond(const Lane& lane) const {
    const auto& here = nodes_[lane.place.at];
    if (lane.place.is_hit && here.child[rb::left] && here.child[rb::right]) {
        nodes_.fetch(nodes_[here.child[rb::right]].child[rb::left]);
    } else if (here.parent()) {
        const auto& parent = nodes_[here.parent()];
        nodes_.fetch(parent.child[parent.child[rb::right] == lane.place.at]);
    }
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::take(Lane* lanes, Ahead& ahead) {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const SwapEntry entry = ahead.entries[i];
        Tree& tree = trees_[entry.type()];
        Lane& lane = lanes[i];
        if (!holds(tree, lane, entry.offset())) {
            lane.place = descend(tree, entry.offset());
            keep(tree, lane, entry.offset());
        }
        ahead.found[i] = lane.place.is_hit ? Location::from_word(nodes_[lane.place.at].handle) : Location();
        if (lane.place.at && ahead.changing >> i & 1) fetch_beyond(lane);
    }
}

}  // namespace zreplay
