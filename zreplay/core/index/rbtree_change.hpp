// Changing one red-black tree: rebalancing as lib/rbtree.c does it, rotation by rotation, and what that costs.
//
// Every step knows the depth at which it happens, counted from the operation's own, for those who keep depths: `depths`
// is told of each rotation and each entry taken out, before it happens.
#pragma once

#include <cstdint>

#include "index/rbtree_layouts.hpp"

namespace zreplay {

// A write is of one link word (a parent's word carries the colour), a line is of an entry that the descent did not already
// touch.
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

    void set_parent(Ref entry, Ref parent) {
        nodes[entry].link(parent, nodes[entry].colour());
        ++writes;
    }
    void paint(Ref entry, uint32_t colour) {
        nodes[entry].link(nodes[entry].parent(), colour);
        ++writes;
    }
    void set_child(Ref entry, bool side, Ref child) {
        nodes[entry].child[side] = child;
        ++writes;
    }
    // Whatever named `old` below `parent` (the root, if none) names `entry` now.
    void replace_child(Ref parent, Ref old, Ref entry) {
        (parent ? nodes[parent].child[nodes[parent].child[left] == old] : root) = entry;
        ++writes;
    }

    // `top` goes down on `side`; its child of the other side takes its place.
    void rotate(Ref top, bool side, uint32_t depth) {
        Ref rising = nodes[top].child[!side];
        depths.rotates(nodes, top, rising, side, depth);
        Ref crossing = nodes[rising].child[side];
        set_child(top, !side, crossing);
        if (crossing) {
            set_parent(crossing, top);
            ++lines;
        }
        Ref parent = nodes[top].parent();
        set_parent(rising, parent);
        replace_child(parent, top, rising);
        set_child(rising, side, top);
        set_parent(top, rising);
    }

    // `entry` becomes the child of an entry at its key's side, or the root.
    void hang(Ref entry, Ref parent, uint32_t depth) {
        nodes[entry].link(parent, rb::red);
        ++writes;
        (parent ? nodes[parent].child[nodes[entry].offset < nodes[parent].offset] : root) = entry;
        rebalance_after_insert(entry, depth);
    }

    // `entry` is new and red. Either its parent is black, or colours move up, or two rotations end it.
    void rebalance_after_insert(Ref entry, uint32_t depth) {
        while (Ref parent = nodes[entry].parent()) {
            if (is_black(parent)) return;
            Ref grandparent = nodes[parent].parent();  // there is one: the root is black
            const bool side = nodes[grandparent].child[left] == parent;
            Ref uncle = nodes[grandparent].child[!side];
            lines += uncle != Ref{};
            if (is_red(uncle)) {
                paint(parent, rb::black);
                paint(uncle, rb::black);
                paint(grandparent, rb::red);
                entry = grandparent;
                depth -= 2;
                continue;
            }
            if (nodes[parent].child[!side] == entry) {
                rotate(parent, side, depth - 1);
                parent = entry;
            }
            paint(parent, rb::black);
            paint(grandparent, rb::red);
            rotate(grandparent, !side, depth - 2);
            return;
        }
        paint(entry, rb::black);
    }

    // Paths through `entry` (which may be empty) under `parent`, which is at `depth`, lack one black.
    void rebalance_after_erase(Ref entry, Ref parent, uint32_t depth) {
        while (parent && is_black(entry)) {
            const bool side = nodes[parent].child[left] == entry;
            Ref sibling = nodes[parent].child[!side];  // there is one: its paths have a black more
            ++lines;
            if (is_red(sibling)) {
                paint(sibling, rb::black);
                paint(parent, rb::red);
                rotate(parent, side, depth);
                ++depth;
                sibling = nodes[parent].child[!side];
            }
            Ref near = nodes[sibling].child[side];
            Ref far = nodes[sibling].child[!side];
            lines += (near != Ref{}) + (far != Ref{});
            if (is_black(near) && is_black(far)) {
                paint(sibling, rb::red);
                entry = parent;
                parent = nodes[entry].parent();
                --depth;
                continue;
            }
            if (is_black(far)) {
                paint(near, rb::black);
                paint(sibling, rb::red);
                rotate(sibling, !side, depth + 1);
                far = sibling;
                sibling = near;
            }
            paint(sibling, nodes[parent].colour());
            paint(parent, rb::black);
            paint(far, rb::black);
            rotate(parent, side, depth);
            return;
        }
        if (is_red(entry)) paint(entry, rb::black);
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
            lines += (orphan != Ref{}) + 1;  // and the left child
            replace_child(above, entry, successor);
            set_child(successor, left, below_left);
            set_parent(below_left, successor);
            nodes[successor].parent_and_colour = nodes[entry].parent_and_colour;
            ++writes;
        }
        if (orphan) set_parent(orphan, parent);
        if (lost_black) rebalance_after_erase(orphan, parent, parent_depth);
        return steps;
    }
};

}  // namespace zreplay
