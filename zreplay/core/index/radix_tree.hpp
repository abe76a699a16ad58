// The radix tree of Linux 3.12 and the xarray that took its place, as far as a swap index needs them: one set of rules over
// two nodes. radix-tag and radix-lowbit are made of RadixNode (radix_node.hpp), the xarrays of XaNode (xarray_node.hpp).
//
// A node holds no key. Six bits of the offset choose a slot at each level, so the offset is the path. A slot is empty
// (0), the address of a node one level down with the node's mark in its low bits, or, in a leaf, the user's word, whose low
// bits are never that mark. The mark: bit 0 set in 3.12; low bits 10 in an xarray.
//
// Invariants, which check() walks:
//   * the height h is the least with (greatest offset) < 64^h; offset 0 alone lives in the root, without a node;
//   * no node is empty; `count` is its used slots; `parent` names the node above, null at the top;
//   * nodes = Σ over k = 1..h of the distinct values of offset >> 6k;
//   * a tag's bit at a slot = OR of that tag over everything below; the root's bit = OR of the whole tree.
//
// Each public operation below is one walk from the root, or a walk and a climb, and is charged when it is over.
// Where a node says its own level (XaNode) the root does not know the tree's height: each node's head is read on the way
// down, and an offset beyond the height is found out in the top node.
// Two bits a level (RadixNode<2>, XaNode<2>) keep every rule and bring up every edge in a test; only the sizes are not the
// kernel's. Roots says how many trees there are: one for each type, or one for each range of a type (radix_roots.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>

#include "arena.hpp"
#include "cost.hpp"
#include "index/index.hpp"
#include "index/radix_check.hpp"
#include "index/radix_leaves.hpp"
#include "index/radix_roots.hpp"
#include "types.hpp"

namespace zreplay {

// Beside the trees stands a directory of their leaves (radix_leaves.hpp): where only the answer counts it leads to a leaf at
// once, and what the walk would have cost follows from the height. With `walks` every operation goes down the tree as the
// kernel does, to be timed.
template <class Node, class Roots = RootPerType<typename Node::Root>>
class RadixTree {
    using Root = typename Node::Root;
    using Leaf = typename RadixLeaves<Node>::Leaf;
    static constexpr bool counts_leaves = RadixLeaves<Node>::counts;

  public:
    static constexpr size_t slab_bytes = sizeof(Node) + sizeof(void*);

    explicit RadixTree(bool walks = false) : walks_(walks) {}

    // The slot of an entry that is there, else null. One walk.
    [[gnu::always_inline]] uint64_t* slot(SwapEntry entry, Cost& cost) {
        Root* root = roots_.find(entry);
        const uint64_t offset = entry.offset();
        Node* leaf = leaves_.find(entry);
        if (leaf) [[likely]] {
            charge_walk(*root, offset, cost);
        } else {
            if (!root || is_beyond(*root, offset, cost)) return nullptr;
            if (!root->height()) return root->first ? &root->first : nullptr;
            leaf = walk(*root, offset, cost);
            if (!leaf) return nullptr;
        }
        uint64_t* place = &leaf->slots[index_in(leaf, offset)];
        return *place ? place : nullptr;
    }

    // An entry's tags that say a position, as a number; 0 if the entry is not there. One walk.
    uint32_t tags(SwapEntry entry, Cost& cost) const {
        const Root* root = roots_.find(entry);
        const uint64_t offset = entry.offset();
        const Node* leaf = leaves_.find(entry);  // in the leaf the tags' line instead of the slot's
        if (leaf) [[likely]] {
            charge_walk(*root, offset, cost);
        } else {
            if (!root || is_beyond(*root, offset, cost)) return 0;
            if (!root->height()) return root->tags;
            leaf = walk(*root, offset, cost);
        }
        return leaf ? Node::leaf_tags(leaf, Node::index_at(offset, 0)) : 0;
    }

    // The entry must not be there. One walk, after the tree has been grown to the height it needs.
    [[gnu::always_inline]] void insert(SwapEntry entry, uint64_t word, Cost& cost) {
        Root& root = roots_.make(entry);
        Node* leaf = path(root, entry, cost);
        ++entries_;
        ++cost.slots_written;
        if (!leaf) {
            root.first = word;
            return;
        }
        const uint32_t index = Node::index_at(entry.offset(), 0);
        assert(!leaf->slots[index] && !(root.tags && leaf->has_tags(index)));  // 3.12 asserts both
        // For which it reads the tags' line.
        if (walks_) require_at(entry.type(), entry.offset(), !leaf->has_tags(index), "an empty radix slot has no tag", 1, 0);
        if (!counts_leaves || walks_) {
            leaf->fill(index, word);
        } else {
            leaf->slots[index] = word;
            leaves_.at(entry).add(1);
        }
        cost.cache_lines += Node::lines_of(index, true, true);
    }

    // Stores whether or not the entry is there; gives the word that was, 0 if none. One walk for all of it, as the
    // xarray's: the slot the walk ends in is written.
    uint64_t put(SwapEntry entry, uint64_t word, Cost& cost) {
        Root& root = roots_.make(entry);
        Node* leaf = path(root, entry, cost);
        const uint32_t index = leaf ? index_in(leaf, entry.offset()) : 0;
        const uint64_t old = leaf ? leaf->slots[index] : root.first;
        entries_ += !old;
        cost.slots_written += old != word;  // the kernel looks first
        if (!leaf) root.first = word;
        else if (old) leaf->replace(index, word);
        else leaf->fill(index, word);
        if (leaf) cost.cache_lines += Node::lines_of(index, true, false);
        return old;
    }

    // Gives the word that was there, 0 if none. One walk, tags cleared and empty nodes freed upward.
    [[gnu::always_inline]] uint64_t erase(SwapEntry entry, Cost& cost) {
        Root* found = roots_.find(entry);
        const uint64_t offset = entry.offset();
        Node* leaf = leaves_.find(entry);
        if (leaf) [[likely]] {
            charge_walk(*found, offset, cost);
        } else {
            if (!found || is_beyond(*found, offset, cost)) return 0;
            if (!found->height()) return erase_first(*found, cost);
            leaf = walk(*found, offset, cost);
            if (!leaf) return 0;
        }
        Root& root = *found;
        const uint32_t index = index_in(leaf, offset);
        const uint64_t word = leaf->slots[index];
        if (!word) return 0;
        --entries_;
        cost.cache_lines += Node::lines_behind(index);
        cost.tag_words_written += Node::tag_words_of_erase;
        // Without a tag at the root there is none below: the tags' line is counted, as the kernel reads it, but left alone.
        if constexpr (counts_leaves) {
            Leaf* noted = walks_ ? nullptr : &leaves_.at(entry);
            if (noted && noted->count() > 1 && root.height() > 1 && !root.tags) [[likely]] {
                leaf->slots[index] = 0;
                noted->add(-1);
                ++cost.slots_written;
                cost.cache_lines += more_lines(index, true, true);
                return word;
            }
        } else if (!walks_ && leaf->count > 1 && leaf->parent && !root.tags) [[likely]] {
            leaf->empty(index);
            ++cost.slots_written;
            cost.cache_lines += more_lines(index, true, true);
            return word;
        }
        erase_upward(root, leaf, entry, cost);
        return word;
    }

    // The entry must be there. One walk, which writes the tag's word in the nodes that lack the bit.
    void set_tag(SwapEntry entry, uint32_t tag, Cost& cost) {
        Root& root = *roots_.find(entry);
        root.tags |= 1u << tag;
        if (!root.height()) return;
        Node* node = Node::unmark(root.first);
        for (uint32_t level = root.height() - 1;; --level) {
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
        cost.nodes_visited += root.height();
        ++cost.cache_lines;  // the leaf's tags
    }

    // The entry must be there and have the tag. One walk, then a climb for as long as the tag's word became empty.
    void clear_tag(SwapEntry entry, uint32_t tag, Cost& cost) {
        Root& root = *roots_.find(entry);
        if (!root.height()) {
            root.tags &= ~(1u << tag);
            return;
        }
        uint32_t levels = clear_upward(root, walk(root, entry.offset(), cost), entry.offset(), tag, cost);
        cost.cache_lines += levels && Node::head_line != Node::tag_line;
        for (uint32_t level = 1; level <= levels; ++level)
            cost.cache_lines += Node::lines_of(Node::index_at(entry.offset(), level), level < levels, true) - 1;
    }

    // visit(offset, word, tags) in ascending order of offset.
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        roots_.for_each(type, [&](const Root& root, uint64_t, uint64_t) {
            if (root.height()) for_each_below(Node::unmark(root.first), 0, visit);
            else if (root.first) visit(uint64_t{0}, root.first, root.tags);
        });
    }

    // Looking ahead (index.hpp): the directory, the leaves, what is in them: take(i, word, tags), as a lookup and a tag get would
    // find it.
    static constexpr int look_steps = 3;
    template <class Take>
    void look(int step, uint32_t group, const Ahead& ahead, Take&& take) {
        if (step == 0) return leaves_.look_up(group, ahead);
        if (step == 1) return leaves_.fetch(group, ahead);
        if (!ahead.wants_found) return;
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const SwapEntry entry = ahead.entries[i];
            const uint32_t index = Node::index_at(entry.offset(), 0);
            if (const Node* leaf = leaves_.looked_up(group, i)) [[likely]] {
                take(i, leaf->slots[index], Node::leaf_tags(leaf, index));
            } else {
                const Root* root = roots_.find(entry);
                const bool is_first = root && !entry.offset() && !root->height();
                take(i, is_first ? root->first : 0, is_first ? root->tags : 0);
            }
        }
    }

    void check() const {
        uint64_t nodes = 0, entries = 0, leaves = 0, noted = 0;
        for (uint32_t type = 0; type < swap_types; ++type) {
            roots_.for_each(type, [&](const Root& root, uint64_t first_offset, uint64_t last_offset) {
                RadixCheck<Node> checked(type, root, first_offset, last_offset, !counts_leaves || walks_);
                nodes += checked.nodes;
                entries += checked.entries;
                leaves += checked.leaves;
            });
            leaves_.for_each(type, [&](uint64_t offset, Leaf leaf) {
                check_noted(type, offset, leaf);
                ++noted;
            });
        }
        require(walks_ || noted == leaves, "leaves in the directory", noted, leaves);
        require(nodes == arena_.live(), "radix nodes allocated but not in a tree", arena_.live(), nodes);
        require(entries == entries_, "radix tree's number of entries", entries_, entries);
    }

    uint64_t entries() const { return entries_; }
    const uint64_t& nodes() const { return arena_.live(); }
    uint64_t bytes() const { return arena_.live() * slab_bytes; }
    const Root* root(uint32_t type) const { return roots_.first(type); }

  private:
    // That a leaf of the directory is the tree's, and has as many used slots.
    void check_noted(uint32_t type, uint64_t offset, Leaf noted) const {
        const Root* root = roots_.find(SwapEntry(type, offset));
        Cost nobodys;
        const Node* leaf = root && root->height() && offset <= Node::max_offset(root->height()) ? walk(*root, offset, nobodys)
                                                                                                 : nullptr;
        require_at(type, offset, noted.node() == leaf, "directory of radix leaves", reinterpret_cast<uint64_t>(noted.node()),
                   reinterpret_cast<uint64_t>(leaf));
        uint32_t used = 0;
        for (uint64_t word : leaf->slots) used += word != 0;
        require_at(type, offset, !counts_leaves || noted.count() == used, "assertion 8: radix leaf's count", noted.count(), used);
    }

    // Which slot of its leaf an offset is. As the kernel has it, an xarray's node says how much is to be shifted: the slot's line
    // is asked for when the head's is there, one behind the other.
    uint32_t index_in([[maybe_unused]] const Node* leaf, uint64_t offset) const {
        if constexpr (Node::walk_reads_head)
            if (walks_) return leaf->index_of(offset);
        return Node::index_at(offset, 0);
    }

    // What walk() charges for a leaf that is there.
    static void charge_walk(const Root& root, uint64_t offset, Cost& cost) {
        const uint32_t height = root.height();
        cost.nodes_visited += height;
        cost.cache_lines += height;
        if constexpr (Node::walk_reads_head)
            for (uint32_t level = 0; level < height; ++level)
                cost.cache_lines += Node::lines_of(Node::index_at(offset, level), true, false) - 1;
    }

    // Likewise make_path(), which leaves the leaf's lines to its caller.
    Node* path(Root& root, SwapEntry entry, Cost& cost) {
        Node* leaf = leaves_.find(entry);
        if (!leaf) [[unlikely]] return make_path(root, entry, cost);
        const uint32_t height = root.height();
        cost.nodes_visited += height;
        cost.cache_lines += height - 1;
        if constexpr (Node::walk_reads_head)
            for (uint32_t level = 1; level < height; ++level)
                cost.cache_lines += Node::lines_of(Node::index_at(entry.offset(), level), true, false) - 1;
        return leaf;
    }

    uint64_t erase_first(Root& root, Cost& cost) {
        const uint64_t word = root.first;
        if (word) --entries_, ++cost.slots_written;
        root = {};
        return word;
    }

    [[gnu::noinline]] void erase_upward(Root& root, Node* leaf, SwapEntry entry, Cost& cost) {
        const uint64_t offset = entry.offset();
        const uint32_t index = Node::index_at(offset, 0);
        tell_leaf(entry);
        uint32_t untagged_levels = 0;
        if (walks_) leaf->touch_of_erase(index);
        for (uint32_t tag = 0; (walks_ || root.tags) && tag < radix_tags; ++tag)
            if (leaf->tags[tag] >> index & 1)
                untagged_levels = std::max(untagged_levels, clear_upward(root, leaf, offset, tag, cost));
        uint32_t emptied_levels = empty_upward(root, leaf, entry, cost);
        cost.cache_lines += more_lines(index, true, true);
        for (uint32_t level = 1; level <= std::max(untagged_levels, emptied_levels); ++level)
            cost.cache_lines += more_lines(Node::index_at(offset, level),
                                           level <= emptied_levels || level < untagged_levels,
                                           level <= untagged_levels);
    }

    // A leaf that is made or freed.
    void note_leaf(SwapEntry entry, Node* leaf) {
        if (!walks_) leaves_.note(entry, {leaf, leaf ? uint64_t{leaf->count} : 0});
    }
    // In the leaf itself, where the tree's own rules look for it.
    void tell_leaf(SwapEntry entry) {
        if (!counts_leaves || walks_) return;
        const Leaf noted = leaves_.at(entry);
        noted.node()->count = noted.count();
    }

    Node* make(uint32_t level, Node* parent, uint32_t index_in_parent, const Root& root) {
        Node* node = arena_.make();
        node->begin(level, parent, index_in_parent, &root);
        return node;
    }

    // Whether the tree is too low for the offset. Where only the top node knows the height, it has to be asked.
    static bool is_beyond(const Root& root, uint64_t offset, Cost& cost) {
        if (offset <= Node::max_offset(root.height())) return false;
        if constexpr (Node::walk_reads_head)
            if (root.height()) ++cost.nodes_visited, ++cost.cache_lines;
        return true;
    }

    // Lines of a node that a walk has not touched yet.
    static uint32_t more_lines(uint32_t index, bool head, bool tags) {
        constexpr bool read = Node::walk_reads_head;
        return Node::lines_of(index, head || read, tags) - Node::lines_of(index, read, false);
    }

    // The offset's leaf; null when a slot on the way is empty. The offset is not beyond the tree, which has a node.
    static Node* walk(const Root& root, uint64_t offset, Cost& cost) {
        Node* node = Node::unmark(root.first);
        uint32_t nodes = 1;
        if constexpr (Node::walk_reads_head) {
            uint32_t lines = 0;
            for (;;) {
                uint32_t index = node->index_of(offset);
                lines += Node::lines_of(index, true, false);
                if (!node->level()) break;
                uint64_t word = node->slots[index];
                if (!word) {
                    node = nullptr;
                    break;
                }
                node = Node::unmark(word);
                ++nodes;
            }
            cost.nodes_visited += nodes;
            cost.cache_lines += lines;
            return node;
        } else {
            for (uint32_t level = root.height() - 1; level; --level) {
                uint64_t word = node->slots[Node::index_at(offset, level)];
                if (!word) {
                    node = nullptr;
                    break;
                }
                node = Node::unmark(word);
                ++nodes;
            }
            cost.nodes_visited += nodes;
            cost.cache_lines += nodes;
            return node;
        }
    }

    // The leaf of an offset, with all that is missing on the way to it; null: the offset lives in the root. Charges the
    // walk but for the leaf's lines, which depend on what is done there.
    [[gnu::noinline]] Node* make_path(Root& root, SwapEntry entry, Cost& cost) {
        const uint64_t offset = entry.offset();
        uint32_t height = root.height();
        if (offset > Node::max_offset(height)) height = grow(root, entry, cost);
        if (!height) return nullptr;
        if (!root.first) {
            root.first = Node::mark(make(height - 1, nullptr, 0, root));
            root.set_height(height);
            ++cost.nodes_allocated;
            ++cost.slots_written;
        }
        Node* node = Node::unmark(root.first);
        uint64_t lines = 0;
        for (uint32_t level = height - 1; level; --level) {
            uint32_t index = Node::index_at(offset, level);
            uint64_t child = node->slots[index];
            lines += Node::lines_of(index, !child || Node::walk_reads_head, false);
            if (!child) {
                child = Node::mark(make(level - 1, node, index, root));
                node->fill(index, child);
                ++cost.nodes_allocated;
                cost.slots_written += 2;  // the slot and the child's parent
            }
            node = Node::unmark(child);
        }
        cost.nodes_visited += height;
        cost.cache_lines += lines;
        note_leaf(entry, node);
        return node;
    }

    // An empty tree takes the height at once; otherwise each missing level becomes a node above the root. Gives the height.
    uint32_t grow(Root& root, SwapEntry entry, Cost& cost) {
        const uint64_t offset = entry.offset();
        uint32_t height = root.height();
        if (!root.first) {
            while (offset > Node::max_offset(height)) ++height;
            return height;
        }
        for (; offset > Node::max_offset(height); ++height) {
            Node* top = make(height, nullptr, 0, root);
            top->fill(0, root.first);
            if (!height) note_leaf(SwapEntry(entry.type(), 0), top);
            for (uint32_t tag = 0; tag < radix_tags; ++tag) {
                top->tags[tag] = root.tags >> tag & 1;
                cost.tag_words_written += top->tags[tag];
            }
            // A walk that reads heads, which follows, comes by the topmost's; another top's is touched again by the next.
            cost.cache_lines += !Node::walk_reads_head + (root.tags && Node::tag_line != Node::head_line);
            if (height) {
                Node::unmark(root.first)->adopt(top);
                ++cost.slots_written;
                ++cost.cache_lines;
            }
            root.first = Node::mark(top);
            ++cost.nodes_allocated;
            cost.slots_written += 2;
        }
        root.set_height(height);
        return height;
    }

    // Gives the number of levels climbed above the leaf.
    static uint32_t clear_upward(Root& root, Node* node, uint64_t offset, uint32_t tag, Cost& cost) {
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
    uint32_t empty_upward(Root& root, Node* node, SwapEntry entry, Cost& cost) {
        for (uint32_t level = 0;; ++level) {
            ++cost.slots_written;
            if (node->empty(Node::index_at(entry.offset(), level))) {
                if (!level) note_leaf(entry, node);
                if (!node->parent) shrink(root, SwapEntry(entry.type(), 0), cost);
                return level;
            }
            Node* parent = node->parent;
            if (!level) note_leaf(entry, nullptr);
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

    // `first`: any entry of the leaf in which the least offset is, should that be freed.
    void shrink(Root& root, SwapEntry first, Cost& cost) {
        for (uint32_t height = root.height(); height;) {
            Node* top = Node::unmark(root.first);
            if (height == 1) tell_leaf(first);
            if (top->count != 1 || !top->slots[0]) return;
            root.first = top->slots[0];
            root.set_height(--height);
            ++cost.slots_written;
            if (height) {
                Node::unmark(root.first)->adopt(nullptr);
                ++cost.slots_written;
                ++cost.cache_lines;
            } else {
                note_leaf(first, nullptr);
                cost.slots_written += Node::walk_reads_head;  // the xarray's slot now sends who is reading there back
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
            uint64_t offset = first_offset | uint64_t{index} << node->level() * Node::bits;
            if (!node->level()) visit(offset, word, Node::leaf_tags(node, index));
            else for_each_below(Node::unmark(word), offset, visit);
        }
    }

    Roots roots_;
    Arena<Node, slab_bytes> arena_;
    uint64_t entries_ = 0;
    RadixLeaves<Node> leaves_;
    const bool walks_;
};

}  // namespace zreplay
