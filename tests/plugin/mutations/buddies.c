/* zbud once more: at most two objects a page, one at each end, by best fit and with an LRU; for the tests of `zreplay plugin test`, as radix.c. It
 * says that it is like the built-in zbud, and without a mutation it is, to the last count.
 *
 *     page of 64 chunks   | header | first ─▶      free      ◀─ last |         first + last ≤ 63 chunks
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

#ifndef MUTATION
#define MUTATION 0
#endif
#define BUG(n) (MUTATION == (n))

enum { chunk_bytes = 64, chunks_in_page = 63, largest_bytes = ZR_PAGE_SIZE - 2 * chunk_bytes };

struct link {
    struct link *prev, *next;
};
struct page {
    struct link buddy, lru; /* in a list by free chunks while it has one object; by age */
    uint64_t number, cookies[2];
    uint32_t bytes[2]; /* 0: nobody is there */
    uint32_t reclaimed;
};
struct pool {
    struct zr_host *host;
    struct link unbuddied[chunks_in_page + 1], lru;
    uint64_t pages, used_bytes, next_number;
};

static uint64_t pages_of_all; /* BUG(12) */

static void start(struct link *list) { list->prev = list->next = list; }
static void push(struct link *list, struct link *link) {
    link->next = list->next;
    link->prev = list;
    list->next = link->next->prev = link;
}
static void unlist(struct link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    start(link);
}
#define PAGE_OF(link, member) ((struct page *)(void *)((char *)(link)-offsetof(struct page, member)))

static uint32_t chunks_of(uint32_t bytes) { return BUG(1) ? bytes / chunk_bytes + (bytes < chunk_bytes) : (bytes + chunk_bytes - 1) / chunk_bytes; }
static uint32_t free_chunks(const struct page *page) {
    return chunks_in_page + BUG(2) - chunks_of(page->bytes[0]) * (page->bytes[0] != 0) - chunks_of(page->bytes[1]) * (page->bytes[1] != 0);
}
static struct page *page_of(uint64_t handle) { return (struct page *)(uintptr_t)(handle & ~UINT64_C(63)); }
static uint32_t place_of(uint64_t handle) { return handle & 1; }

static int create(const struct zr_pool_options *options, struct zr_host *host, void **state) {
    struct pool *pool = host->alloc(host, sizeof *pool, 64);
    (void)options;
    if (!pool) return -ENOMEM;
    pool->host = host;
    for (uint32_t i = 0; i <= chunks_in_page; ++i) start(&pool->unbuddied[i]);
    start(&pool->lru);
    *state = pool;
    return 0;
}

static void release(struct pool *pool, struct page *page) {
    unlist(&page->lru);
    unlist(&page->buddy);
    --pool->pages;
    --pages_of_all;
    if (BUG(3) && page->bytes[1] > 3000) return;
    pool->host->free(pool->host, page);
}

static void destroy(void *state) {
    struct pool *pool = state;
    while (pool->lru.next != &pool->lru && !BUG(13)) release(pool, PAGE_OF(pool->lru.next, lru));
    pool->host->free(pool->host, pool);
}

static int alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    struct page *page = NULL;
    if (!bytes) return -EINVAL;
    if (bytes > largest_bytes + (BUG(4) ? chunk_bytes : 0)) return -ENOSPC;
    const uint32_t c = chunks_of(bytes);
    for (uint32_t i = c; i < chunks_in_page && !page; ++i) {
        struct link *list = &pool->unbuddied[i];
        if (list->next != list) page = PAGE_OF(BUG(5) ? list->prev : list->next, buddy);
    }
    uint32_t place = 0;
    if (page) {
        cost->headers_read += BUG(6) ? 2 : 1;
        unlist(&page->buddy);
        place = page->bytes[0] != 0;
        if (BUG(7) && page->bytes[0] == bytes) place = 0; /* where the first is still */
    } else {
        page = pool->host->alloc(pool->host, sizeof *page, 64);
        if (!page) {
            if (BUG(8)) ++pool->pages;
            return -ENOMEM;
        }
        page->number = pool->next_number++;
        ++pool->pages;
        ++pages_of_all;
        start(&page->lru);
        start(&page->buddy);
        push(&pool->unbuddied[chunks_in_page - c], &page->buddy);
    }
    page->bytes[place] = bytes;
    page->cookies[place] = cookie;
    unlist(&page->lru);
    push(&pool->lru, &page->lru);
    pool->used_bytes += c * chunk_bytes;
    *handle = (uint64_t)(uintptr_t)page | place;
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    struct page *page = page_of(handle);
    ++cost->headers_read;
    pool->used_bytes -= chunks_of(page->bytes[place_of(handle)]) * chunk_bytes;
    page->bytes[place_of(handle)] = 0;
    if (page->reclaimed) return;
    unlist(&page->buddy);
    if (page->bytes[0] || page->bytes[1]) push(&pool->unbuddied[free_chunks(page)], &page->buddy);
    else release(pool, page);
}

static int reclaim(void *state, uint32_t retries, struct zr_cost *cost) {
    struct pool *pool = state;
    if (!retries || pool->lru.next == &pool->lru) return -EINVAL;
    while (retries--) {
        struct page *page = PAGE_OF(BUG(9) ? pool->lru.next : pool->lru.prev, lru);
        ++cost->headers_read;
        unlist(&page->lru);
        unlist(&page->buddy);
        page->reclaimed = 1;
        const uint32_t was[2] = {page->bytes[0], page->bytes[1]};
        for (uint32_t place = 0; place < 2; ++place)
            if ((was[place] || (BUG(10) && page->cookies[place])) && pool->host->evict(pool->host, page->cookies[place])) break;
        page->reclaimed = 0;
        if (!page->bytes[0] && !page->bytes[1]) {
            if (BUG(11)) {
                push(&pool->lru, &page->lru);
                return 0;
            }
            release(pool, page);
            return 0;
        }
        if (!page->bytes[0] != !page->bytes[1]) push(&pool->unbuddied[free_chunks(page)], &page->buddy);
        push(BUG(15) ? pool->lru.prev : &pool->lru, &page->lru);
    }
    return -EAGAIN;
}

static void map(void *state, uint64_t handle, int length_known, struct zr_cost *cost) {
    (void)state, (void)handle;
    cost->headers_read += !length_known;
}

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    (void)state;
    *page = page_of(handle)->number;
    *position = place_of(handle);
}

static void memory(void *state, struct zr_pool_memory *memory) {
    const struct pool *pool = state;
    memory->pages = BUG(12) ? pages_of_all : pool->pages;
    memory->used_bytes = pool->used_bytes;
    memory->movable_pages = 0;
}

static int check(void *state, char *message, size_t bytes) {
    const struct pool *pool = state;
    uint64_t pages = 0, used_bytes = 0;
    for (const struct link *link = pool->lru.next; link != &pool->lru; link = link->next) {
        const struct page *page = PAGE_OF(link, lru);
        ++pages;
        for (uint32_t place = 0; place < 2; ++place)
            if (page->bytes[place]) used_bytes += chunks_of(page->bytes[place]) * chunk_bytes;
    }
    if (MUTATION || (pages == pool->pages && used_bytes == pool->used_bytes)) return 0;
    snprintf(message, bytes, "%u pages of %u bytes on the LRU, %u of %u counted", (unsigned)pages, (unsigned)used_bytes, (unsigned)pool->pages,
             (unsigned)pool->used_bytes);
    return -EINVAL;
}

static uint32_t classes(void *state, struct zr_class_row *row, uint32_t rows) {
    const struct pool *pool = state;
    struct zr_class_row all[chunks_in_page + 1] = {0};
    uint32_t there = 0;
    for (const struct link *link = pool->lru.next; link != &pool->lru; link = link->next) {
        const struct page *page = PAGE_OF(link, lru);
        struct zr_class_row *of = &all[free_chunks(page)];
        of->pages += 1;
        of->objects += BUG(14) ? 1 : (page->bytes[0] != 0) + (page->bytes[1] != 0);
    }
    for (uint32_t i = 0; i <= chunks_in_page; ++i) {
        if (!all[i].pages) continue;
        all[i].free_chunks = i;
        if (there < rows) row[there] = all[i];
        ++there;
    }
    return there;
}

static const struct zr_pool_ops buddies = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_pool_ops),
    .name = "buddies",
    .version = "1",
    .summary = "at most two objects a page",
    .capabilities = ZR_POOL_EVICTS | (BUG(15) ? 0 : ZR_POOL_LRU),
    .like = BUG(15) ? NULL : "zbud",
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .free = free_object,
    .memory = memory,
    .check = check,
    .map = map,
    .where = where,
    .reclaim = reclaim,
    .classes = classes,
};
static const struct zr_pool_ops *const pools[] = {&buddies, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .pools = pools};
