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
    static uint64_t number(Ref entry) { return (uint64_t)entry; }

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

// That the descents of all of a bucket's offsets, the first to the last, pass through its start, at that depth.
template <class Nodes>
void check_shortcut(const Nodes& nodes, uint32_t type, typename Nodes::Ref root, typename Nodes::Ref start, uint32_t depth,
                    uint64_t first, uint64_t last) {
    require_at(type, first, nodes[start].offset >= first && nodes[start].offset <= last, "rbtree shortcut's start is in its bucket",
               nodes[start].offset, first);
    uint32_t found = 0;
    auto below = start;
    for (auto above = nodes[start].parent(); above; below = above, above = nodes[above].parent(), ++found) {
        const bool is_left = nodes[above].child[rb::left] == below;
        const uint64_t offset = nodes[above].offset;
        require_at(type, first, is_left ? last < offset : nodes[above].child[rb::right] == below && first > offset,
                   "rbtree shortcut's bucket is inside its start's interval", is_left ? last : first, offset);
    }
    require_at(type, first, below == root, "rbtree shortcut's start is in the tree", 0, 1);
    require_at(type, first, found == depth, "rbtree shortcut's depth", depth, found);
}

}  // namespace zreplay
