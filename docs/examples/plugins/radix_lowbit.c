/* SPDX-License-Identifier: Apache-2.0
 *
 * The radix tree of Linux 3.12 with the position in the location's low bits, once more in C: what the built-in index
 * radix-lowbit does, to the last count (`like`, below), through the interface that any plugin has. It is here as a yardstick:
 * `zreplay plugin test` holds its counts to the built-in's, and its time says what the interface costs.
 *
 *     cc -O2 -shared -fPIC $(zreplay plugin --cflags) radix_lowbit.c -o radix_lowbit.so
 *
 * What an operation costs is what 3.12's walk would have touched, the node taken to begin a line (docs/models.md). The walk
 * itself is mostly left out: a directory leads from an offset to its leaf, since the nodes and lines of a walk that is
 * known to succeed follow from the height alone. With options->timing there is none, and every operation walks.
 */
#include "radix_tree.h"

/* ---- insert ---- */

/* How many nodes the offset needs that are not there. */
static uint32_t nodes_missing(const struct index *index, const struct root *root, uint64_t offset) {
    uint32_t height = root->height;
    while (offset > max_offset(index, height)) ++height;
    if (!root->first) return height;
    if (height > root->height) return height - root->height + height - 1;
    const struct node *node = unmark(root->first);
    for (uint32_t level = height; level > 1; --level) {
        const uint64_t word = node->slots[index_at(index, offset, level - 1)];
        if (!word) return level - 1;
        node = unmark(word);
    }
    return 0;
}

/* All memory that an insert may need, before anything changes: 3.12 preloads nodes for the same reason. */
static int prepare(struct index *index, uint32_t type, uint64_t offset) {
    const struct root *root = &index->roots[type];
    const uint32_t needed = nodes_missing(index, root, offset);
    while (index->stocked < needed) {
        struct node *node = index->host->alloc(index->host, sizeof *node, 64);
        if (!node) return -ENOMEM;
        node->parent = index->stock;
        index->stock = node;
        ++index->stocked;
    }
    if (needed && !root->height && root->first && prepare_piece(index, type, 0)) return -ENOMEM;
    return needed ? prepare_piece(index, type, offset) : 0;
}

/* An empty tree takes the height at once; else each missing level becomes a node above the root. Gives the height. */
static uint32_t grow(struct index *index, uint32_t type, uint64_t offset, struct zr_cost *cost) {
    struct root *root = &index->roots[type];
    uint32_t height = root->height;
    if (!root->first) {
        while (offset > max_offset(index, height)) ++height;
        return height;
    }
    for (; offset > max_offset(index, height); ++height) {
        struct node *top = take_node(index, height + 1, NULL);
        top->slots[0] = root->first;
        top->count = 1;
        ++cost->nodes_allocated;
        ++cost->cache_lines;
        cost->slots_written += 2; /* the new top's slot, the root */
        if (!height) {
            note_leaf(index, type, 0, top);
        } else {
            unmark(root->first)->parent = top;
            ++cost->slots_written;
            ++cost->cache_lines;
        }
        root->first = mark(top);
    }
    root->height = height;
    return height;
}

/*
 * The offset's leaf with all that is missing on the way to it; NULL: the offset lives in the root. Charges the walk but for
 * the leaf's lines, which hang on what is done there.
 */
static struct node *make_path(struct index *index, uint32_t type, uint64_t offset, struct zr_cost *cost) {
    struct root *root = &index->roots[type];
    const uint32_t height = offset > max_offset(index, root->height) ? grow(index, type, offset, cost) : root->height;
    if (!height) return NULL;
    if (!root->first) {
        root->first = mark(take_node(index, height, NULL));
        root->height = height;
        ++cost->nodes_allocated;
        ++cost->slots_written;
    }
    struct node *node = unmark(root->first);
    for (uint32_t level = height - 1; level; --level) {
        const uint32_t slot = index_at(index, offset, level);
        uint64_t child = node->slots[slot];
        cost->cache_lines += lines_of(index, slot, !child, 0);
        if (!child) {
            child = node->slots[slot] = mark(take_node(index, level, node));
            ++node->count;
            ++cost->nodes_allocated;
            cost->slots_written += 2; /* the slot and the child's parent */
        }
        node = unmark(child);
    }
    cost->nodes_visited += height;
    note_leaf(index, type, offset, node);
    return node;
}

static int insert(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    struct root *root = &index->roots[type];
    uint64_t *slot = slot_of(index, type, offset, cost); /* 3.12 has no replace: a lookup, then an insert */
    if (slot) {
        *old = *slot;
        *slot = location;
        ++cost->slots_written;
        return 0;
    }
    struct node *leaf = noted_leaf(index, type, offset);
    if (leaf) {
        cost->nodes_visited += root->height;
        cost->cache_lines += root->height - 1;
    } else {
        if (prepare(index, type, offset)) return -ENOMEM;
        leaf = make_path(index, type, offset, cost);
    }
    if (leaf) {
        const uint32_t at = index_at(index, offset, 0);
        leaf->slots[at] = location;
        ++leaf->count;
        cost->cache_lines += lines_of(index, at, 1, 1); /* 3.12 asserts that the tags are clear */
    } else {
        root->first = location;
    }
    ++index->entries;
    ++cost->slots_written;
    *old = 0;
    return 0;
}

/* ---- erase ---- */

/* As long as the top has nothing but its first slot, that is the root. */
static void lower(struct index *index, uint32_t type, struct zr_cost *cost) {
    struct root *root = &index->roots[type];
    while (root->height) {
        struct node *top = unmark(root->first);
        if (top->count != 1 || !top->slots[0]) return;
        root->first = top->slots[0];
        ++cost->slots_written;
        if (--root->height) {
            unmark(root->first)->parent = NULL;
            ++cost->slots_written;
            ++cost->cache_lines;
        } else {
            note_leaf(index, type, 0, NULL);
        }
        release_node(index, top);
        ++cost->nodes_freed;
    }
}

static int erase(void *state, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    struct root *root = &index->roots[type];
    if (!root->height) {
        if (offset || !root->first) return -ENOENT;
        *old = root->first;
        root->first = 0;
        --index->entries;
        ++cost->slots_written;
        return 0;
    }
    struct node *node = leaf_of(index, type, offset, cost);
    const uint32_t at = index_at(index, offset, 0);
    if (!node || !node->slots[at]) return -ENOENT;
    *old = node->slots[at];
    --index->entries;
    cost->cache_lines += lines_of(index, at, 1, 1) - 1; /* the walk has touched the slot's */

    for (uint32_t level = 0;; ++level) {
        const uint32_t slot = index_at(index, offset, level);
        node->slots[slot] = 0;
        ++cost->slots_written;
        if (level) cost->cache_lines += lines_of(index, slot, 1, 0) - 1;
        struct node *parent = node->parent;
        if (--node->count) {
            if (!parent) lower(index, type, cost);
            return 0;
        }
        if (!level) note_leaf(index, type, offset, NULL);
        release_node(index, node);
        ++cost->nodes_freed;
        if (!parent) {
            *root = (struct root){0, 0};
            ++cost->slots_written;
            return 0;
        }
        node = parent;
    }
}

/* ---- the other operations ---- */

static int create(const struct zr_index_options *options, struct zr_host *host, void **state) {
    if (options->words == ZR_WORDS_VALUE) return -EINVAL;
    struct index *index = host->alloc(host, sizeof *index, 64);
    if (!index) return -ENOMEM;
    index->host = host;
    index->bits = options->small ? 2 : 6;
    const uint32_t tags_begin = 24 + (8u << index->bits);
    index->tag_line = tags_begin / 64;
    index->slab_bytes = tags_begin + 24 + 8; /* the slab keeps its free pointer behind the node */
    index->walks = options->timing != 0;
    *state = index;
    return 0;
}

static void free_below(struct index *index, uint64_t word, uint32_t height) {
    struct node *node = unmark(word);
    for (uint32_t slot = 0; height > 1 && slot < 1u << index->bits; ++slot)
        if (node->slots[slot]) free_below(index, node->slots[slot], height - 1);
    index->host->free(index->host, node);
}

static void destroy(void *state) {
    struct index *index = state;
    struct zr_host *host = index->host;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type) {
        struct directory *directory = &index->leaves[type];
        if (index->roots[type].height) free_below(index, index->roots[type].first, index->roots[type].height);
        for (uint64_t i = 0; i < directory->length; ++i)
            if (directory->pieces[i]) host->free(host, directory->pieces[i]);
        if (directory->length) host->free(host, directory->pieces);
    }
    for (struct node *node = index->stock, *next; node; node = next) {
        next = node->parent;
        host->free(host, node);
    }
    host->free(host, index);
}

static int find(void *state, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    const uint64_t *slot = slot_of(state, type, offset, cost);
    if (!slot) return -ENOENT;
    *location = *slot;
    return 0;
}

static int move(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    uint64_t *slot = slot_of(state, type, offset, cost);
    if (!slot) return -ENOENT;
    *old = *slot;
    *slot = location;
    ++cost->slots_written;
    return 0;
}

static void visit_below(const struct index *index, uint64_t word, uint32_t height, uint64_t first_offset,
                        void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct node *node = unmark(word);
    for (uint64_t slot = 0; slot < UINT64_C(1) << index->bits; ++slot) {
        const uint64_t offset = first_offset | slot << (height - 1) * index->bits;
        if (!node->slots[slot]) continue;
        if (height == 1) visit(arg, offset, node->slots[slot]);
        else visit_below(index, node->slots[slot], height - 1, offset, visit, arg);
    }
}

static void for_each(void *state, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct index *index = state;
    const struct root *root = &index->roots[type];
    if (root->height) visit_below(index, root->first, root->height, 0, visit, arg);
    else if (root->first) visit(arg, 0, root->first);
}

static void memory(void *state, struct zr_index_memory *memory) {
    const struct index *index = state;
    memory->entries = index->entries;
    memory->nodes = index->nodes;
    memory->bytes = index->nodes * index->slab_bytes;
}

/* ---- looking ahead ---- */

/*
 * Each step reads what the step before has asked for, while other groups' events happen: the directory, the leaf's lines, what
 * is in the slot. A leaf that is freed in between is still memory, as it goes to the stock, and is asked of the directory anew.
 */
static void look(void *state, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    static struct node *nowhere;
    struct index *index = state;
    struct node ***places = index->looked_up[group];
    for (uint32_t i = 0; i < ahead->count; ++i) {
        const uint32_t type = zr_slot_type(ahead->slots[i]);
        const uint64_t offset = zr_slot_offset(ahead->slots[i]);
        if (step == 0) {
            struct node **place = place_of(index, type, offset);
            places[i] = place ? place : &nowhere;
            __builtin_prefetch(places[i]);
            continue;
        }
        struct node *leaf = *places[i];
        const uint32_t at = index_at(index, offset, 0);
        if (step == 2) {
            const struct root *root = &index->roots[type];
            ahead->found[i] = leaf ? leaf->slots[at] : !root->height && !offset ? root->first : 0;
        } else if (leaf) {
            __builtin_prefetch(&leaf->slots[at], 1);
            if (ahead->changing >> i & 1) __builtin_prefetch(leaf, 1);
        }
    }
}

static const struct zr_index_ops radix_lowbit = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_index_ops),
    .name = "radix-lowbit-c",
    .version = "1",
    .summary = "radix-lowbit, once more in C",
    .positions_64 = 32,
    .positions_32 = 2,
    .like = "radix-lowbit",
    .create = create,
    .destroy = destroy,
    .find = find,
    .insert = insert,
    .erase = erase,
    .move = move,
    .for_each = for_each,
    .memory = memory,
    .check = check,
    .look_steps = 3,
    .look = look,
};

static const struct zr_index_ops *const indexes[] = {&radix_lowbit, NULL};

const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_plugin),
    .indexes = indexes,
};
