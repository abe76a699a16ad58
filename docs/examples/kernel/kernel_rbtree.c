/* SPDX-License-Identifier: Apache-2.0
 *
 * zswap's index of 6.1 as a plugin: the kernel's lib/rbtree.c, and around it what zswap does with a tree of entries.
 *
 * Finding, and finding where to link an entry in, is zswap's own affair, since the kernel's tree leaves comparing to who
 * uses it: a descent from the root, here as there, by zswap's rules. What rebalancing touches and writes is counted access
 * by access (accesses.h).
 */
#include "accesses.h"

#include <linux/rbtree.h>
#include <stdio.h>

struct entry { /* struct zswap_entry of 6.1, by what its members are and where */
    struct rb_node links;
    unsigned long offset;
    int refcount;
    unsigned length;
    void *pool;
    unsigned long handle;
    void *objcg;
};
_Static_assert(sizeof(struct entry) == 64 && offsetof(struct entry, handle) == 48, "6.1's");

struct tree {
    struct zr_host *host;
    struct rb_root roots[ZR_SWAP_TYPES]; /* zswap_tree without its lock */
    uint64_t entries;
    uint32_t entry_bytes;
};

/* ---- one operation's cost ---- */

static _Thread_local const struct rb_root *rebalanced; /* while lib/rbtree.c is at work; a root is in no entry's line */

static void accessed(uintptr_t address, unsigned bytes, bool written) {
    if (!rebalanced) return;
    if (address != (uintptr_t)rebalanced) touch(address);
    touched.slots_written += written;
}

static void visit(const struct entry *entry, struct zr_cost *cost) {
    ++cost->nodes_visited;
    touch((uintptr_t)entry);
}

/* ---- zswap's tree ---- */

static struct entry *entry_of(struct rb_node *node) { return rb_entry(node, struct entry, links); }

static struct entry *search(struct rb_root *root, uint64_t offset, struct zr_cost *cost) {
    for (struct rb_node *node = root->rb_node; node;) {
        struct entry *entry = entry_of(node);
        visit(entry, cost);
        if (entry->offset == offset) return entry;
        node = entry->offset > offset ? node->rb_left : node->rb_right;
    }
    return NULL;
}

/* The entry that is in the way, if there is one. */
static struct entry *link_in(struct rb_root *root, struct entry *entry, struct zr_cost *cost) {
    struct rb_node **link = &root->rb_node, *parent = NULL;
    while (*link) {
        struct entry *there = entry_of(parent = *link);
        visit(there, cost);
        if (there->offset == entry->offset) return there;
        link = there->offset > entry->offset ? &parent->rb_left : &parent->rb_right;
    }
    rb_link_node(&entry->links, parent, link);
    touch((uintptr_t)entry);
    touched.slots_written += 2; /* the link to it, its parent; not the zeroes of a new entry */
    rebalanced = root;
    rb_insert_color(&entry->links, root);
    rebalanced = NULL;
    return NULL;
}

static void take_out(struct tree *tree, struct rb_root *root, struct entry *entry, struct zr_cost *cost) {
    /* The walk to the successor is within rb_erase(), of which only accesses are told; so it is walked before. */
    if (entry->links.rb_left && entry->links.rb_right)
        for (struct rb_node *node = entry->links.rb_right; node; node = node->rb_left) visit(entry_of(node), cost);
    rebalanced = root;
    rb_erase(&entry->links, root);
    rebalanced = NULL;
    tree->host->free(tree->host, entry);
    --tree->entries;
    ++cost->nodes_freed;
}

/* ---- the plugin's operations ---- */

static int create(const struct zr_index_options *options, struct zr_host *host, void **index) {
    struct tree *tree = host->alloc(host, sizeof *tree, 16);
    if (!tree) return -ENOMEM;
    tree->host = host;
    tree->entry_bytes = options->entry_bytes;
    *index = tree;
    return 0;
}

static void destroy(void *index) {
    struct tree *tree = index;
    for (unsigned type = 0; type < ZR_SWAP_TYPES; ++type)
        for (struct rb_node *node = rb_first_postorder(&tree->roots[type]), *next; node; node = next) {
            next = rb_next_postorder(node);
            tree->host->free(tree->host, entry_of(node));
        }
    tree->host->free(tree->host, tree);
}

static int find(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    struct tree *tree = index;
    struct entry *entry = search(&tree->roots[type], offset, cost);
    charge_touched(cost);
    if (!entry) return -ENOENT;
    *location = entry->handle;
    return 0;
}

static int insert(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct tree *tree = index;
    struct entry *entry = tree->host->alloc(tree->host, sizeof *entry, 64), *there;
    if (!entry) return -ENOMEM;
    entry->offset = offset;
    entry->refcount = 1;
    entry->handle = location;
    *old = 0;
    while ((there = link_in(&tree->roots[type], entry, cost))) { /* −EEXIST, in zswap */
        *old = there->handle;
        take_out(tree, &tree->roots[type], there, cost);
        charge_touched(cost);
    }
    ++touched.slots_written; /* the handle */
    charge_touched(cost);
    ++tree->entries;
    ++cost->nodes_allocated;
    return 0;
}

static int erase(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct tree *tree = index;
    struct entry *entry = search(&tree->roots[type], offset, cost);
    if (entry) {
        *old = entry->handle;
        take_out(tree, &tree->roots[type], entry, cost);
    }
    charge_touched(cost);
    return entry ? 0 : -ENOENT;
}

static int move(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct tree *tree = index;
    struct entry *entry = search(&tree->roots[type], offset, cost);
    if (entry) {
        *old = entry->handle;
        entry->handle = location;
        ++touched.slots_written;
    }
    charge_touched(cost);
    return entry ? 0 : -ENOENT;
}

static void for_each(void *index, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    struct tree *tree = index;
    for (struct rb_node *node = rb_first(&tree->roots[type]); node; node = rb_next(node))
        visit(arg, entry_of(node)->offset, entry_of(node)->handle);
}

static void memory(void *index, struct zr_index_memory *memory) {
    struct tree *tree = index;
    memory->entries = memory->nodes = tree->entries;
    memory->bytes = tree->entries * tree->entry_bytes;
}

/* Entries below a link; its height in black ones; −1: `wrong` says what is. */
static int blacks_below(struct rb_node *node, struct rb_node *parent, uint64_t *entries, const char **wrong) {
    if (!node) return 0;
    ++*entries;
    const bool red = !(node->__rb_parent_color & 1);
    if (rb_parent(node) != parent) *wrong = "an entry's parent";
    if (red && (!parent || !(parent->__rb_parent_color & 1))) *wrong = "a red entry without a black parent";
    if (parent && (parent->rb_left == node) != (entry_of(node)->offset < entry_of(parent)->offset))
        *wrong = "the order of offsets";
    const int left = blacks_below(node->rb_left, node, entries, wrong);
    if (left != blacks_below(node->rb_right, node, entries, wrong)) *wrong = "the height in black entries";
    return left + !red;
}

static int check(void *index, char *message, size_t bytes) {
    struct tree *tree = index;
    uint64_t entries = 0;
    const char *wrong = NULL;
    for (unsigned type = 0; type < ZR_SWAP_TYPES; ++type) blacks_below(tree->roots[type].rb_node, NULL, &entries, &wrong);
    if (!wrong && entries != tree->entries) wrong = "the number of entries";
    if (!wrong) return 0;
    snprintf(message, bytes, "the kernel's rbtree: %s", wrong);
    return -EINVAL;
}

static const struct zr_index_ops ops = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof ops,
    .name = "kernel-rbtree",
    .version = RELEASE,
    .summary = "lib/rbtree.c of Linux " RELEASE " under zswap's entries",
    .capabilities = ZR_INDEX_ENTRIES,
    .like = "rbtree",
    .create = create,
    .destroy = destroy,
    .find = find,
    .insert = insert,
    .erase = erase,
    .move = move,
    .for_each = for_each,
    .memory = memory,
    .check = check,
};
static const struct zr_index_ops *const indexes[] = {&ops, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof zreplay_plugin, .indexes = indexes};
