/* The least that is an index, a pool and a reclaim order, for tests: a sorted array, a page for each object, a list.
 *
 * -DBUG_name plants the bug of that name, from the AFTER-th call of the operation on (100th if not given); the other macros put
 * something else into a table.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zreplay_plugin.h"

#ifndef AFTER
#define AFTER 100
#endif
#ifndef VERSION
#define VERSION "1"
#endif
#ifndef ABI
#define ABI ZR_PLUGIN_ABI
#endif
#ifndef TABLE_ABI
#define TABLE_ABI ZR_PLUGIN_ABI
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(struct zr_index_ops)
#endif
#ifndef NAME
#define NAME "sorted"
#endif
#ifndef CAPABILITIES
#define CAPABILITIES ZR_INDEX_VALUES
#endif
#ifndef MM_CAPABILITIES
#define MM_CAPABILITIES ZR_MM_MAKES_ROOM
#endif
#ifndef FIND
#define FIND array_find
#endif

static uint64_t calls; /* of the operation with the bug */
#ifdef BUG_leak
static uint64_t leaked;
#endif
static inline int is_late(void) { return ++calls >= AFTER; }

/* ---- index ---- */

struct pair {
    uint64_t slot, location;
};
struct array {
    struct zr_host *host;
    struct pair *pairs;
    uint64_t count, room;
};

static uint64_t slot_of(uint32_t type, uint64_t offset) { return (uint64_t)type << 58 | offset; }

static uint64_t place_of(const struct array *array, uint64_t slot) {
    uint64_t low = 0, high = array->count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (array->pairs[middle].slot < slot) low = middle + 1;
        else high = middle;
    }
    return low;
}

static struct pair *pair_of(const struct array *array, uint64_t slot) {
    uint64_t place = place_of(array, slot);
    return place < array->count && array->pairs[place].slot == slot ? &array->pairs[place] : NULL;
}

static int array_create(const struct zr_index_options *options, struct zr_host *host, void **index) {
    (void)options;
#ifdef BUG_create
    return -EINVAL;
#endif
    struct array *array = host->alloc(host, sizeof *array, 16);
    if (!array) return -ENOMEM;
    array->host = host;
    *index = array;
    return 0;
}

static void array_destroy(void *index) {
    struct array *array = index;
    free(array->pairs);
    array->host->free(array->host, array);
}

__attribute__((unused)) static int array_find(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    struct array *array = index;
    const struct pair *pair = pair_of(array, slot_of(type, offset));
    cost->nodes_visited++;
#ifdef BUG_find
    if (pair && is_late()) return -ENOENT;
#endif
#ifdef BUG_find_other
    if (pair && is_late()) pair = array->pairs;
#endif
#ifdef BUG_crash
    if (is_late()) *(volatile int *)8 = 1;
#endif
#ifdef BUG_abort
    if (is_late()) abort();
#endif
#ifdef BUG_kill
    if (is_late()) kill(getpid(), SIGKILL);
#endif
#ifdef BUG_exit
    if (is_late()) exit(3);
#endif
#ifdef BUG_hang
    if (is_late()) for (;;) pause();
#endif
    if (!pair) return -ENOENT;
    *location = pair->location;
    return 0;
}

static int array_insert(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct array *array = index;
    uint64_t slot = slot_of(type, offset), place = place_of(array, slot);
    cost->nodes_visited++;
    *old = 0;
#ifdef BUG_memory
    if (is_late()) return -ENOMEM;
#endif
    if (place < array->count && array->pairs[place].slot == slot) {
        *old = array->pairs[place].location;
#ifdef BUG_old
        *old = 0;
#endif
        array->pairs[place].location = location;
        return 0;
    }
    if (array->count == array->room) {
        uint64_t room = array->room ? 2 * array->room : 64;
        struct pair *pairs = realloc(array->pairs, room * sizeof *pairs);
        if (!pairs) return -ENOMEM;
        array->pairs = pairs;
        array->room = room;
    }
    memmove(&array->pairs[place + 1], &array->pairs[place], (array->count - place) * sizeof *array->pairs);
    array->pairs[place] = (struct pair){slot, location};
    array->count++;
#ifdef BUG_lost
    if (is_late()) {
        memmove(&array->pairs[place], &array->pairs[place + 1], (array->count - place - 1) * sizeof *array->pairs);
        array->count--;
    }
#endif
    return 0;
}

static int array_erase(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct array *array = index;
    struct pair *pair = pair_of(array, slot_of(type, offset));
    cost->nodes_visited++;
    if (!pair) return -ENOENT;
    *old = pair->location;
#ifdef BUG_leak
    leaked += is_late();
#endif
#ifdef BUG_erase
    if (is_late()) return 0;
#endif
    memmove(pair, pair + 1, (size_t)(array->pairs + array->count - (pair + 1)) * sizeof *pair);
    array->count--;
    return 0;
}

static int array_move(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct array *array = index;
    struct pair *pair = pair_of(array, slot_of(type, offset));
    cost->nodes_visited++;
    if (!pair) return -ENOENT;
    *old = pair->location;
    pair->location = location;
    return 0;
}

static void array_for_each(void *index, uint32_t type, void (*visit)(void *, uint64_t, uint64_t), void *arg) {
    struct array *array = index;
    for (uint64_t i = 0; i < array->count; ++i)
        if (zr_slot_type(array->pairs[i].slot) == type) visit(arg, zr_slot_offset(array->pairs[i].slot), array->pairs[i].location);
}

static void array_memory(void *index, struct zr_index_memory *memory) {
    struct array *array = index;
    memory->entries = array->count;
    memory->nodes = array->count;
    memory->bytes = array->count * sizeof(struct pair);
#ifdef BUG_entries
    memory->entries += 1;
#endif
#ifdef BUG_leak
    memory->nodes += leaked;
#endif
}

static int array_check(void *index, char *message, size_t bytes) {
    (void)index;
#ifdef BUG_check
    snprintf(message, bytes, "the tree\n  is\x1b[31m broken \xff\xfe\tat\x07 node 7\n");
    return -EINVAL;
#endif
    (void)message, (void)bytes;
    return 0;
}

static const struct zr_index_ops array_ops = {
    .abi = TABLE_ABI, .size = TABLE_SIZE,
    .name = NAME, .version = VERSION, .summary = "a sorted array of slots",
    .capabilities = CAPABILITIES,
    .positions_64 = 32, .positions_32 = 2,
    .create = array_create, .destroy = array_destroy, .find = FIND, .insert = array_insert, .erase = array_erase,
    .move = array_move, .for_each = array_for_each, .memory = array_memory, .check = array_check,
};

/* ---- pool ---- */

struct object {
    uint64_t cookie, page;
    uint32_t bytes;
};
struct pages {
    struct zr_host *host;
    uint64_t objects, bytes, next_page;
    struct object *latest;
};

static int pages_create(const struct zr_pool_options *options, struct zr_host *host, void **pool) {
    (void)options;
    struct pages *pages = host->alloc(host, sizeof *pages, 16);
    if (!pages) return -ENOMEM;
    pages->host = host;
    *pool = pages;
    return 0;
}

static void pages_destroy(void *pool) {
    struct pages *pages = pool;
    pages->host->free(pages->host, pages);
}

static int pages_alloc(void *pool, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pages *pages = pool;
    (void)cost;
    if (!bytes || bytes > ZR_PAGE_SIZE) return -EINVAL;
#ifdef BUG_handle
    if (pages->latest && is_late()) {
        pages->latest->bytes += bytes;
        pages->bytes += bytes;
        *handle = (uint64_t)(uintptr_t)pages->latest;
        return 0;
    }
#endif
    struct object *object = malloc(sizeof *object);
    if (!object) return -ENOMEM;
    *object = (struct object){cookie, pages->next_page++, bytes};
#ifdef BUG_page
    if (is_late()) object->page = pages->next_page / 8;
#endif
    pages->objects++;
    pages->bytes += bytes;
    pages->latest = object;
    *handle = (uint64_t)(uintptr_t)object;
    return 0;
}

static void pages_free(void *pool, uint64_t handle, struct zr_cost *cost) {
    struct pages *pages = pool;
    struct object *object = (struct object *)(uintptr_t)handle;
    (void)cost;
    pages->objects--;
    pages->bytes -= object->bytes;
    if (pages->latest == object) pages->latest = NULL;
    free(object);
}

static void pages_memory(void *pool, struct zr_pool_memory *memory) {
    const struct pages *pages = pool;
    memory->pages = pages->objects;
    memory->used_bytes = pages->bytes;
#ifdef BUG_few_pages
    memory->pages = pages->objects / 8;
#endif
#ifdef BUG_used
    memory->used_bytes = pages->bytes / 2;
#endif
    memory->movable_pages = 0;
}

static void pages_where(void *pool, uint64_t handle, uint64_t *page, uint32_t *position) {
    (void)pool;
    *page = ((const struct object *)(uintptr_t)handle)->page;
    *position = 0;
}

static int pages_check(void *pool, char *message, size_t bytes) {
    (void)pool, (void)message, (void)bytes;
    return 0;
}

static const struct zr_pool_ops pages_ops = {
    .abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_pool_ops),
    .name = "pages", .version = VERSION, .summary = "a page for each object",
    .create = pages_create, .destroy = pages_destroy, .alloc = pages_alloc, .free = pages_free, .memory = pages_memory,
    .check = pages_check, .where = pages_where,
};

/* ---- reclaim order ---- */

struct waiting {
    struct waiting *next, *prev;
    uint64_t cookie;
};
struct fifo {
    struct zr_host *host;
    struct waiting head; /* next: the oldest */
    uint64_t entries;
    uint64_t gone; /* a cookie that was there */
};

static int fifo_create(const struct zr_mm_options *options, struct zr_host *host, void **mm) {
    (void)options;
    struct fifo *fifo = host->alloc(host, sizeof *fifo, 16);
    if (!fifo) return -ENOMEM;
    fifo->host = host;
    fifo->head.next = fifo->head.prev = &fifo->head;
    *mm = fifo;
    return 0;
}

static void fifo_destroy(void *mm) {
    struct fifo *fifo = mm;
    for (struct waiting *one = fifo->head.next, *next; one != &fifo->head; one = next) {
        next = one->next;
        free(one);
    }
    fifo->host->free(fifo->host, fifo);
}

static void append(struct fifo *fifo, struct waiting *one) {
    one->prev = fifo->head.prev;
    one->next = &fifo->head;
    one->prev->next = one->next->prev = one;
}

static int fifo_stored(void *mm, const struct zr_mm_entry *entry, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct fifo *fifo = mm;
    (void)entry, (void)cost;
    struct waiting *one = malloc(sizeof *one);
    if (!one) return -ENOMEM;
    one->cookie = cookie;
    append(fifo, one);
    fifo->entries++;
    *handle = (uint64_t)(uintptr_t)one;
    return 0;
}

static void unlink_one(struct waiting *one) {
    one->prev->next = one->next;
    one->next->prev = one->prev;
}

static void fifo_gone(void *mm, uint64_t handle, struct zr_cost *cost) {
    struct fifo *fifo = mm;
    struct waiting *one = (struct waiting *)(uintptr_t)handle;
    (void)cost;
    fifo->gone = one->cookie;
    unlink_one(one);
    free(one);
    fifo->entries--;
}

static void fifo_loaded(void *mm, uint64_t handle, struct zr_cost *cost) { (void)mm, (void)handle, (void)cost; }

static int fifo_next(void *mm, uint64_t group, uint64_t *cookie, struct zr_cost *cost) {
    struct fifo *fifo = mm;
    (void)group, (void)cost;
#ifdef BUG_next_none
    if (is_late()) return -ENOENT;
#endif
    if (fifo->head.next == &fifo->head) return -ENOENT;
    *cookie = fifo->head.next->cookie;
#ifdef BUG_next_gone
    if (fifo->gone && is_late()) *cookie = fifo->gone;
#endif
#ifdef BUG_next_changes
    if (is_late()) *cookie = calls % 2 ? fifo->head.prev->cookie : *cookie;
#endif
    return 0;
}

static void fifo_visited(void *mm, uint64_t handle, struct zr_cost *cost) {
    struct waiting *one = (struct waiting *)(uintptr_t)handle;
    (void)cost;
    unlink_one(one);
    append(mm, one);
}

static void fifo_memory(void *mm, struct zr_mm_memory *memory) {
    const struct fifo *fifo = mm;
    memory->entries = fifo->entries;
    memory->bytes = fifo->entries * sizeof(struct waiting);
}

static int fifo_check(void *mm, char *message, size_t bytes) {
    (void)mm, (void)message, (void)bytes;
    return 0;
}

static const struct zr_mm_ops fifo_ops = {
    .abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_mm_ops),
    .name = "fifo", .version = VERSION, .summary = "the oldest first",
    .capabilities = MM_CAPABILITIES,
    .create = fifo_create, .destroy = fifo_destroy, .stored = fifo_stored, .gone = fifo_gone, .loaded = fifo_loaded,
    .next = fifo_next, .visited = fifo_visited, .memory = fifo_memory, .check = fifo_check,
};

ZR_EXPORT const struct zr_plugin zreplay_plugin = {
    .abi = ABI, .size = sizeof(struct zr_plugin),
    .indexes = (const struct zr_index_ops *const[]){&array_ops, NULL},
    .pools = (const struct zr_pool_ops *const[]){&pages_ops, NULL},
    .mms = (const struct zr_mm_ops *const[]){&fifo_ops, NULL},
};

#ifdef LEAVES_A_MARK
__attribute__((constructor)) static void mark(void) {
    FILE *file = fopen(LEAVES_A_MARK, "w");
    if (file) fclose(file);
}
#endif
