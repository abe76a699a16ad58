/* A radix tree that keeps an object's position in tags, for the tests of `zreplay plugin test`: right as it stands, and wrong in one
 * way each with -DMUTATION=1, 2, … The list of them, with what has to find each, is in ../test_mutations.py.
 *
 *     root, by type ─▶ node of 64 slots ─▶ … ─▶ leaf: words, less bits 1 and 2, which are tags 0 and 1
 *
 * A tag of a slot in an inner node: some slot below has it. Reading one goes from the top, as the kernel's, and so believes
 * a node above that does not know of it.
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

#ifndef MUTATION
#define MUTATION 0
#endif
#define BUG(n) (MUTATION == (n))

enum { tags = 2, most_slots = 64 };
#define TAG_BITS UINT64_C(6)

struct node {
    uint32_t count, shift; /* slots in use; bits of the offset below this node's */
    uint64_t tag[tags];
    uint64_t slots[most_slots]; /* words, or nodes */
};

struct tree {
    struct zr_host *host;
    struct node *roots[ZR_SWAP_TYPES];
    uint64_t entries, nodes;
    uint32_t bits;
};

static uint64_t entries_of_all; /* BUG(12) */

static struct node *below(const struct node *node, uint32_t slot) { return (struct node *)(uintptr_t)node->slots[slot]; }
static uint32_t slot_in(const struct tree *tree, const struct node *node, uint64_t offset) {
    return offset >> node->shift & ((1u << tree->bits) - 1);
}
static int reaches(const struct tree *tree, const struct node *root, uint64_t offset) {
    return root && (root->shift + tree->bits >= 58 || offset >> (root->shift + tree->bits) == 0);
}
static int tagged(const struct node *node, uint32_t tag, uint32_t slot) { return node->tag[tag] >> slot & 1; }

static struct node *root_of(const struct tree *tree, uint32_t type) { return tree->roots[BUG(5) ? type & 15 : type]; }

static int create(const struct zr_index_options *options, struct zr_host *host, void **index) {
    struct tree *tree = host->alloc(host, sizeof *tree, 64);
    if (!tree) return -ENOMEM;
    tree->host = host;
    tree->bits = options->small ? 2 : 6;
    *index = tree;
    return 0;
}

static void free_node(struct tree *tree, struct node *node, struct zr_cost *cost) {
    --tree->nodes;
    if (!BUG(6)) ++cost->nodes_freed;
    if (BUG(7) && node->shift && (tree->entries & 7) == 0) return;
    tree->host->free(tree->host, node);
}

static void free_below(struct tree *tree, struct node *node) {
    for (uint32_t slot = 0; node->shift && slot < most_slots; ++slot)
        if (node->slots[slot]) free_below(tree, below(node, slot));
    tree->host->free(tree->host, node);
}

static void destroy(void *index) {
    struct tree *tree = index;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type)
        if (tree->roots[type] && !(BUG(8) && type == 31)) free_below(tree, tree->roots[type]);
    tree->host->free(tree->host, tree);
}

/* The leaf that the offset is in, or NULL; `tag`: which it has, seen from the top. */
static struct node *leaf_of(const struct tree *tree, uint32_t type, uint64_t offset, uint64_t *word, struct zr_cost *cost) {
    struct node *node = root_of(tree, type);
    uint64_t seen = TAG_BITS;
    if (BUG(4)) offset &= (UINT64_C(1) << 48) - 1;
    if (!reaches(tree, node, offset)) return NULL;
    for (;;) {
        const uint32_t slot = slot_in(tree, node, offset);
        ++cost->nodes_visited;
        cost->cache_lines += 2;
        for (uint32_t tag = 0; tag < tags; ++tag)
            if (!tagged(node, tag, slot)) seen &= ~(UINT64_C(2) << tag);
        if (!node->slots[slot]) return NULL;
        if (!node->shift) {
            *word = node->slots[slot] | seen;
            return node;
        }
        node = below(node, slot);
    }
}

static int find(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    return leaf_of(index, type, offset, location, cost) ? 0 : -ENOENT;
}

/* Sets the tags of a word on the way down to it, or clears those it has not, where nothing else below a node has them. */
static void set_tags(struct tree *tree, uint32_t type, uint64_t offset, uint64_t word, struct zr_cost *cost) {
    for (uint32_t tag = 0; tag < tags; ++tag) {
        struct node *path[64];
        uint32_t depth = 0;
        const int on = word >> (tag + 1) & 1;
        for (struct node *node = root_of(tree, type);; node = below(node, slot_in(tree, node, offset))) {
            path[depth++] = node;
            if (!node->shift) break;
        }
        for (int any = on; depth-- > 0;) {
            struct node *node = path[depth];
            const uint64_t bit = UINT64_C(1) << slot_in(tree, node, offset);
            if (any) node->tag[tag] |= bit;
            else node->tag[tag] &= ~bit;
            ++cost->tag_words_written;
            any = node->tag[tag] != 0;
            if (BUG(1) && on) break; /* lost tag propagation */
            if (BUG(2) && !on) break; /* an inner node keeps a tag that nothing below it has */
        }
    }
}

static int insert(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct tree *tree = index;
    const uint32_t at = BUG(5) ? type & 15 : type;
    struct node *root = tree->roots[at], *spare = NULL, *node;
    uint32_t shift = 0, needed = 0;
    if (BUG(4)) offset &= (UINT64_C(1) << 48) - 1;
    /* All that it takes before anything is changed. */
    if (root) {
        for (shift = root->shift; shift + tree->bits < 58 && offset >> (shift + tree->bits); shift += tree->bits) ++needed;
        if (needed) {
            needed += shift / tree->bits; /* the way down from the new top begins beside the old one */
        } else {
            for (node = root; node && node->shift; node = below(node, slot_in(tree, node, offset)))
                if (!node->slots[slot_in(tree, node, offset)]) {
                    needed = node->shift / tree->bits;
                    break;
                }
        }
    } else {
        while (shift + tree->bits < 58 && offset >> (shift + tree->bits)) shift += tree->bits;
        needed = shift / tree->bits + 1;
    }
    for (uint32_t i = 0; i < needed; ++i) {
        node = tree->host->alloc(tree->host, sizeof *node, 64);
        if (!node) {
            while (spare && !BUG(9)) {
                node = spare;
                spare = below(spare, 0);
                tree->host->free(tree->host, node);
            }
            return -ENOMEM;
        }
        node->slots[0] = (uint64_t)(uintptr_t)spare;
        spare = node;
    }
    tree->nodes += needed;
    cost->nodes_allocated += BUG(10) && needed > 1 ? needed + 1 : needed;
    /* Upwards, then down. */
    while (!root || root->shift < shift) {
        node = spare;
        spare = below(spare, 0);
        node->slots[0] = 0;
        node->shift = root ? root->shift + tree->bits : shift;
        if (root) {
            node->slots[0] = (uint64_t)(uintptr_t)root;
            node->count = 1;
            for (uint32_t tag = 0; tag < tags && !BUG(3); ++tag) node->tag[tag] = root->tag[tag] != 0;
            ++cost->slots_written;
        }
        tree->roots[at] = root = node;
    }
    for (node = root; node->shift; node = below(node, slot_in(tree, node, offset))) {
        const uint32_t slot = slot_in(tree, node, offset);
        ++cost->nodes_visited;
        if (node->slots[slot]) continue;
        struct node *fresh = spare;
        spare = below(spare, 0);
        fresh->slots[0] = 0;
        fresh->shift = node->shift - tree->bits;
        node->slots[slot] = (uint64_t)(uintptr_t)fresh;
        ++node->count;
        ++cost->slots_written;
    }
    const uint32_t slot = slot_in(tree, node, offset);
    *old = 0;
    if (node->slots[slot]) {
        *old = node->slots[slot] | (uint64_t)tagged(node, 0, slot) << 1 | (uint64_t)tagged(node, 1, slot) << 2;
    } else {
        ++node->count;
        ++tree->entries;
        ++entries_of_all;
    }
    node->slots[slot] = location & ~TAG_BITS;
    ++cost->slots_written;
    set_tags(tree, type, offset, location, cost);
    /* The way down from a new top needs fewer nodes than were taken where it meets the old one. */
    while (spare) {
        node = spare;
        spare = below(spare, 0);
        --tree->nodes;
        ++cost->nodes_freed;
        tree->host->free(tree->host, node);
    }
    return 0;
}

static int erase(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct tree *tree = index;
    const uint32_t at = BUG(5) ? type & 15 : type;
    struct node *path[64], *node;
    uint32_t depth = 0;
    if (!leaf_of(tree, type, offset, old, cost)) return -ENOENT;
    if (BUG(4)) offset &= (UINT64_C(1) << 48) - 1;
    set_tags(tree, type, offset, 0, cost);
    for (node = root_of(tree, type);; node = below(node, slot_in(tree, node, offset))) {
        path[depth++] = node;
        if (!node->shift) break;
    }
    --tree->entries;
    --entries_of_all;
    for (; depth > 0; --depth) {
        node = path[depth - 1];
        node->slots[slot_in(tree, node, offset)] = 0;
        ++cost->slots_written;
        if (--node->count) return 0;
        free_node(tree, node, cost);
    }
    tree->roots[at] = NULL;
    return 0;
}

static int move(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct node *leaf = leaf_of(index, type, offset, old, cost);
    if (!leaf) return -ENOENT;
    leaf->slots[slot_in(index, leaf, offset)] = location & ~TAG_BITS;
    ++cost->slots_written;
    if (!BUG(11)) set_tags(index, type, offset, location, cost);
    return 0;
}

static void walk(const struct tree *tree, const struct node *node, uint64_t first, void (*visit)(void *, uint64_t, uint64_t), void *arg) {
    for (uint32_t slot = 0; slot < 1u << tree->bits; ++slot) {
        const uint64_t offset = first | (uint64_t)slot << node->shift;
        if (!node->slots[slot]) continue;
        if (node->shift) walk(tree, below(node, slot), offset, visit, arg);
        else visit(arg, offset, node->slots[slot] | (uint64_t)tagged(node, 0, slot) << 1 | (uint64_t)tagged(node, 1, slot) << 2);
    }
}
static void for_each(void *index, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct node *root = root_of(index, type);
    if (root) walk(index, root, 0, visit, arg);
}

static void memory(void *index, struct zr_index_memory *memory) {
    const struct tree *tree = index;
    memory->entries = BUG(12) ? entries_of_all : tree->entries;
    memory->nodes = tree->nodes;
    memory->bytes = tree->nodes * sizeof(struct node);
}

static const char *wrong_below(const struct tree *tree, const struct node *node, uint64_t *entries, uint64_t *nodes) {
    uint32_t count = 0;
    ++*nodes;
    for (uint32_t slot = 0; slot < 1u << tree->bits; ++slot) {
        count += node->slots[slot] != 0;
        if (!node->slots[slot] || !node->shift) continue;
        const struct node *child = below(node, slot);
        if (child->shift + tree->bits != node->shift) return "a node is as high as its parent says";
        const char *wrong = wrong_below(tree, child, entries, nodes);
        if (wrong) return wrong;
        for (uint32_t tag = 0; tag < tags && !BUG(1) && !BUG(3); ++tag)
            if (tagged(node, tag, slot) != (child->tag[tag] != 0)) return "a tag is set where one below is";
    }
    if (!node->shift) *entries += count;
    return count == node->count && count ? NULL : "a node's count is of its slots";
}
static int check(void *index, char *message, size_t bytes) {
    const struct tree *tree = index;
    uint64_t entries = 0, nodes = 0;
    const char *wrong = NULL;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES && !wrong; ++type)
        if (tree->roots[type]) wrong = wrong_below(tree, tree->roots[type], &entries, &nodes);
    if (!wrong && (entries != tree->entries || nodes != tree->nodes)) wrong = "the counts are of what is there";
    if (!wrong) return 0;
    snprintf(message, bytes, "%s", wrong);
    return -EINVAL;
}

static void look(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    struct tree *tree = index;
    struct zr_cost uncounted = {0};
    (void)group;
    for (uint32_t i = 0; i < ahead->count; ++i) {
        const uint32_t type = zr_slot_type(ahead->slots[i]);
        const uint64_t offset = zr_slot_offset(ahead->slots[i]);
        uint64_t word = 0;
        struct node *leaf = leaf_of(tree, type, offset, &word, &uncounted);
        if (!step && leaf) __builtin_prefetch(leaf);
        if (BUG(13) && leaf && i == 15) leaf->slots[slot_in(tree, leaf, offset)] += 64;
        if (step) ahead->found[i] = leaf ? (BUG(14) ? word & ~TAG_BITS : word) : 0;
    }
}

static const struct zr_index_ops radix = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_index_ops),
    .name = "radix",
    .version = "1",
    .summary = "a radix tree with tags",
    .capabilities = ZR_INDEX_TAGS,
    .positions_64 = 4,
    .positions_32 = 4,
    .create = create,
    .destroy = destroy,
    .find = find,
    .insert = insert,
    .erase = erase,
    .move = move,
    .for_each = for_each,
    .memory = memory,
    .check = check,
    .look_steps = 2,
    .look = look,
};
static const struct zr_index_ops *const indexes[] = {&radix, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .indexes = indexes};
