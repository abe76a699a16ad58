/* A queue for each cgroup, oldest first: a reclaim order for the tests of `zreplay plugin test`, as radix.c. */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

#ifndef MUTATION
#define MUTATION 0
#endif
#define BUG(n) (MUTATION == (n))

struct entry {
    struct entry *prev, *next;
    uint64_t cookie, group;
};
struct queue {
    struct zr_host *host;
    struct entry head; /* next: the oldest */
    uint64_t entries, ever;
};

static void unlist(struct entry *entry) {
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
}
static void append(struct queue *queue, struct entry *entry) {
    entry->prev = queue->head.prev;
    entry->next = &queue->head;
    entry->prev->next = entry->next->prev = entry;
}

static int create(const struct zr_mm_options *options, struct zr_host *host, void **mm) {
    struct queue *queue = host->alloc(host, sizeof *queue, 16);
    (void)options;
    if (!queue) return -ENOMEM;
    queue->host = host;
    queue->head.next = queue->head.prev = &queue->head;
    *mm = queue;
    return 0;
}

static void gone(void *mm, uint64_t handle, struct zr_cost *cost) {
    struct queue *queue = mm;
    struct entry *entry = (struct entry *)(uintptr_t)handle;
    ++cost->nodes_freed;
    --queue->entries;
    if (BUG(1) && entry->next == &queue->head && queue->entries == 4) return; /* it stays */
    unlist(entry);
    if (!BUG(2) || queue->entries % 8) queue->host->free(queue->host, entry);
}

static void destroy(void *mm) {
    struct queue *queue = mm;
    struct zr_cost uncounted = {0};
    while (queue->head.next != &queue->head) gone(queue, (uint64_t)(uintptr_t)queue->head.next, &uncounted);
    queue->host->free(queue->host, queue);
}

static int stored(void *mm, const struct zr_mm_entry *told, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct queue *queue = mm;
    if (BUG(3)) ++queue->entries;
    struct entry *entry = queue->host->alloc(queue->host, sizeof *entry, 16);
    if (!entry) return -ENOMEM;
    entry->cookie = cookie;
    entry->group = told->group;
    append(queue, entry);
    if (!BUG(3)) ++queue->entries;
    ++queue->ever;
    ++cost->nodes_allocated;
    *handle = (uint64_t)(uintptr_t)entry;
    return 0;
}

static void loaded(void *mm, uint64_t handle, struct zr_cost *cost) { (void)mm, (void)handle, (void)cost; }

static int next(void *mm, uint64_t group, uint64_t *cookie, struct zr_cost *cost) {
    struct queue *queue = mm;
    struct entry *entry = queue->head.next;
    for (; entry != &queue->head && entry->group != group && !BUG(4); entry = entry->next) ++cost->nodes_visited;
    if (entry == &queue->head) return -ENOENT;
    *cookie = entry->cookie;
    if (BUG(5)) {
        unlist(entry);
        append(queue, entry);
    }
    return 0;
}

static void visited(void *mm, uint64_t handle, struct zr_cost *cost) {
    struct entry *entry = (struct entry *)(uintptr_t)handle;
    (void)cost;
    if (BUG(6)) return;
    unlist(entry);
    append(mm, entry);
}

static void memory(void *mm, struct zr_mm_memory *memory) {
    const struct queue *queue = mm;
    memory->entries = queue->entries;
    memory->bytes = (BUG(7) ? queue->ever : queue->entries) * sizeof(struct entry);
}

static int check(void *mm, char *message, size_t bytes) {
    const struct queue *queue = mm;
    uint64_t entries = 0;
    for (const struct entry *entry = queue->head.next; entry != &queue->head; entry = entry->next) ++entries;
    if (entries == queue->entries || BUG(1)) return 0;
    snprintf(message, bytes, "%u entries there, %u counted", (unsigned)entries, (unsigned)queue->entries);
    return -EINVAL;
}

static const struct zr_mm_ops queue = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_mm_ops),
    .name = "queue",
    .version = "1",
    .summary = "oldest first, by cgroup",
    .capabilities = ZR_MM_GROUPS,
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
static const struct zr_mm_ops *const mms[] = {&queue, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .mms = mms};
