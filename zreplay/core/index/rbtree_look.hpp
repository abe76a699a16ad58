// Looking ahead in an rbtree (index.hpp): nothing to keep, as a call knows its place at once; what it touches is fetched, and what
// rebalancing would look at.
//
//      0  the offsets' depths and numbers    1  the entries, or those under which they would hang
//      2  parents and children               3  the sibling (a new entry's uncle), or the successor    4  their children
#pragma once

#include <bit>
#include <cstdint>

#include "index/rbtree.hpp"
#include "prefetch.hpp"

namespace zreplay {

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::look(int step, uint32_t group, Ahead& ahead) {
    if constexpr (keeps) {
        switch (step) {
            case 0: return fetch_words(ahead);
            case 1: return fetch_entries(hints_[group], ahead);
            case 2: return find_and_fetch_around(hints_[group], ahead);
            case 3: return fetch_beyond(hints_[group], ahead);
            default: return fetch_children(hints_[group], ahead);
        }
    } else {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Place place = place_of(trees_[ahead.entries[i].type()], ahead.entries[i].offset());
            ahead.found[i] = place.is_hit ? Location::from_word(nodes_[place.at].handle) : Location();
        }
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_words(const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Depths& depths = trees_[ahead.entries[i].type()].depths;
        prefetch(depths.line_of_depth(ahead.entries[i].offset()));
        prefetch(depths.line_of_entry(ahead.entries[i].offset()));
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_entries(Hints& hints, const Ahead& ahead) const {
    uint32_t uncovered = 0;
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Tree& tree = trees_[ahead.entries[i].type()];
        const uint64_t offset = ahead.entries[i].offset();
        if (!tree.depths.covers(offset)) {
            hints[i] = tree.root;
            uncovered |= uint32_t{tree.root != Ref{}} << i;
        } else if (tree.depths.has(offset)) {
            hints[i] = tree.depths.entry(offset);
        } else {
            hints[i] = ahead.changing >> i & 1 ? place_of(tree, offset).at : Ref{};
        }
        nodes_.fetch(hints[i]);
    }
    if (uncovered) fetch_uncovered(hints, ahead, uncovered);
}

// Descents side by side, a level at a time, so that their misses overlap.
template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_uncovered(Hints& hints, const Ahead& ahead, uint32_t lanes) const {
    while (lanes)
        for (uint32_t left = lanes; left; left &= left - 1) {
            const auto i = static_cast<uint32_t>(std::countr_zero(left));
            const auto& here = nodes_[hints[i]];
            const Ref next = here.towards(ahead.entries[i].offset());
            if (!next || here.offset == ahead.entries[i].offset()) lanes &= ~(1u << i);
            else nodes_.fetch(hints[i] = next);
        }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::find_and_fetch_around(const Hints& hints, Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Tree& tree = trees_[ahead.entries[i].type()];
        const uint64_t offset = ahead.entries[i].offset();
        Ref hit{};
        if (!tree.depths.covers(offset)) {
            if (const Place place = place_of(tree, offset); place.is_hit) hit = place.at;
        } else if (tree.depths.has(offset)) {
            hit = tree.depths.entry(offset);
        }
        ahead.found[i] = hit ? Location::from_word(nodes_[hit].handle) : Location();
        if (!hints[i] || !(ahead.changing >> i & 1)) continue;
        const auto& here = nodes_[hints[i]];
        nodes_.fetch(here.parent());
        if (!hit) continue;
        nodes_.fetch(here.child[rb::left]);
        nodes_.fetch(here.child[rb::right]);
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_beyond(Hints& hints, const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        if (!hints[i] || !(ahead.changing >> i & 1)) continue;
        const auto& here = nodes_[hints[i]];
        if (ahead.found[i] && here.child[rb::left] && here.child[rb::right]) {
            const auto& below = nodes_[here.child[rb::right]];
            hints[i] = below.child[below.child[rb::left] != Ref{}];
        } else {
            const auto& parent = nodes_[here.parent()];
            hints[i] = parent.child[parent.child[rb::right] == hints[i]];
        }
        nodes_.fetch(hints[i]);
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_children(const Hints& hints, const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        if (!hints[i] || !(ahead.changing >> i & 1)) continue;
        nodes_.fetch(nodes_[hints[i]].child[rb::left]);
        nodes_.fetch(nodes_[hints[i]].child[rb::right]);
    }
}

}  // namespace zreplay
