/* SPDX-License-Identifier: Apache-2.0
 *
 * A swap index as a skip list (Pugh, Skip lists: a probabilistic alternative to balanced trees, CACM 33, 1990): an example of a
 * zreplay plugin from beginning to end. docs/plugins.md goes through it.
 *
 *     cc -O2 -shared -fPIC $(zreplay plugin --cflags) skiplist.c -o skiplist.so
 *     zreplay run trace.parquet --index ./skiplist.so
 *
 * A sorted list of nodes for each swap type, and above it lists of fewer and fewer of them:
 *
 *     head   level 2 ─────────────────────▶ 17 ──────────────────▶
 *            level 1 ──────▶ 5 ───────────▶ 17 ──────────▶ 40 ───▶
 *            level 0 ─▶ 3 ─▶ 5 ─▶ 9 ─▶ 12 ▶ 17 ─▶ 18 ─▶ 33 ▶ 40 ▶ 41
 *
 * A node is on level 0 and, one in four of those of a level, on the next. Which ones is not drawn but follows from the slot: one
 * that is erased and comes again is as tall as it was. So the same entries make the same lists whatever has happened before, and
 * two replays of a trace count the same.
 *
 * Invariants, which check() walks:
 *   * offsets ascend on each level;
 *   * a node is on as many levels, from 0 up, as levels_of() says, and on no other;
 *   * no location is 0, and the nodes on level 0 are the entries.
 *
 * A node as it lies in memory, in a block of 32, 64 or 128 bytes on a multiple of its size, as kmalloc() gives them:
 *
 *     byte 0        8          16                          64                          128
 *          | offset | location | next on level 0 … 5       | next on level 6 … 13      |
 *     line |-- 0 ------------------------------------------|-- 1 ----------------------|
 *
 * 15 in 16 nodes are on one or two levels and take 32 bytes.
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

enum { most_levels = 14, levels_in_first_line = 6 };

struct node {
    uint64_t offset;
    uint64_t location;
    struct node *next[]; /* levels_of() the node's slot */
};

struct skiplist {
    struct zr_host *host;
    uint32_t rarer; /* a level has one node in 2^rarer of the one below */
    uint64_t nodes, bytes;
    struct node *head[ZR_SWAP_TYPES][most_levels];
};

/* ---- helpers ---- */

/* As chance would have it, but the same every time: the offset, mixed until each bit hangs on all of them (splitmix64's way). */
static uint32_t levels_of(const struct skiplist *list, uint32_t type, uint64_t offset) {
    uint64_t mixed = offset + (uint64_t)type * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    mixed ^= mixed >> 31;
    uint32_t levels = 1;
    while (levels < most_levels && !(mixed & ((UINT64_C(1) << list->rarer) - 1))) {
        mixed >>= list->rarer;
        ++levels;
    }
    return levels;
}

static size_t block_bytes(uint32_t levels) {
    const size_t bytes = sizeof(struct node) + levels * sizeof(struct node *);
    return bytes <= 32 ? 32 : bytes <= 64 ? 64 : 128;
}

/*
 * The node of a slot, or NULL. Into before[level] (unless NULL) goes the array of links, a node's or the head's, whose link on
 * that level leads past what is smaller.
 *
 * What it costs: a node counts when its offset is read, once, though the search may meet it again a level below: it knows
 * the address of the last one that was too far. Its offset, and links up to level 5, are one line; a search that goes on from
 * a node on level 6 or above reads another. The head belongs to the swap type, and is not counted, as no index's root is.
 */
static struct node *search(struct skiplist *list, uint32_t type, uint64_t offset, struct node ***before, struct zr_cost *cost) {
    struct node **links = list->head[type];
    struct node *last_too_far = NULL;
    for (uint32_t level = most_levels; level-- > 0;) {
        for (struct node *at = links[level]; at && at != last_too_far; at = links[level]) {
            ++cost->nodes_visited;
            ++cost->cache_lines;
            if (at->offset >= offset) {
                last_too_far = at;
                break;
            }
            links = at->next;
            if (level >= levels_in_first_line) ++cost->cache_lines;
        }
        if (before) before[level] = links;
    }
    struct node *found = links[0];
    return found && found->offset == offset ? found : NULL;
}

/* ---- operations ---- */

static int create(const struct zr_index_options *options, struct zr_host *host, void **index) {
    struct skiplist *list = host->alloc(host, sizeof *list, 64); /* zeroed */
    if (!list) return -ENOMEM;
    list->host = host;
    list->rarer = options->small ? 1 : 2; /* of the small lists of a test, one node in 64 has links in its second line */
    *index = list;
    return 0;
}

static void destroy(void *index) {
    struct skiplist *list = index;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type)
        for (struct node *node = list->head[type][0], *next; node; node = next) {
            next = node->next[0];
            list->host->free(list->host, node);
        }
    list->host->free(list->host, list);
}

static int find(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    const struct node *node = search(index, type, offset, NULL, cost);
    if (!node) return -ENOENT;
    *location = node->location;
    return 0;
}

static int replace(struct node *node, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    *old = node->location;
    node->location = location;
    ++cost->slots_written;
    return 0;
}

static int insert(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct skiplist *list = index;
    struct node **before[most_levels];
    struct node *node = search(list, type, offset, before, cost);
    if (node) return replace(node, location, old, cost);

    /* All memory that is needed comes first: if there is none, nothing has changed. */
    const uint32_t levels = levels_of(list, type, offset);
    const size_t bytes = block_bytes(levels);
    node = list->host->alloc(list->host, bytes, bytes);
    if (!node) return -ENOMEM;
    node->offset = offset;
    node->location = location;
    for (uint32_t level = 0; level < levels; ++level) {
        node->next[level] = before[level][level];
        before[level][level] = node;
    }
    ++list->nodes;
    list->bytes += bytes;
    *old = 0;

    ++cost->nodes_visited;
    ++cost->nodes_allocated;
    cost->cache_lines += 1 + (levels > levels_in_first_line); /* the search has touched the others */
    cost->slots_written += 1 + 2 * levels;                    /* the location; on each level its own link and the one before */
    return 0;
}

static int erase(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct skiplist *list = index;
    struct node **before[most_levels];
    struct node *node = search(list, type, offset, before, cost);
    if (!node) return -ENOENT;

    const uint32_t levels = levels_of(list, type, offset);
    for (uint32_t level = 0; level < levels; ++level) before[level][level] = node->next[level];
    *old = node->location;
    --list->nodes;
    list->bytes -= block_bytes(levels);
    list->host->free(list->host, node);

    ++cost->nodes_freed;
    cost->cache_lines += levels > levels_in_first_line; /* its other links */
    cost->slots_written += levels;
    return 0;
}

static int move(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct node *node = search(index, type, offset, NULL, cost);
    return node ? replace(node, location, old, cost) : -ENOENT;
}

static void for_each(void *index, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct skiplist *list = index;
    for (const struct node *node = list->head[type][0]; node; node = node->next[0]) visit(arg, node->offset, node->location);
}

static void memory(void *index, struct zr_index_memory *memory) {
    const struct skiplist *list = index;
    memory->entries = memory->nodes = list->nodes;
    memory->bytes = list->bytes;
}

/*
 * Each level above 0 is walked beside level 0: exactly the nodes that are tall enough are on it, in the same order. That takes
 * time in proportion to levels × nodes, and no memory.
 */
static int check(void *index, char *message, size_t bytes) {
    const struct skiplist *list = index;
    uint64_t nodes = 0;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type) {
        for (const struct node *node = list->head[type][0]; node; node = node->next[0]) {
            const struct node *next = node->next[0];
            ++nodes;
            if (next && next->offset <= node->offset) {
                snprintf(message, bytes, "type %u: offset %llu is before %llu", type, (unsigned long long)node->offset,
                         (unsigned long long)next->offset);
                return -EINVAL;
            }
            if (!node->location) {
                snprintf(message, bytes, "type %u, offset %llu: location 0", type, (unsigned long long)node->offset);
                return -EINVAL;
            }
        }
        for (uint32_t level = 1; level < most_levels; ++level) {
            const struct node *above = list->head[type][level];
            for (const struct node *node = list->head[type][0]; node; node = node->next[0]) {
                if (levels_of(list, type, node->offset) <= level) continue;
                if (above != node) {
                    snprintf(message, bytes, "type %u, level %u: offset %llu is missing", type, level,
                             (unsigned long long)node->offset);
                    return -EINVAL;
                }
                above = above->next[level];
            }
            if (above) {
                snprintf(message, bytes, "type %u, level %u: offset %llu does not belong there", type, level,
                         (unsigned long long)above->offset);
                return -EINVAL;
            }
        }
    }
    if (nodes != list->nodes) {
        snprintf(message, bytes, "%llu nodes in the lists, %llu counted", (unsigned long long)nodes,
                 (unsigned long long)list->nodes);
        return -EINVAL;
    }
    return 0;
}

/* A node keeps any word but 0: all six low bits of a page's address, or of one that is a multiple of 4 both, and values. */
static const struct zr_index_ops skiplist = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_index_ops),
    .name = "skiplist",
    .version = "1",
    .summary = "skip list, one node in four a level higher",
    .capabilities = ZR_INDEX_VALUES,
    .positions_64 = 64,
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
};

static const struct zr_index_ops *const indexes[] = {&skiplist, NULL};

const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_plugin),
    .indexes = indexes,
};
