/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's mm/zsmalloc.c of 6.1 or 6.12 as a plugin: its handles are the plugin's, since compaction and migration change
 * what they lead to, never them.
 */
#include "shim.h"

#include <mm/zsmalloc.c>
#include <stdio.h>

#ifdef CONFIG_ZSMALLOC_CHAIN_SIZE /* from 6.3 on */
enum { GROUPS = NR_FULLNESS_GROUPS, OBJ_ALLOCATED = ZS_OBJS_ALLOCATED, OBJ_USED = ZS_OBJS_INUSE };
#define zs_stat_get class_stat_read
#else
enum { GROUPS = NR_ZS_FULLNESS };
#endif

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
    struct pool *pool = shim_create(host, sizeof *pool);
    if (!pool) return -ENOMEM;
    pool->zs = zs_create_pool("zreplay");
    if (!pool->zs) {
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
        for (unsigned group = 0; group < GROUPS; ++group) {
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
    struct page *page = page_of(handle, &index);
    struct size_class *class = class_of(pool, handle);
    *objects = 0;
    for (unsigned at = get_first_obj_offset(page); at < PAGE_SIZE; at += class->size) {
        unsigned long there;
        *objects += obj_allocated(page, page_address(page) + at, &there);
    }
    cost->headers_read += 1 + *objects; /* the zspage, and each object's back pointer */
    return shim_migrate(&zsmalloc_mops, page);
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
    .version = RELEASE,
    .summary = "mm/zsmalloc.c of Linux " RELEASE,
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
