/* Sorted leaves of eight, and an array of them: an index for the tests of `zreplay plugin test`, as radix.c.
 *
 *     leaves  ▶ | 3 7 8 | ▶ | 12 13 40 41 | ▶ | 90 |       a full leaf is split, its upper half into one of its own
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "zreplay_plugin.h"

#ifndef MUTATION
#define MUTATION 0
#endif
#define BUG(n) (MUTATION == (n))

enum { leaf_entries = 8, half = leaf_entries / 2 };

struct leaf {
    uint32_t count;
    uint64_t slots[leaf_entries], words[leaf_entries];
};

struct index {
    struct zr_host *host;
    struct leaf **leaves;
    uint64_t count, room, entries;
};

static struct zr_host *shared_host; /* BUG(10) */

static uint64_t slot_of(uint32_t type, uint64_t offset) { return (uint64_t)type << 58 | offset; }
static struct zr_host *host_of(const struct index *index) { return BUG(10) ? shared_host : index->host; }

static int create(const struct zr_index_options *options, struct zr_host *host, void **state) {
    (void)options;
    struct index *index = host->alloc(host, sizeof *index, 16);
    if (!index) return -ENOMEM;
    index->host = shared_host = host;
    index->room = 4;
    index->leaves = host->alloc(host, index->room * sizeof *index->leaves, 16);
    if (!index->leaves) {
        if (!BUG(11)) host->free(host, index);
        return -ENOMEM;
    }
    *state = index;
    return 0;
}

static void destroy(void *state) {
    struct index *index = state;
    for (uint64_t i = 0; i < index->count; ++i) index->host->free(index->host, index->leaves[i]);
    index->host->free(index->host, index->leaves);
    index->host->free(index->host, index);
}

/* The last leaf that begins at the slot or before it, else the first. */
static uint64_t leaf_for(const struct index *index, uint64_t slot, struct zr_cost *cost) {
    uint64_t low = 0, high = index->count;
    while (high - low > 1) {
        const uint64_t middle = (low + high) / 2;
        ++cost->nodes_visited;
        cost->cache_lines += 1;
        if (index->leaves[middle]->slots[0] + BUG(5) <= slot) low = middle;
        else high = middle;
    }
    return low;
}
static uint32_t place_in(const struct leaf *leaf, uint64_t slot) {
    uint32_t place = 0;
    while (place < leaf->count && leaf->slots[place] < slot) ++place;
    return place;
}
static struct leaf *leaf_with(const struct index *index, uint64_t slot, uint32_t *place, struct zr_cost *cost) {
    if (!index->count) return NULL;
    struct leaf *leaf = index->leaves[leaf_for(index, slot, cost)];
    if (!BUG(8)) ++cost->nodes_visited;
    if (!BUG(8)) ++cost->cache_lines;
    *place = place_in(leaf, slot);
    return *place < leaf->count && leaf->slots[*place] == slot ? leaf : NULL;
}

static int find(void *state, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    uint32_t place;
    const struct leaf *leaf = leaf_with(state, slot_of(type, offset), &place, cost);
    if (!leaf) return -ENOENT;
    *location = leaf->words[place];
    return 0;
}

static void open_gap(struct leaf *leaf, uint32_t place) {
    memmove(leaf->slots + place + 1, leaf->slots + place, (leaf->count - place) * sizeof leaf->slots[0]);
    memmove(leaf->words + place + 1, leaf->words + place, (leaf->count - place) * sizeof leaf->words[0]);
    ++leaf->count;
}

static int insert(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    struct zr_host *host = host_of(index);
    const uint64_t slot = slot_of(type, offset);
    uint32_t place = 0;
    struct leaf *leaf = leaf_with(index, slot, &place, cost);
    *old = 0;
    ++cost->slots_written;
    if (leaf) {
        *old = BUG(4) ? location : leaf->words[place];
        leaf->words[place] = location;
        return 0;
    }
    uint64_t at = leaf_for(index, slot, cost);
    leaf = index->count ? index->leaves[at] : NULL;
    if (!leaf || leaf->count == leaf_entries) {
        if (BUG(2) && leaf) leaf->count = half; /* before it is known whether there is memory for the other half */
        struct leaf *other = host->alloc(host, sizeof *other, 64);
        if (!other) return -ENOMEM;
        if (index->count == index->room) {
            struct leaf **leaves = host->alloc(host, 2 * index->room * sizeof *leaves, 16);
            if (!leaves) {
                host->free(host, other);
                return -ENOMEM;
            }
            memcpy(leaves, index->leaves, index->count * sizeof *leaves);
            host->free(host, index->leaves);
            index->leaves = leaves;
            index->room *= 2;
        }
        if (leaf) {
            const uint32_t moved = BUG(1) ? half - 1 : half; /* one of the upper half is forgotten */
            memcpy(other->slots, leaf->slots + leaf_entries - moved, moved * sizeof leaf->slots[0]);
            memcpy(other->words, leaf->words + leaf_entries - moved, moved * sizeof leaf->words[0]);
            other->count = moved;
            leaf->count = half;
            ++at;
        }
        memmove(index->leaves + at + 1, index->leaves + at, (index->count - at) * sizeof *index->leaves);
        index->leaves[at] = other;
        ++index->count;
        cost->nodes_allocated += 1;
        cost->slots_written += 1;
        if (leaf && slot < other->slots[0]) place = place_in(leaf, slot);
        else leaf = other, place = place_in(leaf, slot);
        if (BUG(6) && place == half) --place; /* out of order by one */
    }
    open_gap(leaf, place);
    leaf->slots[place] = slot;
    leaf->words[place] = location;
    ++index->entries;
    return 0;
}

static int erase(void *state, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    const uint64_t slot = slot_of(type, offset);
    uint32_t place;
    struct leaf *leaf = leaf_with(index, slot, &place, cost);
    if (!leaf) return -ENOENT;
    *old = leaf->words[place];
    ++cost->slots_written;
    if (BUG(3) && place == 0 && leaf->count > 1) {
        --index->entries;
        return 0;
    }
    --index->entries;
    --leaf->count;
    memmove(leaf->slots + place, leaf->slots + place + 1, (leaf->count - place) * sizeof leaf->slots[0]);
    memmove(leaf->words + place, leaf->words + place + 1, (leaf->count - place) * sizeof leaf->words[0]);
    if (leaf->count) return 0;
    const uint64_t at = leaf_for(index, slot, cost);
    --index->count;
    memmove(index->leaves + at, index->leaves + at + 1, (index->count - at) * sizeof *index->leaves);
    host_of(index)->free(host_of(index), leaf);
    cost->nodes_freed += 1;
    return 0;
}

static int move(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    uint32_t place;
    struct leaf *leaf = leaf_with(state, slot_of(type, offset), &place, cost);
    if (!leaf) return BUG(12) ? 0 : -ENOENT;
    *old = leaf->words[place];
    ++cost->slots_written;
    leaf->words[place] = location;
    return 0;
}

static void for_each(void *state, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct index *index = state;
    for (uint64_t i = 0; i < index->count; ++i) {
        const struct leaf *leaf = index->leaves[i];
        for (uint32_t n = 0; n < leaf->count; ++n) {
            const uint32_t place = BUG(7) && leaf->count == 5 ? 4 - n : n;
            if (zr_slot_type(leaf->slots[place]) == type) visit(arg, zr_slot_offset(leaf->slots[place]), leaf->words[place]);
        }
    }
}

static void memory(void *state, struct zr_index_memory *memory) {
    const struct index *index = state;
    memory->entries = index->entries;
    memory->nodes = index->count;
    memory->bytes = index->count * sizeof(struct leaf) + (BUG(9) ? index->room * 8 : 0);
}

static int check(void *state, char *message, size_t bytes) {
    const struct index *index = state;
    uint64_t entries = 0, last = 0;
    for (uint64_t i = 0; i < index->count; ++i)
        for (uint32_t n = 0; n < index->leaves[i]->count; ++n, ++entries) {
            if (entries && index->leaves[i]->slots[n] <= last && !BUG(6)) {
                snprintf(message, bytes, "slots ascend: leaf %u, entry %u", (unsigned)i, n);
                return -EINVAL;
            }
            last = index->leaves[i]->slots[n];
        }
    if (entries == index->entries || MUTATION) return 0;
    snprintf(message, bytes, "%u entries there, %u counted", (unsigned)entries, (unsigned)index->entries);
    return -EINVAL;
}

static const struct zr_index_ops leaves = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_index_ops),
    .name = "leaves",
    .version = "1",
    .summary = "sorted leaves of eight",
    .capabilities = ZR_INDEX_VALUES,
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
static const struct zr_index_ops *const indexes[] = {&leaves, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .indexes = indexes};
