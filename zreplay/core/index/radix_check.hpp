// Every invariant of a radix tree (radix_tree.hpp lists them), walked in ascending order of offset.
#pragma once

#include <cstdint>

#include "index/broken.hpp"
#include "index/radix_node.hpp"

namespace zreplay {

// Throws CheckFailed from its constructor, or has counted the tree.
template <int Bits>
struct RadixCheck {
    using Node = RadixNode<Bits>;

    uint32_t type;
    uint32_t tree_height;
    uint64_t nodes = 0;
    uint64_t entries = 0;

    RadixCheck(uint32_t of_type, const RadixRoot& root) : type(of_type), tree_height(root.height) {
        uint64_t marked = root.first & Node::node_mark;
        uint32_t tags = root.tags;
        if (root.height) {
            require_at(type, 0, marked, "radix root above height 0 names a node", marked, 1);
            tags = check_node(Node::unmark(root.first), root.height, nullptr, 0);
            uint32_t least = 0;
            while (last_offset > Node::max_offset(least)) ++least;
            require_at(type, last_offset, root.height == least, "radix height is the least that reaches", root.height,
                       least);
        } else {
            require_at(type, 0, !marked, "radix root of height 0 holds an entry", marked, 0);
            entries = root.first != 0;
            if (!root.first) tags = 0;
        }
        require_at(type, 0, root.tags == tags, "radix root's tags are the OR of the tree", root.tags, tags);
        require_at(type, last_offset, nodes == formula, "radix node count is the formula's", nodes, formula);
    }

  private:
    uint64_t formula = 0;  // the nodes that 6 bits a level ask for: distinct offset >> 6k, over k
    uint64_t last_offset = 0;

    // Gives the OR of each tag over the subtree.
    uint32_t check_node(const Node* node, uint32_t height, const Node* parent, uint64_t first_offset) {
        ++nodes;
        require_at(type, first_offset, node->height == height, "radix node's height", node->height, height);
        require_at(type, first_offset, node->parent == parent, "radix node's parent",
                   reinterpret_cast<uint64_t>(node->parent), reinterpret_cast<uint64_t>(parent));
        uint32_t used = 0;
        uint32_t any = 0;
        for (uint32_t index = 0; index < Node::fan_out; ++index) {
            uint64_t word = node->slots[index];
            uint64_t offset = first_offset | uint64_t{index} << (height - 1) * Bits;
            uint32_t here = 0;
            for (uint32_t tag = 0; tag < radix_tags; ++tag) here |= (node->tags[tag] >> index & 1) << tag;
            any |= here;
            used += word != 0;
            uint32_t below = word ? check_slot(word, height, node, offset, here) : 0;
            require_at(type, offset, here == below, "radix slot's tags are the OR of what is below", here, below);
        }
        require_at(type, first_offset, node->count == used, "radix node's count", node->count, used);
        require_at(type, first_offset, used > 0, "radix node is not empty", used, 1);
        return any;
    }

    uint32_t check_slot(uint64_t word, uint32_t height, const Node* node, uint64_t offset, uint32_t leaf_tags) {
        bool inner = height > 1;
        uint64_t marked = word & Node::node_mark;
        require_at(type, offset, marked == inner, "radix slot's bit 0 marks a node", marked, inner);
        if (inner) return check_node(Node::unmark(word), height - 1, node, offset);
        // Offsets come in ascending order, so a prefix the last one did not have is new.
        bool first = !entries++;
        for (uint32_t k = 1; k <= tree_height; ++k)
            formula += first || offset >> k * Bits != last_offset >> k * Bits;
        last_offset = offset;
        return leaf_tags;
    }
};

}  // namespace zreplay
