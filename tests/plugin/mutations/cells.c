/* Pages of cells of equal size, compacted and migrated: a pool for the tests of `zreplay plugin test`, as radix.c.
 *
 *     a class has cells of 256, 512, 1024, 2048 or 4096 bytes; a handle is page | cell, and is another one after compaction
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

#ifndef MUTATION
#define MUTATION 0
#endif
#define BUG(n) (MUTATION == (n))

enum { classes_there = 5, least_bytes = 256, most_cells = 16 };

struct page {
    struct page *next;
    uint64_t number, before, cookies[most_cells];
    uint32_t map, used, class;
};
struct pool {
    struct zr_host *host;
    struct page *first[classes_there];
    uint64_t pages, used_bytes, next_number;
};

static uint32_t cell_bytes(uint32_t class) { return least_bytes << class; }
static uint32_t cells_of(uint32_t class) { return ZR_PAGE_SIZE / cell_bytes(class); }
static uint32_t class_of(uint32_t bytes) {
    uint32_t class = 0;
    while (class + 1 < classes_there && cell_bytes(class) + (BUG(1) ? 1 : 0) < bytes) ++class;
    return class;
}
static struct page *page_of(uint64_t handle) { return (struct page *)(uintptr_t)(handle & ~UINT64_C(63)); }
static uint32_t cell_of(uint64_t handle) { return handle & 63; }

static int create(const struct zr_pool_options *options, struct zr_host *host, void **state) {
    struct pool *pool = host->alloc(host, sizeof *pool, 64);
    (void)options;
    if (!pool) return -ENOMEM;
    pool->host = host;
    *state = pool;
    return 0;
}

static void release(struct pool *pool, struct page *page) {
    struct page **link = &pool->first[page->class];
    while (*link != page) link = &(*link)->next;
    *link = page->next;
    --pool->pages;
    pool->host->free(pool->host, page);
}

static void destroy(void *state) {
    struct pool *pool = state;
    for (uint32_t class = 0; class < classes_there; ++class)
        while (pool->first[class]) release(pool, pool->first[class]);
    pool->host->free(pool->host, pool);
}

static uint64_t put(struct page *page, uint64_t cookie) {
    uint32_t cell = 0;
    while (page->map >> cell & 1) ++cell;
    if (BUG(2) && cell == 7) cell = 6; /* handle of one that is live */
    page->map |= 1u << cell;
    page->cookies[cell] = cookie;
    ++page->used;
    return (uint64_t)(uintptr_t)page | cell;
}

static int alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    if (!bytes || bytes > ZR_PAGE_SIZE) return BUG(3) && bytes > ZR_PAGE_SIZE ? -E2BIG : -EINVAL;
    const uint32_t class = class_of(bytes);
    struct page *page = pool->first[class];
    for (; page && page->used == cells_of(class); page = page->next) ++cost->headers_read;
    if (!page) {
        page = pool->host->alloc(pool->host, sizeof *page, 64);
        if (!page) return -ENOMEM;
        page->class = class;
        page->number = page->before = pool->next_number++;
        page->next = pool->first[class];
        pool->first[class] = page;
        ++pool->pages;
    }
    pool->used_bytes += cell_bytes(class);
    *handle = put(page, cookie);
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    struct page *page = page_of(handle);
    ++cost->headers_read;
    if (!BUG(4) || page->class != 2) pool->used_bytes -= cell_bytes(page->class);
    page->map &= ~(1u << cell_of(handle));
    if (--page->used == 0) release(pool, page);
}

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    (void)state;
    const struct page *in = page_of(handle);
    *page = BUG(5) && cell_of(handle) == 1 ? in->before : in->number;
    *position = cell_of(handle);
}

static int migrate(void *state, uint64_t handle, uint32_t *objects, struct zr_cost *cost) {
    struct pool *pool = state;
    struct page *page = page_of(handle);
    ++cost->headers_read;
    page->before = page->number;
    page->number = BUG(6) ? page->number : pool->next_number++;
    *objects = page->used + (BUG(7) && page->used > 3);
    return 0;
}

/* The objects of the first page go to where there is room in the others, as long as there is room for all of them. */
static uint64_t compact(void *state, struct zr_cost *cost) {
    struct pool *pool = state;
    uint64_t freed = 0;
    for (uint32_t class = 0; class < classes_there; ++class)
        for (;;) {
            struct page *source = pool->first[class];
            uint32_t room = 0;
            for (struct page *page = source ? source->next : NULL; page; page = page->next) room += cells_of(class) - page->used;
            if (!source || room < source->used) break;
            for (uint32_t cell = 0; cell < cells_of(class); ++cell) {
                if (!(source->map >> cell & 1)) continue;
                struct page *page = source->next;
                while (page->used == cells_of(class)) page = page->next;
                ++cost->headers_read;
                const uint64_t now = put(page, source->cookies[cell]);
                if (BUG(8) && cell == 5) continue; /* nobody is told */
                pool->host->moved(pool->host, source->cookies[cell], BUG(9) && cell == 2 ? now + 1 : now);
            }
            release(pool, source);
            freed += BUG(10) ? 2 : 1;
        }
    return freed;
}

static void memory(void *state, struct zr_pool_memory *memory) {
    const struct pool *pool = state;
    memory->pages = pool->pages;
    memory->used_bytes = pool->used_bytes;
    memory->movable_pages = pool->pages;
}

static int check(void *state, char *message, size_t bytes) {
    const struct pool *pool = state;
    uint64_t pages = 0;
    for (uint32_t class = 0; class < classes_there; ++class)
        for (const struct page *page = pool->first[class]; page; page = page->next, ++pages)
            if (!page->map || (!MUTATION && page->used != (uint32_t)__builtin_popcount(page->map))) {
                snprintf(message, bytes, "a page's count is of its cells: page %u", (unsigned)page->number);
                return -EINVAL;
            }
    if (pages == pool->pages) return BUG(11) && pages == 9 ? -EINVAL : 0;
    snprintf(message, bytes, "%u pages there, %u counted", (unsigned)pages, (unsigned)pool->pages);
    return -EINVAL;
}

static const struct zr_pool_ops cells = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_pool_ops),
    .name = "cells",
    .version = "1",
    .summary = "pages of equal cells",
    .capabilities = ZR_POOL_COMPACTS | ZR_POOL_MIGRATES,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .free = free_object,
    .memory = memory,
    .check = check,
    .where = where,
    .compact = compact,
    .migrate = migrate,
};
static const struct zr_pool_ops *const pools[] = {&cells, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .pools = pools};
