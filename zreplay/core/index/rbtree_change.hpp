// Changing one red-black tree: rebalancing as lib/rbtree.c does it, rotation by rotation, and what that costs.
//
// Every step knows the depth at which it happens, counted from the operation's own, for those who keep depths: `depths`
// is told of each rotation and each entry taken out, before it happens.
#pragma once

#include <cstdint>

#include "index/rbtree_layouts.hpp"

namespace zreplay {

// A write is of one link word (a parent's word carries the colour), as often as the kernel writes it; a line is of an entry that
// the operation has not touched before.
template <class Nodes, class Depths>
struct RbtreeChange {
    using Ref = typename Nodes::Ref;
    static constexpr bool left = rb::left, right = rb::right;

    Nodes& nodes;
    Ref& root;
    Depths& depths;
    uint64_t writes = 0;
    uint64_t lines = 0;

    bool is_red(Ref entry) const { return entry && nodes[entry].colour() == rb::red; }
    bool is_black(Ref entry) const { return !is_red(entry); }  // an empty link is black

    void link(Ref entry, Ref parent, uint32_t colour) {
        nodes[entry].link(parent, colour);
        ++writes;
    }
    void set_parent(Ref entry, Ref parent) { link(entry, parent, nodes[entry].colour()); }
    void set_child(Ref entry, bool side, Ref child) {
        nodes[entry].child[side] = child;
        ++writes;
    }
    // Whatever named `old` below `parent` (the root, if none) names `entry` now.
    void replace_child(Ref parent, Ref old, Ref entry) {
        (parent ? nodes[parent].child[nodes[parent].child[left] == old] : root) = entry;
        ++writes;
    }

    // `top` goes down on `side`, below its child of the other side; what was between them changes parents. Whose child that
    // one is now, and both their parents' words, are left to who turns twice.
    void turn(Ref top, Ref rising, bool side, uint32_t depth) {
        depths.rotates(nodes, top, rising, side, depth);
        Ref crossing = nodes[rising].child[side];
        set_child(top, !side, crossing);
        set_child(rising, side, top);
        if (crossing) set_parent(crossing, top);
    }
    // It takes the place of `top`, and its colour.
    void settle(Ref top, Ref rising, uint32_t colour_of_top) {
        Ref parent = nodes[top].parent();
        link(rising, parent, nodes[top].colour());
        link(top, rising, colour_of_top);
        replace_child(parent, top, rising);
    }

    // `entry` becomes the child of an entry at its key's side, or the root.
    void hang(Ref entry, Ref parent, uint32_t depth) {
        link(entry, parent, rb::red);
        (parent ? nodes[parent].child[nodes[entry].offset < nodes[parent].offset] : root) = entry;
        rebalance_after_insert(entry, depth);
    }

    // `entry` is new and red. Either its parent is black, or colours move up, or two turns end it.
    void rebalance_after_insert(Ref entry, uint32_t depth) {
        while (Ref parent = nodes[entry].parent()) {
            if (is_black(parent)) return;
            Ref grandparent = nodes[parent].parent();  // there is one: the root is black
            const bool side = nodes[grandparent].child[left] == parent;
            Ref uncle = nodes[grandparent].child[!side];
            lines += uncle != Ref{};
            if (is_red(uncle)) {
                link(uncle, grandparent, rb::black);
                link(parent, grandparent, rb::black);
                link(grandparent, nodes[grandparent].parent(), rb::red);
                entry = grandparent;
                depth -= 2;
                continue;
            }
            if (nodes[parent].child[!side] == entry) {  // its children were a path's and an uncle's
                turn(parent, entry, side, depth - 1);
                link(parent, entry, rb::red);
                parent = entry;
            } else {
                lines += nodes[parent].child[!side] != Ref{};
            }
            turn(grandparent, parent, !side, depth - 2);
            settle(grandparent, parent, rb::red);
            return;
        }
        link(entry, Ref{}, rb::black);
    }

    // The empty link under `parent`, which is at `depth`, lacks one black.
    void rebalance_after_erase(Ref parent, uint32_t depth) {
        for (Ref entry{}; parent; --depth) {
            const bool side = nodes[parent].child[left] == entry;
            Ref sibling = nodes[parent].child[!side];  // there is one: its paths have a black more
            lines += sibling != left_of_erased;
            if (is_red(sibling)) {
                Ref black = nodes[sibling].child[side];
                ++lines;
                turn(parent, sibling, side, depth);
                settle(parent, sibling, rb::red);
                ++depth;
                sibling = black;
            }
            Ref near = nodes[sibling].child[side];
            Ref far = nodes[sibling].child[!side];
            lines += (near != Ref{}) + (far != Ref{});
            if (is_black(near) && is_black(far)) {
                link(sibling, parent, rb::red);
                entry = parent;
                parent = nodes[entry].parent();
                if (is_black(entry)) continue;
                link(entry, parent, rb::black);
                return;
            }
            if (is_black(far)) {
                for (Ref below : nodes[near].child) lines += below != Ref{};
                turn(sibling, near, !side, depth + 1);
                set_child(parent, !side, near);
                far = sibling;
                sibling = near;
            }
            turn(parent, sibling, side, depth);
            link(far, sibling, rb::black);
            settle(parent, sibling, rb::black);
            return;
        }
    }

    // Takes `entry` out of the tree; gives the number of entries stepped on to find its successor, if it needed one.
    uint64_t unlink(Ref entry, uint32_t depth) {
        uint32_t steps = 0;
        Ref parent = nodes[entry].parent();
        uint32_t parent_depth = depth - 1;
        Ref orphan;
        bool lost_black;
        const Ref below_left = nodes[entry].child[left], below_right = nodes[entry].child[right];
        if (!below_left || !below_right) {
            orphan = below_left ? below_left : below_right;
            depths.unlinks(nodes, entry, orphan, depth);
            lost_black = is_black(entry);
            replace_child(parent, entry, orphan);
            lines += orphan != Ref{};
        } else {
            Ref successor = below_right;
            for (steps = 1; nodes[successor].child[left]; ++steps) successor = nodes[successor].child[left];
            orphan = nodes[successor].child[right];
            depths.unlinks(nodes, entry, depth, successor, orphan, depth + steps);
            lost_black = is_black(successor);
            Ref above = parent;
            parent = successor;
            parent_depth = depth;
            if (successor != below_right) {
                parent = nodes[successor].parent();
                parent_depth = depth + steps - 1;
                set_child(parent, left, orphan);
                set_child(successor, right, below_right);
                set_parent(below_right, successor);
            }
            lines += (orphan != Ref{}) + 1;
            left_of_erased = below_left;
            replace_child(above, entry, successor);
            set_child(successor, left, below_left);
            set_parent(below_left, successor);
            nodes[successor].parent_and_colour = nodes[entry].parent_and_colour;
            ++writes;
        }
        if (orphan) link(orphan, parent, rb::black);  // it was red
        else if (lost_black) rebalance_after_erase(parent, parent_depth);
        return steps;
    }

    Ref left_of_erased{};  // touched already, and a sibling perhaps
};

}  // namespace zreplay
