// Every invariant of a radix tree or an xarray (radix_tree.hpp lists them), walked in ascending order of offset.
#pragma once

#include <cstdint>

#include "index/broken.hpp"
#include "index/radix_node.hpp"

namespace zreplay {

// Throws CheckFailed from its constructor, or has counted the tree.
template <class Node>
struct RadixCheck {
    static constexpr int bits = Node::bits;

    uint32_t type;
    const typename Node::Root& root;
    uint64_t least_offset, greatest_offset;  // the range of keys the tree is for
    uint32_t tree_height;
    bool leaves_count;  // else somebody else counts their slots
    uint64_t nodes = 0;
    uint64_t leaves = 0;
    uint64_t entries = 0;

    RadixCheck(uint32_t of_type, const typename Node::Root& of_root, uint64_t least, uint64_t greatest, bool of_leaves_count)
        : type(of_type),
          root(of_root),
          least_offset(least),
          greatest_offset(greatest),
          tree_height(root.height()),
          leaves_count(of_leaves_count) {
        bool marked = Node::is_node(root.first);
        uint32_t tags = root.tags;
        if (tree_height) {
            require_at(type, 0, marked, "assertion 8: radix root above height 0 names a node", marked, 1);
            tags = check_node(Node::unmark(root.first), tree_height, nullptr, 0, 0);
            uint32_t enough = 0;
            while (last_offset > Node::max_offset(enough)) ++enough;
            require_at(type, last_offset, tree_height == enough, "assertion 8: radix height is the least that reaches", tree_height,
                       enough);
        } else {
            require_at(type, 0, !marked, "assertion 8: radix root of height 0 holds an entry", marked, 0);
            entries = root.first != 0;
            if (!root.first) tags = 0;
        }
        require_at(type, 0, root.tags == tags, "assertion 4: radix root's tags are the OR of the tree", root.tags, tags);
        require_at(type, last_offset, nodes == formula, "assertion 8: radix node count is the formula's", nodes, formula);
    }

  private:
    uint64_t formula = 0;  // the nodes that the bits of a level ask for: distinct offset >> 6k, over k
    uint64_t last_offset = 0;

    // Gives the OR of each tag over the subtree.
    uint32_t check_node(const Node* node, uint32_t height, const Node* parent, uint32_t index_in_parent,
                        uint64_t first_offset) {
        ++nodes;
        leaves += height == 1;
        require_at(type, first_offset, node->level() + 1 == height, "assertion 8: radix node's height", node->level() + 1, height);
        if constexpr (requires { node->check(type, first_offset, index_in_parent, &root); })
            node->check(type, first_offset, index_in_parent, &root);
        require_at(type, first_offset, node->parent == parent, "assertion 8: radix node's parent",
                   reinterpret_cast<uint64_t>(node->parent), reinterpret_cast<uint64_t>(parent));
        uint32_t used = 0;
        uint32_t any = 0;
        for (uint32_t index = 0; index < Node::fan_out; ++index) {
            uint64_t word = node->slots[index];
            uint64_t offset = first_offset | uint64_t{index} << (height - 1) * bits;
            uint32_t here = 0;
            for (uint32_t tag = 0; tag < radix_tags; ++tag) here |= (node->tags[tag] >> index & 1) << tag;
            any |= here;
            used += word != 0;
            uint32_t below = word ? check_slot(word, height, node, index, offset, here) : 0;
            require_at(type, offset, here == below, "assertion 4: radix slot's tags are the OR of what is below", here, below);
        }
        require_at(type, first_offset, node->count == used || (height == 1 && !leaves_count), "assertion 8: radix node's count", node->count, used);
        require_at(type, first_offset, used > 0, "assertion 8: radix node is not empty", used, 1);
        return any;
    }

    uint32_t check_slot(uint64_t word, uint32_t height, const Node* node, uint32_t index, uint64_t offset,
                        uint32_t leaf_tags) {
        bool inner = height > 1;
        bool marked = Node::is_node(word);
        require_at(type, offset, marked == inner, Node::mark_rule, marked, inner);
        if (inner) return check_node(Node::unmark(word), height - 1, node, index, offset);
        require_at(type, offset, offset >= least_offset && offset <= greatest_offset, "radix tree's range has the offset",
                   offset, least_offset);
        // Offsets come in ascending order, so a prefix the last one did not have is new.
        bool first = !entries++;
        for (uint32_t k = 1; k <= tree_height; ++k)
            formula += first || offset >> k * bits != last_offset >> k * bits;
        last_offset = offset;
        return leaf_tags;
    }
};

}  // namespace zreplay
