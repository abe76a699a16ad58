// The radix tree of Linux 3.12, as far as a swap index needs it: what radix-tag and radix-lowbit are made of.
//
// A node holds no key. Six bits of the offset choose a slot at each level, so the offset is the path. A slot is empty
// (0), the address of a node one level down with bit 0 set, or, in a leaf (height 1), the user's word with bit 0 clear.
//
//      byte  0        4       8                  24                        536          560   568
//            | height | count | parent | (RCU)   | slot 0 … slot 63        | tag 0 1 2  |     |
//      line  |-- 0, with slots 0 to 4 -----------|-- 1 … 7 --|-- 8, with slots 61 to 63 |     |
//
// The parent shares its place with the RCU head that frees the node. The slab's object is 568 bytes, since the node's
// constructor keeps the slab's free pointer outside it. Lines are those of docs/models.md: the node starts one.
//
// Invariants, which check() walks:
//   * the height h is the least with (greatest offset) < 64^h; offset 0 alone lives in the root, without a node;
//   * no node is empty; `count` is its used slots; `parent` names the node above, null at the top;
//   * nodes = Σ over k = 1..h of the distinct values of offset >> 6k;
//   * a tag's bit at a slot = OR of that tag over everything below; the root's bit = OR of the whole tree.
//
// Each public operation below is one walk from the root, or a walk and a climb, and is charged when it is over.
// Two bits a level (RadixTree<2>) keep every rule and bring up every edge in a test; only the sizes are not the kernel's.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arena.hpp"
#include "cost.hpp"
#include "index/broken.hpp"
#include "types.hpp"

namespace zreplay {

inline constexpr uint32_t radix_tags = 3;

template <int Bits>
struct RadixNode {
    static constexpr uint32_t fan_out = 1u << Bits;

    uint32_t height;  // 1: a leaf
    uint32_t count;
    RadixNode* parent;
    uint64_t rcu_second_word;
    std::array<uint64_t, fan_out> slots;
    std::array<uint64_t, radix_tags> tags;
};
static_assert(sizeof(RadixNode<6>) == 560);

struct RadixRoot {
    uint32_t height = 0;
    uint32_t tags = 0;  // the kernel keeps them in the allocation flags' word
    uint64_t first = 0;
};
static_assert(sizeof(RadixRoot) == 16);

template <int Bits>
class RadixTree {
  public:
    using Node = RadixNode<Bits>;
    static constexpr size_t slab_bytes = sizeof(Node) + sizeof(void*);

    // The slot of an entry that is there, else null. One walk.
    uint64_t* slot(SwapEntry entry, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > max_offset(root.height)) return nullptr;
        if (!root.height) return root.first ? &root.first : nullptr;
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;
        if (!leaf) return nullptr;
        uint64_t* place = &leaf->slots[index_at(offset, 0)];
        return *place ? place : nullptr;
    }

    // Tags 0 and 1 of an entry as a number of two bits; 0 if the entry is not there. One walk.
    uint32_t tags(SwapEntry entry, Cost& cost) const {
        const RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > max_offset(root.height)) return 0;
        if (!root.height) return root.tags;
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;  // in the leaf the tags' line instead of the slot's
        return leaf ? leaf_tags(leaf, index_at(offset, 0)) : 0;
    }

    // The entry must not be there. One walk, after the tree has been grown to the height it needs.
    void insert(SwapEntry entry, uint64_t word, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > max_offset(root.height)) grow(root, offset, cost);
        ++entries_;
        if (!root.height) {
            root.first = word;
            ++cost.slots_written;
            return;
        }
        if (!root.first) {
            root.first = mark(make(root.height, nullptr));
            ++cost.nodes_allocated;
            ++cost.slots_written;
        }
        Node* node = unmark(root.first);
        uint64_t lines = 0;
        for (uint32_t height = root.height; height > 1; --height) {
            uint32_t index = index_at(offset, height - 1);
            uint64_t& child = node->slots[index];
            lines += lines_of(index, !child, false);
            if (!child) {
                child = mark(make(height - 1, node));
                ++node->count;
                ++cost.nodes_allocated;
                cost.slots_written += 2;  // the slot and the child's parent
            }
            node = unmark(child);
        }
        uint32_t index = index_at(offset, 0);
        assert(!node->slots[index] && !leaf_tags(node, index));  // 3.12 asserts both
        node->slots[index] = word;
        ++node->count;
        ++cost.slots_written;
        cost.nodes_visited += root.height;
        cost.cache_lines += lines + lines_of(index, true, true);
    }

    // Gives the word that was there, 0 if none. One walk, tags cleared and empty nodes freed upward.
    uint64_t erase(SwapEntry entry, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        uint64_t offset = entry.offset();
        if (offset > max_offset(root.height)) return 0;
        if (!root.height) {
            uint64_t word = root.first;
            if (word) --entries_, ++cost.slots_written;
            root = {};
            return word;
        }
        auto [leaf, nodes] = walk(root, offset);
        cost.nodes_visited += nodes;
        cost.cache_lines += nodes;
        uint32_t index = index_at(offset, 0);
        if (!leaf || !leaf->slots[index]) return 0;
        uint64_t word = leaf->slots[index];
        --entries_;
        uint32_t untagged_levels = 0;
        for (uint32_t tag = 0; tag < radix_tags; ++tag)
            if (leaf->tags[tag] >> index & 1)
                untagged_levels = std::max(untagged_levels, clear_upward(root, leaf, offset, tag, cost));
        uint32_t emptied_levels = empty_upward(root, leaf, offset, cost);
        cost.cache_lines += lines_of(index, true, true) - 1;
        for (uint32_t level = 1; level <= std::max(untagged_levels, emptied_levels); ++level)
            cost.cache_lines += lines_of(index_at(offset, level), level <= emptied_levels || level < untagged_levels,
                                         level <= untagged_levels) - 1;
        return word;
    }

    // The entry must be there. One walk, which writes the tag's word in the nodes that lack the bit.
    void set_tag(SwapEntry entry, uint32_t tag, Cost& cost) {
        RadixRoot& root = roots_[entry.type()];
        root.tags |= 1u << tag;
        if (!root.height) return;
        Node* node = unmark(root.first);
        for (uint32_t level = root.height - 1;; --level) {
            uint32_t index = index_at(entry.offset(), level);
            uint64_t bit = uint64_t{1} << index;
            if (!(node->tags[tag] & bit)) {
                node->tags[tag] |= bit;
                ++cost.tag_words_written;
            }
            if (!level) break;
            cost.cache_lines += lines_of(index, false, true);
            node = unmark(node->slots[index]);
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
        cost.cache_lines += nodes + (levels && head_line != tag_line);
        for (uint32_t level = 1; level <= levels; ++level)
            cost.cache_lines += lines_of(index_at(entry.offset(), level), level < levels, true) - 1;
    }

    // visit(offset, word, tags) in ascending order of offset.
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        const RadixRoot& root = roots_[type];
        if (root.height) for_each_below(unmark(root.first), 0, visit);
        else if (root.first) visit(uint64_t{0}, root.first, root.tags);
    }

    // take(i, word, tags) for every entry, as a lookup and a tag get would find them. Sixteen walks go down side by
    // side, a level at a time, each prefetching the slot it will read next: misses overlap instead of adding up.
    template <class Take>
    void warm(std::span<const SwapEntry> entries, Take&& take) const {
        for (size_t start = 0; start < entries.size(); start += lanes)
            warm_lanes(entries.subspan(start, std::min(lanes, entries.size() - start)),
                       [&](size_t i, uint64_t word, uint32_t tags) { take(start + i, word, tags); });
    }

    void check() const {
        uint64_t nodes = 0, entries = 0;
        for (uint32_t type = 0; type < swap_types; ++type) check_type(type, nodes, entries);
        require(nodes == arena_.live(), "radix nodes allocated but not in a tree", arena_.live(), nodes);
        require(entries == entries_, "radix tree's number of entries", entries_, entries);
    }

    uint64_t entries() const { return entries_; }
    uint64_t nodes() const { return arena_.live(); }
    uint64_t bytes() const { return arena_.live() * slab_bytes; }
    const RadixRoot* root(uint32_t type) const { return &roots_[type]; }

  private:
    static constexpr size_t lanes = 16;
    static constexpr uint64_t node_mark = 1;
    static constexpr uint32_t head_line = 0;
    static constexpr uint32_t tag_line = offsetof(Node, tags) / 64;

    struct Walked {
        Node* leaf;  // null when a slot on the way was empty
        uint32_t nodes;
    };

    static uint64_t mark(Node* node) { return reinterpret_cast<uint64_t>(node) | node_mark; }
    static Node* unmark(uint64_t word) { return reinterpret_cast<Node*>(word & ~node_mark); }
    static uint32_t index_at(uint64_t offset, uint32_t level) {
        return static_cast<uint32_t>(offset >> level * Bits) & (Node::fan_out - 1);
    }
    static uint64_t max_offset(uint32_t height) { return (uint64_t{1} << height * Bits) - 1; }
    static uint32_t leaf_tags(const Node* leaf, uint32_t index) {
        return static_cast<uint32_t>((leaf->tags[0] >> index & 1) | (leaf->tags[1] >> index & 1) << 1);
    }

    // Distinct lines of one node, given the slot used and whether its head (count, parent) and its tags are used too.
    static uint32_t lines_of(uint32_t index, bool head, bool tags) {
        uint32_t slot_line = (offsetof(Node, slots) + index * 8) / 64;
        bool more_head = head && slot_line != head_line;
        bool more_tags = tags && slot_line != tag_line && !(head && tag_line == head_line);
        return 1 + more_head + more_tags;
    }

    Node* make(uint32_t height, Node* parent) {
        Node* node = arena_.make();
        node->height = height;
        node->parent = parent;
        return node;
    }

    static Walked walk(const RadixRoot& root, uint64_t offset) {
        Node* node = unmark(root.first);
        uint32_t nodes = 1;
        for (uint32_t level = root.height - 1; level; --level) {
            uint64_t word = node->slots[index_at(offset, level)];
            if (!word) return {nullptr, nodes};
            node = unmark(word);
            ++nodes;
        }
        return {node, nodes};
    }

    // An empty tree takes the height at once; otherwise each missing level becomes a node above the root.
    void grow(RadixRoot& root, uint64_t offset, Cost& cost) {
        if (!root.first) {
            while (offset > max_offset(root.height)) ++root.height;
            return;
        }
        while (offset > max_offset(root.height)) {
            Node* top = make(root.height + 1, nullptr);
            top->count = 1;
            top->slots[0] = root.first;
            for (uint32_t tag = 0; tag < radix_tags; ++tag) {
                top->tags[tag] = root.tags >> tag & 1;
                cost.tag_words_written += top->tags[tag];
            }
            cost.cache_lines += 1 + (root.tags && tag_line != head_line);
            if (root.height) {
                unmark(root.first)->parent = top;
                ++cost.slots_written;
                ++cost.cache_lines;
            }
            root.first = mark(top);
            ++root.height;
            ++cost.nodes_allocated;
            cost.slots_written += 2;
        }
    }

    // Gives the number of levels climbed above the leaf.
    static uint32_t clear_upward(RadixRoot& root, Node* node, uint64_t offset, uint32_t tag, Cost& cost) {
        for (uint32_t level = 0;; ++level) {
            node->tags[tag] &= ~(uint64_t{1} << index_at(offset, level));
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
            node->slots[index_at(offset, level)] = 0;
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
            Node* top = unmark(root.first);
            if (top->count != 1 || !top->slots[0]) return;
            root.first = top->slots[0];
            ++cost.slots_written;
            if (--root.height) {
                unmark(root.first)->parent = nullptr;
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
            if (node->height == 1) visit(offset, word, leaf_tags(node, index));
            else for_each_below(unmark(word), offset, visit);
        }
    }

    template <class Take>
    void warm_lanes(std::span<const SwapEntry> entries, Take&& take) const {
        std::array<const Node*, lanes> nodes;
        std::array<uint32_t, lanes> heights;
        uint32_t tallest = 0;
        for (size_t i = 0; i < entries.size(); ++i) {
            const RadixRoot& root = roots_[entries[i].type()];
            bool inside = root.height && entries[i].offset() <= max_offset(root.height);
            nodes[i] = inside ? unmark(root.first) : nullptr;
            heights[i] = root.height;
            tallest = std::max(tallest, root.height);
            if (inside) prefetch(nodes[i], root.height, entries[i].offset());
        }
        for (uint32_t height = tallest; height > 1; --height)
            for (size_t i = 0; i < entries.size(); ++i) {
                if (heights[i] != height || !nodes[i]) continue;
                uint64_t word = nodes[i]->slots[index_at(entries[i].offset(), height - 1)];
                nodes[i] = unmark(word);
                heights[i] = height - 1;
                if (word) prefetch(nodes[i], height - 1, entries[i].offset());
            }
        for (size_t i = 0; i < entries.size(); ++i) {
            const RadixRoot& root = roots_[entries[i].type()];
            uint32_t index = index_at(entries[i].offset(), 0);
            if (nodes[i]) take(i, nodes[i]->slots[index], leaf_tags(nodes[i], index));
            else if (!root.height && !entries[i].offset()) take(i, root.first, root.tags);
            else take(i, uint64_t{0}, 0u);
        }
    }

    static void prefetch(const Node* node, uint32_t height, uint64_t offset) {
        __builtin_prefetch(&node->slots[index_at(offset, height - 1)]);
        if (height > 1) return;
        __builtin_prefetch(&node->tags);
        __builtin_prefetch(&node->count);
    }

    // What check() carries through one tree.
    struct Tally {
        uint32_t height;
        uint64_t nodes = 0;     // met
        uint64_t formula = 0;   // that 6.2's sum asks for
        uint64_t entries = 0;
        uint64_t last_offset = 0;
    };

    void check_type(uint32_t type, uint64_t& nodes, uint64_t& entries) const {
        const RadixRoot& root = roots_[type];
        Tally tally{root.height};
        uint32_t tags = root.tags;
        if (root.height) {
            require_at(type, 0, root.first & node_mark, "radix root above height 0 names a node", root.first & 1, 1);
            tags = check_node(type, unmark(root.first), root.height, nullptr, 0, tally);
            uint32_t least = 0;
            while (tally.last_offset > max_offset(least)) ++least;
            require_at(type, tally.last_offset, root.height == least, "radix height is the least that reaches", root.height,
                       least);
        } else {
            require_at(type, 0, !(root.first & node_mark), "radix root of height 0 holds an entry", root.first & 1, 0);
            tally.entries = root.first != 0;
            if (!root.first) tags = 0;
        }
        require_at(type, 0, root.tags == tags, "radix root's tags are the OR of the tree", root.tags, tags);
        require_at(type, tally.last_offset, tally.nodes == tally.formula, "radix node count is the formula's", tally.nodes,
                   tally.formula);
        nodes += tally.nodes;
        entries += tally.entries;
    }

    // Gives the OR of each tag over the subtree.
    static uint32_t check_node(uint32_t type, const Node* node, uint32_t height, const Node* parent, uint64_t first_offset,
                               Tally& tally) {
        ++tally.nodes;
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
            uint32_t below = 0;
            if (word) {
                bool inner = height > 1;
                require_at(type, offset, (word & node_mark) == inner, "radix slot's bit 0 marks a node", word & 1, inner);
                below = inner ? check_node(type, unmark(word), height - 1, node, offset, tally) : here;
                if (!inner) count_entry(offset, tally);
            }
            require_at(type, offset, here == below, "radix slot's tags are the OR of what is below", here, below);
        }
        require_at(type, first_offset, node->count == used, "radix node's count", node->count, used);
        require_at(type, first_offset, used > 0, "radix node is not empty", used, 1);
        return any;
    }

    // Offsets come in ascending order, so a prefix the last one did not have is new.
    static void count_entry(uint64_t offset, Tally& tally) {
        bool first = !tally.entries++;
        for (uint32_t k = 1; k <= tally.height; ++k)
            tally.formula += first || offset >> k * Bits != tally.last_offset >> k * Bits;
        tally.last_offset = offset;
    }

    std::array<RadixRoot, swap_types> roots_;
    Arena<Node, slab_bytes> arena_;
    uint64_t entries_ = 0;
};

}  // namespace zreplay
