/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's lib/xarray.c of 6.1 or 6.12 as a plugin: xa_load(), xa_store() and xa_erase() on an array for each swap type, the
 * slots as the built-in xarray has them (zreplay/core/index/xarray.hpp). Lines and words are counted access by access
 * (accesses.h), but for the zeroes of a new node; the nodes visited are those on the way to the slot, which is walked once
 * more.
 */
#include "accesses.h"

#include <linux/xarray.h>
#include <stdio.h>

struct arrays {
    struct shim shim; /* first */
    struct xarray of_type[ZR_SWAP_TYPES];
    enum zr_words words;
    uint64_t entries, nodes;
};

/* ---- nodes, and what is counted of them ---- */

enum { NODE_ALIGNMENT = 1024, SLAB_BYTES = 584 };
_Static_assert(sizeof(struct xa_node) == 576, "of 6.1's and 6.12's");

static _Thread_local struct {
    struct xarray *array; /* of the call under way */
    uintptr_t stack;      /* below it are the kernel's own variables */
    struct zr_cost *cost;
    uintptr_t nodes[32]; /* made by it */
    unsigned made;
    const uint64_t *begun; /* a word of theirs that has been written, if not with zero */
} call;

static void count_begun(void) {
    touched.slots_written += call.begun && *call.begun;
    call.begun = NULL;
}

static void accessed(uintptr_t address, unsigned bytes, bool written) {
    count_begun();
    if (!call.array || (address < call.stack && address >= (uintptr_t)__builtin_frame_address(0))) return;
    if (address >= (uintptr_t)call.array && address < (uintptr_t)(call.array + 1)) {
        touched.slots_written += written && address == (uintptr_t)&call.array->xa_head;
        return;
    }
    const unsigned at = address % NODE_ALIGNMENT;
    touch(address);
    if (!written) return;
    if (at >= offsetof(struct xa_node, marks)) {
        ++touched.tag_words_written;
    } else if (at == offsetof(struct xa_node, parent) || at >= offsetof(struct xa_node, slots)) {
        for (unsigned i = 0; i < call.made; ++i)
            if (call.nodes[i] == address - at) call.begun = (const uint64_t *)address;
        touched.slots_written += !call.begun;
    }
}

struct kmem_cache *radix_tree_node_cachep; /* named by xarray.c, used in shim_alloc_node() */

void *shim_alloc_node(void) {
    struct xa_node *node = shim_alloc(sizeof *node, NODE_ALIGNMENT);
    if (!node) return NULL;
    INIT_LIST_HEAD(&node->private_list);
    ++((struct arrays *)shim)->nodes;
    ++call.cost->nodes_allocated;
    call.nodes[call.made++ % 32] = (uintptr_t)node;
    return node;
}

void radix_tree_node_rcu_free(struct rcu_head *head) {
    shim_free(container_of(head, struct xa_node, rcu_head));
    --((struct arrays *)shim)->nodes;
    ++call.cost->nodes_freed;
}

static struct xarray *begin(struct arrays *arrays, uint32_t type, struct zr_cost *cost) {
    shim = &arrays->shim;
    call.cost = cost;
    return &arrays->of_type[type];
}

/* What xa_… functions touch from here on. */
#define MEASURED(array_, expression)                          \
    ({                                                        \
        call.stack = (uintptr_t)__builtin_frame_address(0);   \
        call.array = (array_);                                \
        call.made = 0;                                        \
        __typeof__(expression) result_ = (expression);        \
        count_begun();                                        \
        call.array = NULL;                                    \
        charge_touched(call.cost);                            \
        result_;                                              \
    })

/* Nodes from the top to the slot, or to where there is nothing. An offset beyond the tree: the top, whose shift says so. */
static unsigned nodes_to(struct xarray *array, uint64_t offset) {
    unsigned nodes = 0;
    void *entry = array->xa_head;
    while (xa_is_node(entry)) {
        const struct xa_node *node = xa_to_node(entry);
        ++nodes;
        if (!node->parent && offset >> node->shift > XA_CHUNK_MASK) break;
        entry = node->slots[offset >> node->shift & XA_CHUNK_MASK];
        if (!node->shift) break;
    }
    return nodes;
}

/* ---- locations and what a slot says ---- */

static const unsigned tags[] = {0, 1, 3}, third_of_tag[] = {0, 1, 0, 2};

static void *encode(const struct arrays *arrays, uint64_t location) {
    if (location == ZR_SAME_FILLED) return xa_mk_value(0);
    if (arrays->words == ZR_WORDS_VALUE) return (void *)location;
    const unsigned low = arrays->words == ZR_WORDS_WIDE ? 63 : 7; /* bits that may say a position */
    const unsigned position = (location & low) >> 1 | (location & 1) << 5;
    return xa_tag_pointer((void *)((location & ~(uint64_t)low) | position / 3 << 2), tags[position % 3]);
}

static uint64_t decode(const struct arrays *arrays, void *entry) {
    const uint64_t slot = (uint64_t)entry;
    if (!slot || (arrays->words == ZR_WORDS_VALUE && entry != xa_mk_value(0))) return slot;
    if (entry == xa_mk_value(0)) return ZR_SAME_FILLED;
    const unsigned low = arrays->words == ZR_WORDS_WIDE ? 63 : 7;
    const uint64_t position = ((slot & low) >> 2) * 3 + third_of_tag[xa_pointer_tag(entry)];
    return (slot & ~(uint64_t)low) | (position & 31) << 1 | position >> 5;
}

/* ---- the plugin's operations ---- */

static int create(const struct zr_index_options *options, struct zr_host *host, void **index) {
    struct arrays *arrays = shim_create(host, sizeof *arrays);
    if (!arrays) return -ENOMEM;
    arrays->words = options->words;
    *index = arrays;
    return 0;
}

static void destroy(void *index) { shim_destroy(index); }

static int find(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    struct arrays *arrays = index;
    struct xarray *array = begin(arrays, type, cost);
    cost->nodes_visited += nodes_to(array, offset);
    *location = decode(arrays, MEASURED(array, xa_load(array, offset)));
    return *location ? 0 : -ENOENT;
}

static int insert(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct arrays *arrays = index;
    struct xarray *array = begin(arrays, type, cost);
    void *was = MEASURED(array, xa_store(array, offset, encode(arrays, location), GFP_KERNEL));
    if (xa_is_err(was)) return xa_err(was);
    cost->nodes_visited += nodes_to(array, offset);
    *old = decode(arrays, was);
    arrays->entries += !was;
    return 0;
}

static int erase(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct arrays *arrays = index;
    struct xarray *array = begin(arrays, type, cost);
    cost->nodes_visited += nodes_to(array, offset);
    *old = decode(arrays, MEASURED(array, xa_erase(array, offset)));
    arrays->entries -= *old != 0;
    return *old ? 0 : -ENOENT;
}

static int move(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct arrays *arrays = index;
    if (!xa_load(&arrays->of_type[type], offset)) return -ENOENT; /* who moves an object knows that it is there */
    return insert(index, type, offset, location, old, cost);
}

static void for_each(void *index, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    struct arrays *arrays = index;
    unsigned long offset;
    void *entry;
    xa_for_each(&arrays->of_type[type], offset, entry) visit(arg, offset, decode(arrays, entry));
}

static void memory(void *index, struct zr_index_memory *memory) {
    struct arrays *arrays = index;
    *memory = (struct zr_index_memory){arrays->entries, arrays->nodes, arrays->nodes * SLAB_BYTES};
}

static void count_below(const struct xa_node *node, uint64_t *nodes, uint64_t *entries, const char **wrong) {
    unsigned used = 0;
    ++*nodes;
    for (unsigned i = 0; i < XA_CHUNK_SIZE; ++i) {
        void *entry = node->slots[i];
        used += entry != NULL;
        if (!xa_is_node(entry) || !node->shift) {
            *entries += entry != NULL;
            continue;
        }
        const struct xa_node *child = xa_to_node(entry);
        if (child->parent != node || child->offset != i || child->shift + XA_CHUNK_SHIFT != node->shift)
            *wrong = "a node's place";
        count_below(child, nodes, entries, wrong);
    }
    if (used != node->count) *wrong = "the slots used of a node";
}

static int check(void *index, char *message, size_t bytes) {
    struct arrays *arrays = index;
    uint64_t nodes = 0, entries = 0;
    const char *wrong = NULL;
    for (unsigned type = 0; type < ZR_SWAP_TYPES; ++type) {
        void *head = arrays->of_type[type].xa_head;
        if (xa_is_node(head)) count_below(xa_to_node(head), &nodes, &entries, &wrong);
        else entries += head != NULL;
    }
    if (nodes != arrays->nodes) wrong = "the number of nodes";
    if (entries != arrays->entries) wrong = "the number of entries";
    if (!wrong) return 0;
    snprintf(message, bytes, "the kernel's xarray: %s", wrong);
    return -EINVAL;
}

static const struct zr_index_ops ops = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof ops,
    .name = "kernel-xarray",
    .version = RELEASE,
    .summary = "lib/xarray.c of Linux " RELEASE,
    .capabilities = ZR_INDEX_VALUES,
    .positions_64 = 48,
    .positions_32 = 3,
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
