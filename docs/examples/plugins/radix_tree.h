/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of radix_lowbit.c: what it is made of, how it is walked, and what is checked of it.
 *
 * A node holds no key: six bits of the offset choose a slot on each level, so the offset is the path. A slot is 0, the address
 * of a node one level down with bit 0 set, or, in a leaf, a location, whose bit 0 is clear.
 *
 *     byte  0        4       8                  24                        536          560   568
 *           | height | count | parent | (RCU)   | slot 0 … slot 63        | tag 0 1 2  |     |
 *     line  |-- 0, with slots 0 to 4 -----------|-- 1 … 7 --|-- 8, with slots 61 to 63 |     |
 *
 * Invariants, which check() walks:
 *   * the height h is the least with (greatest offset) < 64^h; offset 0 alone lives in the root, without a node;
 *   * no node is empty, `count` is its used slots, `parent` the node above, NULL at the top;
 *   * the directory has the leaves that are there, and no others.
 *
 * Beside the trees stands a directory of their leaves, by offset, below 2^31:
 *
 *     piece of 512 leaves   | leaf 0 | leaf 1 | … | leaf 511 |      made with the first of them
 */
#ifndef RADIX_TREE_H
#define RADIX_TREE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "zreplay_plugin.h"

enum { most_fan_out = 64, leaves_in_piece_bits = 9, leaves_in_piece = 1 << leaves_in_piece_bits };

#define NODE_MARK UINT64_C(1)
#define NEAR_OFFSETS (UINT64_C(1) << 31)

struct node {
    uint32_t height; /* 1: a leaf */
    uint32_t count;
    struct node *parent; /* of one in stock, the next one */
    uint64_t rcu_second_word;
    uint64_t slots[most_fan_out];
    uint64_t tags[3];
};
_Static_assert(sizeof(struct node) == 560, "as 3.12 has it");

struct root {
    uint32_t height;
    uint64_t first; /* a marked node; of height 0, offset 0's location */
};

struct piece {
    struct node *leaves[leaves_in_piece];
};

struct directory {
    struct piece **pieces;
    uint64_t length;
};

struct index {
    struct zr_host *host;
    uint32_t bits; /* of the offset, for a level */
    uint32_t tag_line;
    uint64_t slab_bytes;
    int walks;
    struct node *stock; /* nodes to use, so that an insert that has begun ends */
    uint64_t stocked, nodes, entries;
    struct root roots[ZR_SWAP_TYPES];
    struct directory leaves[ZR_SWAP_TYPES];
    struct node **looked_up[9][ZR_AHEAD]; /* by group: places in the directory */
};

/* ---- nodes ---- */

static uint64_t mark(struct node *node) { return (uint64_t)(uintptr_t)node | NODE_MARK; }
static struct node *unmark(uint64_t word) { return (struct node *)(uintptr_t)(word & ~NODE_MARK); }

/* Level 0 is the leaf's. */
static uint32_t index_at(const struct index *index, uint64_t offset, uint32_t level) {
    return (uint32_t)(offset >> level * index->bits) & ((1u << index->bits) - 1);
}
static uint64_t max_offset(const struct index *index, uint32_t height) {
    return (UINT64_C(1) << height * index->bits) - 1;
}

/* Lines of a node, given the slot used and whether the head (count, parent) and the tags are used too. */
static uint32_t lines_of(const struct index *index, uint32_t slot, int head, int tags) {
    const uint32_t line = (24 + 8 * slot) / 64;
    return 1u + (head && line) + (tags && line != index->tag_line && !(head && !index->tag_line));
}

static struct node *take_node(struct index *index, uint32_t height, struct node *parent) {
    struct node *node = index->stock;
    index->stock = node->parent;
    --index->stocked;
    ++index->nodes;
    memset(node, 0, sizeof *node);
    node->height = height;
    node->parent = parent;
    return node;
}

static void release_node(struct index *index, struct node *node) {
    node->parent = index->stock;
    index->stock = node;
    ++index->stocked;
    --index->nodes;
}

/* ---- the directory ---- */

/* The place of an offset's leaf; NULL: no piece has it. */
static inline struct node **place_of(const struct index *index, uint32_t type, uint64_t offset) {
    const struct directory *directory = &index->leaves[type];
    const uint64_t leaf = offset >> index->bits, number = leaf >> leaves_in_piece_bits;
    if (number >= directory->length || !directory->pieces[number]) return NULL;
    return &directory->pieces[number]->leaves[leaf & (leaves_in_piece - 1)];
}

static inline struct node *noted_leaf(const struct index *index, uint32_t type, uint64_t offset) {
    struct node **place = place_of(index, type, offset);
    return place ? *place : NULL;
}

/* `leaf` NULL: it is gone. */
static void note_leaf(struct index *index, uint32_t type, uint64_t offset, struct node *leaf) {
    struct node **place = place_of(index, type, offset);
    if (place) *place = leaf;
}

static int prepare_piece(struct index *index, uint32_t type, uint64_t offset) {
    struct directory *directory = &index->leaves[type];
    if (index->walks || offset >= NEAR_OFFSETS) return 0;
    const uint64_t number = offset >> index->bits >> leaves_in_piece_bits;
    if (number >= directory->length) {
        const uint64_t length = 2 * directory->length > number ? 2 * directory->length : number + 1;
        struct piece **pieces = index->host->alloc(index->host, length * sizeof *pieces, 64);
        if (!pieces) return -ENOMEM;
        if (directory->length) {
            memcpy(pieces, directory->pieces, directory->length * sizeof *pieces);
            index->host->free(index->host, directory->pieces);
        }
        directory->pieces = pieces;
        directory->length = length;
    }
    if (!directory->pieces[number])
        directory->pieces[number] = index->host->alloc(index->host, sizeof(struct piece), 64);
    return directory->pieces[number] ? 0 : -ENOMEM;
}

/* ---- walks ---- */

/* The leaf of an offset that is not beyond the tree, which has a node; NULL: a slot on the way is empty. */
static struct node *walk(const struct index *index, const struct root *root, uint64_t offset, struct zr_cost *cost) {
    struct node *node = unmark(root->first);
    uint32_t nodes = 1;
    for (uint32_t level = root->height - 1; level; --level, ++nodes) {
        const uint64_t word = node->slots[index_at(index, offset, level)];
        if (!word) {
            node = NULL;
            break;
        }
        node = unmark(word);
    }
    cost->nodes_visited += nodes;
    cost->cache_lines += nodes;
    return node;
}

/* The leaf of an offset, or NULL. One walk, or what it would have cost. */
static inline struct node *leaf_of(const struct index *index, uint32_t type, uint64_t offset, struct zr_cost *cost) {
    const struct root *root = &index->roots[type];
    struct node *leaf = noted_leaf(index, type, offset);
    if (leaf) {
        cost->nodes_visited += root->height;
        cost->cache_lines += root->height;
        return leaf;
    }
    if (!root->height || offset > max_offset(index, root->height)) return NULL;
    return walk(index, root, offset, cost);
}

/* The slot of an entry that is there, or NULL. */
static inline uint64_t *slot_of(struct index *index, uint32_t type, uint64_t offset, struct zr_cost *cost) {
    struct root *root = &index->roots[type];
    uint64_t *slot;
    if (!root->height) {
        slot = offset ? NULL : &root->first;
    } else {
        struct node *leaf = leaf_of(index, type, offset, cost);
        slot = leaf ? &leaf->slots[index_at(index, offset, 0)] : NULL;
    }
    return slot && *slot ? slot : NULL;
}

/* ---- check ---- */

struct checked {
    const struct index *index;
    uint32_t type;
    uint64_t nodes, entries, leaves;
    const char *broken; /* the rule */
    uint64_t at;
};

static int broken(struct checked *checked, const char *rule, uint64_t offset) {
    checked->broken = rule;
    checked->at = offset;
    return -EINVAL;
}

static int check_below(struct checked *checked, uint64_t word, uint32_t height, uint64_t first_offset, const struct node *parent) {
    const struct index *index = checked->index;
    const struct node *node = unmark(word);
    uint32_t used = 0;
    if (!(word & NODE_MARK)) return broken(checked, "bit 0 marks a node", first_offset);
    if (node->height != height) return broken(checked, "a node's height", first_offset);
    if (node->parent != parent) return broken(checked, "a node's parent", first_offset);
    ++checked->nodes;
    for (uint64_t slot = 0; slot < UINT64_C(1) << index->bits; ++slot) {
        const uint64_t offset = first_offset | slot << (height - 1) * index->bits;
        if (!node->slots[slot]) continue;
        ++used;
        if (height > 1 && check_below(checked, node->slots[slot], height - 1, offset, node)) return -EINVAL;
        if (height == 1 && node->slots[slot] & NODE_MARK) return broken(checked, "no location has bit 0", offset);
    }
    if (!used || used != node->count) return broken(checked, "a node's count is its used slots", first_offset);
    if (height > 1) return 0;
    checked->entries += used;
    if (index->walks || first_offset >= NEAR_OFFSETS) return 0;
    ++checked->leaves;
    return noted_leaf(index, checked->type, first_offset) == node ? 0 : broken(checked, "the directory's leaf", first_offset);
}

static int check_all(struct checked *checked) {
    const struct index *index = checked->index;
    uint64_t noted = 0;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type) {
        const struct root *root = &index->roots[type];
        const struct directory *directory = &index->leaves[type];
        checked->type = type;
        if (root->height) {
            const struct node *top = unmark(root->first);
            if (check_below(checked, root->first, root->height, 0, NULL)) return -EINVAL;
            if (top->count == 1 && top->slots[0]) return broken(checked, "the height is the least", 0);
        } else {
            checked->entries += root->first != 0;
        }
        for (uint64_t i = 0; i < directory->length; ++i)
            for (uint32_t leaf = 0; directory->pieces[i] && leaf < leaves_in_piece; ++leaf)
                noted += directory->pieces[i]->leaves[leaf] != NULL;
    }
    if (noted != checked->leaves) return broken(checked, "leaves in the directory", noted);
    if (checked->nodes != index->nodes) return broken(checked, "nodes made but not in a tree", index->nodes);
    if (checked->entries != index->entries) return broken(checked, "number of entries", index->entries);
    return 0;
}

static int check(void *state, char *message, size_t bytes) {
    struct checked checked = {.index = state};
    if (!check_all(&checked)) return 0;
    snprintf(message, bytes, "%s: type %u, %llu", checked.broken, checked.type, (unsigned long long)checked.at);
    return -EINVAL;
}

#endif
