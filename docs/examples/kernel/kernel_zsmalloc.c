/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's mm/zsmalloc.c of 6.1 as a plugin: its handles are the plugin's, since compaction and migration change what
 * they lead to, never them.
 */
#include "shim.h"

#include <mm/zsmalloc.c>
#include <stdio.h>

struct pool {
    struct shim shim; /* first: whoever is called finds it */
    struct zs_pool *zs;
    uint64_t used_bytes;
};

static struct page *page_of(uint64_t handle, unsigned *index) {
    struct page *page;
    obj_to_location(handle_to_obj(handle), &page, index);
    return page;
}

static struct size_class *class_of(struct pool *pool, uint64_t handle) {
    unsigned index;
    return zspage_class(pool->zs, get_zspage(page_of(handle, &index)));
}

static int create(const struct zr_pool_options *options, struct zr_host *host, void **made) {
    struct pool *pool = host->alloc(host, sizeof *pool, 16);
    if (!pool) return -ENOMEM;
    pool->shim.host = host;
    shim = &pool->shim;
    pool->zs = zs_create_pool("zreplay");
    if (!pool->zs) {
        host->free(host, pool);
        return -ENOMEM;
    }
    *made = pool;
    return 0;
}

/* With the handles of the objects that are still there. */
static void discard(struct pool *pool, struct size_class *class, struct zspage *zspage) {
    struct page *page = get_first_page(zspage);
    while (page) {
        for (unsigned at = get_first_obj_offset(page); at < PAGE_SIZE; at += class->size) {
            unsigned long handle;
            if (obj_allocated(page, page_address(page) + at, &handle)) cache_free_handle(pool->zs, handle);
        }
        struct page *next = get_next_page(page);
        __free_page(page);
        page = next;
    }
    cache_free_zspage(pool->zs, zspage);
}

static void destroy(void *state) {
    struct pool *pool = state;
    shim = &pool->shim;
    for (unsigned i = 0; i < ZS_SIZE_CLASSES; ++i) {
        struct size_class *class = pool->zs->size_class[i];
        if (class->index != i) continue; /* another one's */
        for (unsigned group = ZS_EMPTY; group < NR_ZS_FULLNESS; ++group) {
            struct zspage *zspage, *next;
            list_for_each_entry_safe(zspage, next, &class->fullness_list[group], list) discard(pool, class, zspage);
            INIT_LIST_HEAD(&class->fullness_list[group]);
        }
    }
    zs_destroy_pool(pool->zs);
    pool->shim.host->free(pool->shim.host, pool);
}

static int alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    const uint64_t pages = zs_get_total_pages(pool->zs);
    *handle = zs_malloc(pool->zs, bytes, GFP_KERNEL);
    if (IS_ERR(*handle)) return PTR_ERR(*handle);
    cost->headers_read += zs_get_total_pages(pool->zs) == pages; /* a zspage that was there */
    pool->used_bytes += class_of(pool, *handle)->size;
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    pool->used_bytes -= class_of(pool, handle)->size;
    ++cost->headers_read;
    zs_free(pool->zs, handle);
}

static void memory(void *state, struct zr_pool_memory *memory) {
    struct pool *pool = state;
    memory->pages = memory->movable_pages = zs_get_total_pages(pool->zs);
    memory->used_bytes = pool->used_bytes;
}

static int check(void *state, char *message, size_t bytes) {
    struct pool *pool = state;
    const char *wrong = NULL;
    uint64_t pages = 0, used_bytes = 0;
    for (unsigned i = 0; i < ZS_SIZE_CLASSES; ++i) {
        struct size_class *class = pool->zs->size_class[i];
        if (class->index != i) continue;
        uint64_t objects = 0;
        for (unsigned group = ZS_EMPTY; group < NR_ZS_FULLNESS; ++group) {
            struct zspage *zspage;
            list_for_each_entry(zspage, &class->fullness_list[group], list) {
                if (get_fullness_group(class, zspage) != group) wrong = "a zspage's group";
                objects += get_zspage_inuse(zspage);
                pages += class->pages_per_zspage;
            }
        }
        if (objects != zs_stat_get(class, OBJ_USED)) wrong = "the objects of a class";
        used_bytes += objects * class->size;
    }
    if (pages != zs_get_total_pages(pool->zs)) wrong = "the number of pages";
    if (used_bytes != pool->used_bytes) wrong = "the bytes used";
    if (!wrong) return 0;
    snprintf(message, bytes, "the kernel's zsmalloc: %s", wrong);
    return -EINVAL;
}

static void map(void *state, uint64_t handle, int length_known, struct zr_cost *cost) { ++cost->headers_read; }

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    *page = page_of(handle, position)->number;
}

static uint64_t compact(void *state, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    return zs_compact(pool->zs);
}

static int migrate(void *state, uint64_t handle, uint32_t *objects, struct zr_cost *cost) {
    struct pool *pool = state;
    shim = &pool->shim;
    unsigned index;
    struct page *from = page_of(handle, &index), *to = alloc_page(GFP_KERNEL);
    if (!to) return -EAGAIN;
    struct size_class *class = class_of(pool, handle);
    *objects = 0;
    for (unsigned at = get_first_obj_offset(from); at < PAGE_SIZE; at += class->size) {
        unsigned long there;
        *objects += obj_allocated(from, page_address(from) + at, &there);
    }
    cost->headers_read += 1 + *objects; /* the zspage, and each object's back pointer */
    zs_page_isolate(from, 0);
    const int error = zs_page_migrate(to, from, MIGRATE_SYNC);
    put_page(to); /* taken for the pool by zs_page_migrate() */
    return error;
}

static uint32_t classes(void *state, struct zr_class_row *row, uint32_t rows) {
    struct pool *pool = state;
    uint32_t count = 0;
    for (unsigned i = 0; i < ZS_SIZE_CLASSES; ++i) {
        struct size_class *class = pool->zs->size_class[i];
        const uint64_t allocated = zs_stat_get(class, OBJ_ALLOCATED);
        if (class->index != i || !allocated) continue;
        if (count < rows)
            row[count] = (struct zr_class_row){.class_size = class->size,
                                               .pages = allocated / class->objs_per_zspage * class->pages_per_zspage,
                                               .objects = zs_stat_get(class, OBJ_USED)};
        ++count;
    }
    return count;
}

static const struct zr_pool_ops ops = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof ops,
    .name = "kernel-zsmalloc",
    .version = "6.1",
    .summary = "mm/zsmalloc.c of Linux 6.1",
    .capabilities = ZR_POOL_COMPACTS | ZR_POOL_MIGRATES | ZR_POOL_SPANS,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .free = free_object,
    .memory = memory,
    .check = check,
    .map = map,
    .where = where,
    .compact = compact,
    .migrate = migrate,
    .classes = classes,
};
static const struct zr_pool_ops *const pools[] = {&ops, NULL};
const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof zreplay_plugin, .pools = pools};
