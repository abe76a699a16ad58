// What check() of an rbtree walks; throws CheckFailed.
#pragma once

#include <cstdint>

#include "index/broken.hpp"
#include "index/rbtree_layouts.hpp"

namespace zreplay {

// One tree, from left to right.
template <class Nodes>
struct RbtreeCheck {
    using Ref = typename Nodes::Ref;

    const Nodes& nodes;
    uint32_t type;
    uint64_t entries = 0;
    uint64_t last_offset = 0;

    RbtreeCheck(const Nodes& nodes, uint32_t type, Ref root) : nodes(nodes), type(type) {
        if (!root) return;
        require_at(type, nodes[root].offset, is_black(root), "rbtree root is black", 0, 1);
        below(root, Ref{});
    }

    bool is_black(Ref entry) const { return !entry || nodes[entry].colour() == rb::black; }
    static uint64_t number(Ref entry) {
        if constexpr (Nodes::is_compact) return entry;
        else return reinterpret_cast<uint64_t>(entry);
    }

    // Gives the number of black entries on every path down.
    uint64_t below(Ref entry, Ref parent) {
        if (!entry) return 0;
        const auto& here = nodes[entry];
        const uint64_t offset = here.offset;
        require_at(type, offset, here.parent() == parent, "rbtree entry's parent", number(here.parent()), number(parent));
        require_at(type, offset, is_black(entry) || is_black(parent), "rbtree red entry has a black parent", 0, 1);
        const uint64_t blacks_left = below(here.child[rb::left], entry);
        require_at(type, offset, !entries || offset > last_offset, "rbtree offsets ascend", last_offset, offset);
        require_at(type, offset, here.handle && !(here.handle & 1), "rbtree entry's handle is a location", here.handle,
                   here.handle & ~uint64_t{1});
        if constexpr (requires { here.refcount; })
            require_at(type, offset, here.refcount == 1, "rbtree entry's references are the tree's",
                       static_cast<uint64_t>(here.refcount), 1);
        ++entries;
        last_offset = offset;
        const uint64_t blacks_right = below(here.child[rb::right], entry);
        require_at(type, offset, blacks_left == blacks_right, "rbtree black height, left against right", blacks_left,
                   blacks_right);
        return blacks_left + is_black(entry);
    }
};

// That each covered entry is written down, at its depth, and no others are.
template <class Nodes, class Depths>
void check_depths(const Nodes& nodes, uint32_t type, typename Nodes::Ref root, const Depths& depths) {
    uint64_t uncovered = 0, last = Depths::none;
    auto below = [&](auto&& below, typename Nodes::Ref entry, uint32_t depth) -> void {
        if (!entry) return;
        below(below, nodes[entry].child[rb::left], depth + 1);
        const uint64_t offset = nodes[entry].offset;
        if (depths.covers(offset)) {
            require_at(type, offset, depths.has(offset) && depths.entry(offset) == entry, "rbtree entry's number",
                       depths.entry(offset), entry);
            require_at(type, offset, depths.depth(offset) == depth, "rbtree entry's depth", depths.depth(offset), depth);
            require_at(type, offset, depths.previous(offset) == last, "rbtree entry before", depths.previous(offset), last);
            require_at(type, offset, last == Depths::none || depths.next(last) == offset, "rbtree entry's next", offset, last);
            last = offset;
        } else {
            ++uncovered;
        }
        below(below, nodes[entry].child[rb::right], depth + 1);
    };
    below(below, root, 0);
    require_at(type, 0, uncovered == depths.uncovered(), "rbtree entries beyond those covered", depths.uncovered(), uncovered);
    if (last != Depths::none)
        require_at(type, last, depths.next(last) == Depths::none, "rbtree has no further entry", depths.next(last),
                   Depths::none);
}

}  // namespace zreplay
