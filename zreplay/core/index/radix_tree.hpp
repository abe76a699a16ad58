// The radix tree of Linux 3.12, as far as a swap index needs it: what radix-tag and radix-lowbit are made of.
//
// A node holds no key. Six bits of the offset choose a slot at each level, so the offset is the path. A slot is empty
// (0), the address of a node one level down with bit 0 set, or, in a leaf (height 1), the user's word with bit 0 clear.
//
// Invariants, which check() walks:
//   * the height h is the least with (greatest offset) < 64^h; offset 0 alone lives in the root, without a node;
//   * no node is empty; `count` is its used slots; `parent` names the node above, null at the top;
//   * nodes = Σ over k = 1..h of the distinct values of offset >> 6k;
//   * a tag's bit at a slot = OR of that tag over everything below; the root's bit = OR of the whole tree.
//
// Each public operation below is one walk from the root, or a walk and a climb, and is charged when it is over.
// Two bits a level (RadixTree<2>) keep every rule and bring up every edge in a test; only the sizes are not the
// kernel's.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <span>

#include "arena.hpp"
#include "cost.hpp"
#include "index/radix_check.hpp"
#include "index/radix_node.hpp"
#include "prefetch.hpp"
#include "types.hpp"

namespace zreplay {

template <int Bits>
class RadixTree {
  public:
    using Node = RadixNode<Bits>;
    static constexpr size_t slab_bytes = sizeof(Node) + sizeof(void*);

    // The slot of an entry that is there, else null. One walk.
    uint64_t* slot(SwapEntry entry, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > Node::max_offset(root.height)) return nullptr;
        if (!root.height) return root.first ? &root.first : nullptr;
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;
        if (!leaf) return nullptr;
        uint64_t* place = &leaf->slots[Node::index_at(offset, 0)];
        return *place ? place : nullptr;
    }

    // Tags 0 and 1 of an entry as a number of two bits; 0 if the entry is not there. One walk.
    uint32_t tags(SwapEntry entry, Cost& cost) const {
        const RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > Node::max_offset(root.height)) return 0;
        if (!root.height) return root.tags;
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;  // in the leaf the tags' line instead of the slot's
        return leaf ? Node::leaf_tags(leaf, Node::index_at(offset, 0)) : 0;
    }

    // The entry must not be there. One walk, after the tree has been grown to the height it needs.
    void insert(SwapEntry entry, uint64_t word, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > Node::max_offset(root.height)) grow(root, offset, cost);
        ++entries_;
        if (!root.height) {
            root.first = word;
            ++cost.slots_written;
            return;
        }
        if (!root.first) {
            root.first = Node::mark(make(root.height, nullptr));
            ++cost.nodes_allocated;
            ++cost.slots_written;
        }
        Node* node = Node::unmark(root.first);
        uint64_t lines = 0;
        for (uint32_t height = root.height; height > 1; --height) {
            uint32_t index = Node::index_at(offset, height - 1);
            uint64_t& child = node->slots[index];
            lines += Node::lines_of(index, !child, false);
            if (!child) {
                child = Node::mark(make(height - 1, node));
                ++node->count;
                ++cost.nodes_allocated;
                cost.slots_written += 2;  // the slot and the child's parent
            }
            node = Node::unmark(child);
        }
        uint32_t index = Node::index_at(offset, 0);
        assert(!node->slots[index] && !(root.tags && Node::leaf_tags(node, index)));  // 3.12 asserts both
        node->slots[index] = word;
        ++node->count;
        ++cost.slots_written;
        cost.nodes_visited += root.height;
        cost.cache_lines += lines + Node::lines_of(index, true, true);
    }

    // Gives the word that was there, 0 if none. One walk, tags cleared and empty nodes freed upward.
    uint64_t erase(SwapEntry entry, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > Node::max_offset(root.height)) return 0;
        if (!root.height) {
            uint64_t word = root.first;
            if (word) --entries_, ++cost.slots_written;
            root = {};
            return word;
        }
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;
        uint32_t index = Node::index_at(offset, 0);
        if (!leaf || !leaf->slots[index]) return 0;
        uint64_t word = leaf->slots[index];
        --entries_;
        uint32_t untagged_levels = 0;
        // Without a tag at the root there is none below: the tags' line is counted, as the kernel reads it, but left alone.
        for (uint32_t tag = 0; root.tags && tag < radix_tags; ++tag)
            if (leaf->tags[tag] >> index & 1)
                untagged_levels = std::max(untagged_levels, clear_upward(root, leaf, offset, tag, cost));
        uint32_t emptied_levels = empty_upward(root, leaf, offset, cost);
        cost.cache_lines += Node::lines_of(index, true, true) - 1;
        for (uint32_t level = 1; level <= std::max(untagged_levels, emptied_levels); ++level)
            cost.cache_lines += Node::lines_of(Node::index_at(offset, level),
                                               level <= emptied_levels || level < untagged_levels,
                                               level <= untagged_levels) - 1;
        return word;
    }

    // The entry must be there. One walk, which writes the tag's word in the nodes that lack the bit.
    void set_tag(SwapEntry entry, uint32_t tag, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        root.tags |= 1u << tag;
        if (!root.height) return;
        Node* node = Node::unmark(root.first);
        for (uint32_t level = root.height - 1;; --level) {
            uint32_t index = Node::index_at(entry.offset(), level);
            uint64_t bit = uint64_t{1} << index;
            if (!(node->tags[tag] & bit)) {
                node->tags[tag] |= bit;
                ++cost.tag_words_written;
            }
            if (!level) break;
            cost.cache_lines += Node::lines_of(index, false, true);
            node = Node::unmark(node->slots[index]);
        }
        cost.nodes_visited += root.height;
        ++cost.cache_lines;  // the leaf's tags
    }

    // The entry must be there and have the tag. One walk, then a climb for as long as the tag's word became empty.
    void clear_tag(SwapEntry entry, uint32_t tag, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        if (!root.height) {
            root.tags &= ~(1u << tag);
            return;
        }
        auto [leaf, nodes] = walk(root, entry.offset());
        uint32_t levels = clear_upward(root, leaf, entry.offset(), tag, cost);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes + (levels && Node::head_line != Node::tag_line);
        for (uint32_t level = 1; level <= levels; ++level)
            cost.cache_lines += Node::lines_of(Node::index_at(entry.offset(), level), level < levels, true) - 1;
    }

    // visit(offset, word, tags) in ascending order of offset.
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        const RadixRoot& root = roots_[type];
        if (root.height) for_each_below(Node::unmark(root.first), 0, visit);
        else if (root.first) visit(uint64_t{0}, root.first, root.tags);
    }

    // take(i, word, tags) for every entry, as a lookup and a tag get would find them. Sixteen walks go down side by
    // side, a level at a time, each prefetching the slot it will read next: misses overlap instead of adding up.
    template <class Take>
    void warm(std::span<const SwapEntry> entries, uint32_t changing, Take&& take) const {
        for (size_t start = 0; start < entries.size(); start += lanes)
            warm_lanes(entries.subspan(start, std::min(lanes, entries.size() - start)), changing >> start,
                       [&](size_t i, uint64_t word, uint32_t tags) { take(start + i, word, tags); });
    }

    void check() const {
        uint64_t nodes = 0, entries = 0;
        for (uint32_t type = 0; type < swap_types; ++type) {
            RadixCheck<Bits> checked(type, roots_[type]);
            nodes += checked.nodes;
            entries += checked.entries;
        }
        require(nodes == arena_.live(), "radix nodes allocated but not in a tree", arena_.live(), nodes);
        require(entries == entries_, "radix tree's number of entries", entries_, entries);
    }

    uint64_t entries() const { return entries_; }
    uint64_t nodes() const { return arena_.live(); }
    uint64_t bytes() const { return arena_.live() * slab_bytes; }
    const RadixRoot* root(uint32_t type) const { return &roots_[type]; }

  private:
    static constexpr size_t lanes = 16;

    struct Walked {
        Node* leaf;  // null when a slot on the way was empty
        uint32_t nodes;
    };

    Node* make(uint32_t height, Node* parent) {
        Node* node = arena_.make();
        node->height = height;
        node->parent = parent;
        return node;
    }

    static Walked walk(const RadixRoot& root, uint64_t offset) {
        Node* node = Node::unmark(root.first);
        uint32_t nodes = 1;
        for (uint32_t level = root.height - 1; level; --level) {
            uint64_t word = node->slots[Node::index_at(offset, level)];
            if (!word) return {nullptr, nodes};
            node = Node::unmark(word);
            ++nodes;
        }
        return {node, nodes};
    }

    // An empty tree takes the height at once; otherwise each missing level becomes a node above the root.
    void grow(RadixRoot& root, uint64_t offset, Cost& cost) {
        if (!root.first) {
            while (offset > Node::max_offset(root.height)) ++root.height;
            return;
        }
        while (offset > Node::max_offset(root.height)) {
            Node* top = make(root.height + 1, nullptr);
            top->count = 1;
            top->slots[0] = root.first;
            for (uint32_t tag = 0; tag < radix_tags; ++tag) {
                top->tags[tag] = root.tags >> tag & 1;
                cost.tag_words_written += top->tags[tag];
            }
            cost.cache_lines += 1 + (root.tags && Node::tag_line != Node::head_line);
            if (root.height) {
                Node::unmark(root.first)->parent = top;
                ++cost.slots_written;
                ++cost.cache_lines;
            }
            root.first = Node::mark(top);
            ++root.height;
            ++cost.nodes_allocated;
            cost.slots_written += 2;
        }
    }

    // Gives the number of levels climbed above the leaf.
    static uint32_t clear_upward(RadixRoot& root, Node* node, uint64_t offset, uint32_t tag, Cost& cost) {
        for (uint32_t level = 0;; ++level) {
            node->tags[tag] &= ~(uint64_t{1} << Node::index_at(offset, level));
            ++cost.tag_words_written;
            if (node->tags[tag]) return level;
            if (!node->parent) {
                root.tags &= ~(1u << tag);
                return level;
            }
            node = node->parent;
        }
    }

    // Empties the leaf's slot, frees the nodes this leaves empty, lowers the root. Gives the levels climbed.
    uint32_t empty_upward(RadixRoot& root, Node* node, uint64_t offset, Cost& cost) {
        for (uint32_t level = 0;; ++level) {
            node->slots[Node::index_at(offset, level)] = 0;
            ++cost.slots_written;
            if (--node->count) {
                if (!node->parent) shrink(root, cost);
                return level;
            }
            Node* parent = node->parent;
            arena_.release(node);
            ++cost.nodes_freed;
            if (!parent) {
                root = {};
                ++cost.slots_written;
                return level;
            }
            node = parent;
        }
    }

    void shrink(RadixRoot& root, Cost& cost) {
        while (root.height) {
            Node* top = Node::unmark(root.first);
            if (top->count != 1 || !top->slots[0]) return;
            root.first = top->slots[0];
            ++cost.slots_written;
            if (--root.height) {
                Node::unmark(root.first)->parent = nullptr;
                ++cost.slots_written;
                ++cost.cache_lines;
            }
            arena_.release(top);
            ++cost.nodes_freed;
        }
    }

    template <class Visit>
    static void for_each_below(const Node* node, uint64_t first_offset, Visit& visit) {
        for (uint32_t index = 0; index < Node::fan_out; ++index) {
            uint64_t word = node->slots[index];
            if (!word) continue;
            uint64_t offset = first_offset | uint64_t{index} << (node->height - 1) * Bits;
            if (node->height == 1) visit(offset, word, Node::leaf_tags(node, index));
            else for_each_below(Node::unmark(word), offset, visit);
        }
    }

    template <class Take>
    void warm_lanes(std::span<const SwapEntry> entries, uint32_t changing, Take&& take) const {
        std::array<const Node*, lanes> nodes;
        std::array<uint32_t, lanes> heights;
        uint32_t tallest = 0;
        for (size_t i = 0; i < entries.size(); ++i) {
            const RadixRoot& root = roots_[entries[i].type()];
            bool inside = root.height && entries[i].offset() <= Node::max_offset(root.height);
            nodes[i] = inside ? Node::unmark(root.first) : nullptr;
            heights[i] = root.height;
            tallest = std::max(tallest, root.height);
            if (inside) fetch_slot(nodes[i], root.height, entries[i].offset(), root.tags, changing >> i & 1);
        }
        for (uint32_t height = tallest; height > 1; --height)
            for (size_t i = 0; i < entries.size(); ++i) {
                if (heights[i] != height || !nodes[i]) continue;
                uint64_t word = nodes[i]->slots[Node::index_at(entries[i].offset(), height - 1)];
                nodes[i] = Node::unmark(word);
                heights[i] = height - 1;
                if (word) fetch_slot(nodes[i], height - 1, entries[i].offset(), roots_[entries[i].type()].tags, changing >> i & 1);
            }
        for (size_t i = 0; i < entries.size(); ++i) {
            const RadixRoot& root = roots_[entries[i].type()];
            uint32_t index = Node::index_at(entries[i].offset(), 0);
            if (nodes[i]) take(i, nodes[i]->slots[index], root.tags ? Node::leaf_tags(nodes[i], index) : 0);
            else if (!root.height && !entries[i].offset()) take(i, root.first, root.tags);
            else take(i, uint64_t{0}, 0u);
        }
    }

    static void fetch_slot(const Node* node, uint32_t height, uint64_t offset, bool tagged, bool changing) {
        prefetch(&node->slots[Node::index_at(offset, height - 1)]);
        if (height > 1) return;
        if (tagged) prefetch(&node->tags);
        if (changing) prefetch(&node->count);
    }

    std::array<RadixRoot, swap_types> roots_;
    Arena<Node, slab_bytes> arena_;
    uint64_t entries_ = 0;
};

}  // namespace zreplay
