// Looking ahead in an rbtree (index.hpp): there is nothing to keep, as a call knows its place at once; what it touches is
// fetched, and what rebalancing would look at.
//
//      0  the offsets' depths and numbers
//      1  the entries, or those under which they would hang
//      2  parents, where a black may get lost or two reds meet; children and successors
//      3  siblings (a new entry's uncle) and grandparents
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
            default: return fetch_beyond(hints_[group], ahead);
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
        const bool is_changing = ahead.changing >> i & 1;
        Ref at{};
        if (!tree.depths.covers(offset)) {
            at = tree.root;
            uncovered |= uint32_t{tree.root != Ref{}} << i;
        } else if (tree.depths.has(offset)) {
            at = tree.depths.entry(offset);
        } else if (is_changing) {
            at = place_of(tree, offset).at;
        }
        nodes_.fetch(at);
        hints.at[i] = at;
    }
    if (uncovered) fetch_uncovered(hints, ahead, uncovered);
    for (uint32_t i = 0; i < ahead.count; ++i)
        if (!(ahead.changing >> i & 1)) hints.at[i] = Ref{};
}

// Descents side by side, a level at a time, so that their misses overlap.
template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_uncovered(Hints& hints, const Ahead& ahead, uint32_t lanes) const {
    while (lanes)
        for (uint32_t left = lanes; left; left &= left - 1) {
            const auto i = static_cast<uint32_t>(std::countr_zero(left));
            const auto& here = nodes_[hints.at[i]];
            const Ref next = here.towards(ahead.entries[i].offset());
            if (!next || here.offset == ahead.entries[i].offset()) lanes &= ~(1u << i);
            else nodes_.fetch(hints.at[i] = next);
        }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::find_and_fetch_around(Hints& hints, Ahead& ahead) const {
    hints.successors = 0;
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
        if (!hints.at[i]) continue;
        const auto& here = nodes_[hints.at[i]];
        if (!hit) {  // below a black entry a new one changes nothing more
            if (here.colour() == rb::black) hints.at[i] = Ref{};
            else nodes_.fetch(here.parent());
            continue;
        }
        nodes_.fetch(here.parent());
        nodes_.fetch(here.child[rb::left]);
        nodes_.fetch(here.child[rb::right]);
        if (here.child[rb::left] && here.child[rb::right] && tree.depths.covers(offset)) {
            const uint64_t next = tree.depths.next(offset), previous = tree.depths.previous(offset);
            if (previous != Depths::none) nodes_.fetch(tree.depths.entry(previous));  // a new one would hang there
            hints.at[i] = next == Depths::none ? Ref{} : tree.depths.entry(next);
            hints.successors |= 1u << i;
            nodes_.fetch(hints.at[i]);
        } else if (here.colour() == rb::red) {
            hints.at[i] = Ref{};
        }
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::fetch_beyond(const Hints& hints, const Ahead& ahead) const {
    for (uint32_t i = 0; i < ahead.count; ++i) {
        if (!hints.at[i]) continue;
        const Ref above = nodes_[hints.at[i]].parent();
        nodes_.fetch(above);
        if (hints.successors >> i & 1) continue;  // the parent is not in the cache yet
        const auto& parent = nodes_[above];
        nodes_.fetch(parent.child[parent.child[rb::right] == hints.at[i]]);
        nodes_.fetch(parent.parent());
    }
}

}  // namespace zreplay
