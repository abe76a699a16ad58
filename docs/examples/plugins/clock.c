/* SPDX-License-Identifier: Apache-2.0
 *
 * A reclaim order as a clock (Corbató, A paging experiment with the Multics system, 1968): an example of a zreplay plugin.
 * docs/plugins.md goes through it.
 *
 *     cc -O2 -shared -fPIC $(zreplay plugin --cflags) clock.c -o clock.so
 *     zreplay run trace.parquet --kernel 6.12 --mm ./clock.so
 *
 * Entries stand in a ring in the order in which they came, a new one just behind the hand, so that it is the last to be met:
 *
 *          ┌─▶ a ─▶ b* ─▶ c ─▶ d* ─┐        * has been loaded since the hand went by
 *          └──────── ▲ ◀───────────┘
 *                   hand                    next(): not b, which loses its star; c
 *
 * A load costs a bit and moves nothing, which is the point of it: lru writes six links. Where a load takes the entry away, as
 * from 6.9 on, no entry has a star, and a clock is a queue: lru's order and the clock's are the same then.
 *
 * Invariants, which check() walks: the ring's links meet, the hand is on it unless it is empty, and the counts are the ring's.
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

struct entry {
    struct entry *prev, *next;
    uint64_t cookie;
    uint8_t loaded;
};

struct clock {
    struct zr_host *host;
    struct entry *hand; /* NULL: nobody is there */
    uint64_t entries;
};

static int create(const struct zr_mm_options *options, struct zr_host *host, void **mm) {
    (void)options;
    struct clock *clock = host->alloc(host, sizeof *clock, 16);
    if (!clock) return -ENOMEM;
    clock->host = host;
    *mm = clock;
    return 0;
}

static void remove_entry(struct clock *clock, struct entry *entry) {
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    if (clock->hand == entry) clock->hand = entry->next == entry ? NULL : entry->next;
    --clock->entries;
    clock->host->free(clock->host, entry);
}

static void destroy(void *mm) {
    struct clock *clock = mm;
    while (clock->hand) remove_entry(clock, clock->hand);
    clock->host->free(clock->host, clock);
}

static int stored(void *mm, const struct zr_mm_entry *stored, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct clock *clock = mm;
    (void)stored; /* whatever its slot, its length and its cgroup */
    struct entry *entry = clock->host->alloc(clock->host, sizeof *entry, 16);
    if (!entry) return -ENOMEM;
    entry->cookie = cookie;
    if (clock->hand) {
        entry->next = clock->hand;
        entry->prev = clock->hand->prev;
        entry->prev->next = entry->next->prev = entry;
    } else {
        clock->hand = entry->next = entry->prev = entry;
    }
    ++clock->entries;
    *handle = (uint64_t)(uintptr_t)entry;
    ++cost->nodes_allocated;
    cost->slots_written += 4;
    return 0;
}

static void gone(void *mm, uint64_t handle, struct zr_cost *cost) {
    remove_entry(mm, (struct entry *)(uintptr_t)handle);
    ++cost->nodes_freed;
    cost->slots_written += 2;
}

static void loaded(void *mm, uint64_t handle, struct zr_cost *cost) {
    (void)mm, (void)cost; /* a bit is no link */
    ((struct entry *)(uintptr_t)handle)->loaded = 1;
}

/* Those with a star are passed by and lose it, so that asked again the hand stands where it stood. */
static int next(void *mm, uint64_t group, uint64_t *cookie, struct zr_cost *cost) {
    struct clock *clock = mm;
    (void)group;
    if (!clock->hand) return -ENOENT;
    ++cost->nodes_visited;
    for (; clock->hand->loaded; clock->hand = clock->hand->next) {
        clock->hand->loaded = 0;
        ++cost->nodes_visited;
    }
    *cookie = clock->hand->cookie;
    return 0;
}

static void visited(void *mm, uint64_t handle, struct zr_cost *cost) {
    struct clock *clock = mm;
    (void)cost;
    if (clock->hand == (struct entry *)(uintptr_t)handle) clock->hand = clock->hand->next;
}

static void memory(void *mm, struct zr_mm_memory *memory) {
    const struct clock *clock = mm;
    memory->entries = clock->entries;
    memory->bytes = clock->entries * sizeof(struct entry);
}

static int check(void *mm, char *message, size_t bytes) {
    const struct clock *clock = mm;
    uint64_t entries = 0;
    for (const struct entry *entry = clock->hand; entry && entries <= clock->entries; entry = entry->next) {
        if (entries && entry == clock->hand) break;
        if (entry->next->prev != entry) {
            snprintf(message, bytes, "links %llu entries from the hand do not meet", (unsigned long long)entries);
            return -EINVAL;
        }
        ++entries;
    }
    if (entries == clock->entries) return 0;
    snprintf(message, bytes, "%llu entries or more on the ring, %llu counted", (unsigned long long)entries,
             (unsigned long long)clock->entries);
    return -EINVAL;
}

static const struct zr_mm_ops clock_ops = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_mm_ops),
    .name = "clock",
    .version = "1",
    .summary = "a ring and a hand, entries loaded since are passed by",
    .capabilities = ZR_MM_MAKES_ROOM,
    .create = create,
    .destroy = destroy,
    .stored = stored,
    .gone = gone,
    .loaded = loaded,
    .next = next,
    .visited = visited,
    .memory = memory,
    .check = check,
};

static const struct zr_mm_ops *const mms[] = {&clock_ops, NULL};

const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_plugin),
    .mms = mms,
};
