/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's mm/z3fold.c of 6.1 as a plugin, on one CPU, its work done as soon as the operation that queued it is over.
 *
 * Its handles are the plugin's. zswap keeps the swap entry in the object's first eight bytes, so that of an object that is
 * to be evicted, for which z3fold makes another handle, is known whose it is; here the host's cookie is there.
 */
#include "shim.h"

#include <mm/z3fold.c>
#include <stdio.h>

_Static_assert(sizeof(struct z3fold_header) == 88, "as in a kernel without lock debugging: two chunks");

struct pool {
    struct shim shim; /* first: whoever is called finds it */
    struct z3fold_pool *z3fold;
    uint64_t used_bytes;
};

static bool is_headless(uint64_t handle) { return handle & 1 << PAGE_HEADLESS; }

static struct z3fold_header *header_of(uint64_t handle) {
    return (struct z3fold_header *)((is_headless(handle) ? handle : *(unsigned long *)handle) & PAGE_MASK);
}

static uint32_t objects_in(const struct z3fold_header *header) {
    return (header->first_chunks != 0) + (header->middle_chunks != 0) + (header->last_chunks != 0);
}

static unsigned bytes_of(uint64_t handle) {
    if (is_headless(handle)) return PAGE_SIZE;
    const struct z3fold_header *header = header_of(handle);
    switch (handle_to_buddy(handle)) {
        case FIRST: return header->first_chunks * CHUNK_SIZE;
        case MIDDLE: return header->middle_chunks * CHUNK_SIZE;
        default: return header->last_chunks * CHUNK_SIZE;
    }
}

static uint64_t *cookie_of(struct z3fold_pool *z3fold, unsigned long handle) {
    uint64_t *cookie = z3fold_map(z3fold, handle);
    z3fold_unmap(z3fold, handle);
    return cookie;
}

static int evict_object(struct z3fold_pool *z3fold, unsigned long handle) {
    struct pool *pool = (struct pool *)shim;
    return pool->shim.host->evict(pool->shim.host, *cookie_of(z3fold, handle));
}
static const struct z3fold_ops evicting = {.evict = evict_object};

static int create(const struct zr_pool_options *options, struct zr_host *host, void **made) {
    struct pool *pool = shim_create(host, sizeof *pool);
    if (!pool) return -ENOMEM;
    pool->z3fold = z3fold_create_pool("zreplay", GFP_KERNEL, &evicting);
    if (!pool->z3fold) {
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
    const uint64_t pages = z3fold_get_pool_size(pool->z3fold);
    const int error = z3fold_alloc(pool->z3fold, bytes, GFP_KERNEL, &object);
    if (error) return error;
    cost->headers_read += z3fold_get_pool_size(pool->z3fold) == pages; /* a page that was there */
    pool->used_bytes += bytes_of(object);
    *cookie_of(pool->z3fold, object) = cookie;
    *handle = object;
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    const bool reclaiming = test_bit(PAGE_CLAIMED, &virt_to_page(header_of(handle))->private);
    pool->used_bytes -= bytes_of(handle);
    ++cost->headers_read;
    z3fold_free(pool->z3fold, handle);
    if (!reclaiming) shim_run_work();
}

static void memory(void *state, struct zr_pool_memory *memory) {
    struct pool *pool = state;
    memory->pages = z3fold_get_pool_size(pool->z3fold);
    memory->used_bytes = pool->used_bytes;
    memory->movable_pages = 0; /* to tell, every page would have to be looked at */
}

static int check(void *state, char *message, size_t bytes) {
    struct pool *pool = state;
    struct page *page;
    uint64_t pages = 0, used_bytes = 0;
    list_for_each_entry(page, &pool->z3fold->lru, lru) {
        const struct z3fold_header *header = page_address(page);
        ++pages;
        used_bytes += test_bit(PAGE_HEADLESS, &page->private)
                          ? PAGE_SIZE
                          : (header->first_chunks + header->middle_chunks + header->last_chunks) * CHUNK_SIZE;
    }
    const char *wrong = NULL;
    if (pages != z3fold_get_pool_size(pool->z3fold)) wrong = "the pages on the LRU";
    if (used_bytes != pool->used_bytes) wrong = "the bytes used";
    if (!wrong) return 0;
    snprintf(message, bytes, "the kernel's z3fold: %s", wrong);
    return -EINVAL;
}

static void map(void *state, uint64_t handle, int length_known, struct zr_cost *cost) { ++cost->headers_read; }

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    static const uint32_t positions[] = {[HEADLESS] = 3, [FIRST] = 0, [MIDDLE] = 1, [LAST] = 2};
    *page = virt_to_page(header_of(handle))->number;
    *position = positions[is_headless(handle) ? HEADLESS : handle_to_buddy(handle)];
}

static int reclaim(void *state, uint32_t retries, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    const int error = z3fold_reclaim_page(pool->z3fold, retries);
    shim_run_work();
    return error;
}

/* The kernel keeps it claimed from then on, which is its bug (docs/models.md). */
static int migrate(void *state, uint64_t handle, uint32_t *objects, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    ++cost->headers_read;
    *objects = is_headless(handle) ? 1 : objects_in(header_of(handle));
    const int error = shim_migrate(&z3fold_mops, virt_to_page(header_of(handle)));
    shim_run_work();
    return error;
}

static uint32_t classes(void *state, struct zr_class_row *row, uint32_t rows) {
    struct pool *pool = state;
    struct zr_class_row by_free[NCHUNKS + 1] = {{0}};
    struct page *page;
    list_for_each_entry(page, &pool->z3fold->lru, lru) {
        struct z3fold_header *header = page_address(page);
        const bool headless = test_bit(PAGE_HEADLESS, &page->private);
        struct zr_class_row *here = &by_free[headless ? 0 : num_free_chunks(header)];
        ++here->pages;
        here->objects += headless ? 1 : objects_in(header);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i <= NCHUNKS; ++i) {
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
    .name = "kernel-z3fold",
    .version = RELEASE,
    .summary = "mm/z3fold.c of Linux " RELEASE,
    .capabilities = ZR_POOL_EVICTS | ZR_POOL_MIGRATES,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .free = free_object,
    .memory = memory,
    .check = check,
    .map = map,
    .where = where,
    .reclaim = reclaim,
    .migrate = migrate,
    .classes = classes,
};
static const struct zr_pool_ops *const pools[] = {&ops, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof zreplay_plugin, .pools = pools};
