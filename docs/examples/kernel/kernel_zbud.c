/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's mm/zbud.c of 6.1 as a plugin. zswap keeps the swap entry in the object's first eight bytes, so that of an
 * object that is to be evicted is known whose it is; here the host's cookie is there.
 */
#include "shim.h"

#include <mm/zbud.c>
#include <stdio.h>

struct pool {
    struct shim shim; /* first: whoever is called finds it */
    struct zbud_pool *zbud;
    uint64_t used_chunks;
    struct zr_cost *cost;           /* of a reclaim() under way */
    struct zbud_header *last_tried; /* by it */
};

static bool is_first(uint64_t handle) { return !((handle - ZHDR_SIZE_ALIGNED) & ~PAGE_MASK); }

static unsigned chunks_of(uint64_t handle) {
    const struct zbud_header *header = handle_to_zbud_header(handle);
    return is_first(handle) ? header->first_chunks : header->last_chunks;
}

/* zbud's callback. A page is looked into once a try; its first object is asked for first. */
static int evict_object(struct zbud_pool *zbud, unsigned long handle) {
    struct pool *pool = (struct pool *)shim;
    if (handle_to_zbud_header(handle) != pool->last_tried || is_first(handle)) ++pool->cost->headers_read;
    pool->last_tried = handle_to_zbud_header(handle);
    uint64_t cookie;
    memcpy(&cookie, (void *)handle, sizeof cookie);
    const int refused = pool->shim.host->evict(pool->shim.host, cookie);
    if (refused) pool->last_tried = NULL; /* which ends this try of the page */
    return refused;
}
static const struct zbud_ops evicting = {.evict = evict_object};

static int create(const struct zr_pool_options *options, struct zr_host *host, void **made) {
    struct pool *pool = shim_create(host, sizeof *pool);
    if (!pool) return -ENOMEM;
    pool->zbud = zbud_create_pool(GFP_KERNEL, &evicting);
    if (!pool->zbud) {
        shim_destroy(&pool->shim);
        return -ENOMEM;
    }
    *made = pool;
    return 0;
}

static void destroy(void *pool) { shim_destroy(pool); }

static int alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    unsigned long object;
    const uint64_t pages = zbud_get_pool_size(pool->zbud);
    const int error = zbud_alloc(pool->zbud, bytes, GFP_KERNEL, &object);
    if (error) return error;
    cost->headers_read += zbud_get_pool_size(pool->zbud) == pages; /* a page that was there */
    pool->used_chunks += size_to_chunks(bytes);
    memcpy((void *)object, &cookie, sizeof cookie);
    *handle = object;
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    pool->used_chunks -= chunks_of(handle);
    ++cost->headers_read;
    zbud_free(pool->zbud, handle);
}

static void memory(void *state, struct zr_pool_memory *memory) {
    struct pool *pool = state;
    memory->pages = zbud_get_pool_size(pool->zbud);
    memory->used_bytes = pool->used_chunks * CHUNK_SIZE;
    memory->movable_pages = 0;
}

static int check(void *state, char *message, size_t bytes) {
    struct pool *pool = state;
    struct zbud_header *header;
    uint64_t pages = 0, chunks = 0, listed = 0;
    list_for_each_entry(header, &pool->zbud->lru, lru) {
        ++pages;
        chunks += header->first_chunks + header->last_chunks;
    }
    for (unsigned i = 0; i < NCHUNKS; ++i)
        list_for_each_entry(header, &pool->zbud->unbuddied[i], buddy) ++listed;
    const char *wrong = NULL;
    if (pages != pool->zbud->pages_nr) wrong = "the pages on the LRU";
    if (listed != pages) wrong = "the pages on the lists by free chunks";
    if (chunks != pool->used_chunks) wrong = "the chunks in use";
    if (!wrong) return 0;
    snprintf(message, bytes, "the kernel's zbud: %s", wrong);
    return -EINVAL;
}

static void map(void *state, uint64_t handle, int length_known, struct zr_cost *cost) {
    struct pool *pool = state;
    if (zbud_map(pool->zbud, handle)) cost->headers_read += !length_known;
}

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    *page = virt_to_page((void *)handle)->number;
    *position = !is_first(handle);
}

static int reclaim(void *state, uint32_t retries, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    pool->cost = cost;
    pool->last_tried = NULL;
    return zbud_reclaim_page(pool->zbud, retries);
}

static uint32_t classes(void *state, struct zr_class_row *row, uint32_t rows) {
    struct pool *pool = state;
    struct zr_class_row by_free[NCHUNKS] = {{0}};
    struct zbud_header *header;
    list_for_each_entry(header, &pool->zbud->lru, lru) {
        struct zr_class_row *here = &by_free[num_free_chunks(header)];
        ++here->pages;
        here->objects += (header->first_chunks != 0) + (header->last_chunks != 0);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < NCHUNKS; ++i) {
        if (!by_free[i].pages) continue;
        by_free[i].free_chunks = i;
        if (count < rows) row[count] = by_free[i];
        ++count;
    }
    return count;
}

static const struct zr_pool_ops ops = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof ops,
    .name = "kernel-zbud",
    .version = RELEASE,
    .summary = "mm/zbud.c of Linux " RELEASE,
    .capabilities = ZR_POOL_EVICTS | ZR_POOL_LRU,
    .like = "zbud",
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
static const struct zr_pool_ops *const pools[] = {&ops, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof zreplay_plugin, .pools = pools};
