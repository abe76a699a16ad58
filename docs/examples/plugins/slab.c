/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool as a slab allocator: pages of slots of equal size, an example of a zreplay plugin. docs/plugins.md goes through it.
 *
 *     cc -O2 -shared -fPIC $(zreplay plugin --cflags) slab.c -o slab.so
 *     zreplay run trace.parquet --pool ./slab.so
 *
 * A request is rounded up to chunks of 64 bytes. How many such objects a page of 64 chunks has room for is its class, and the
 * page is shared out among so many, evenly: of 700 bytes, 11 chunks, five go into a page, so the slots of its class have 12
 * chunks. There are 15 different numbers, 1 to 10, 12, 16, 21, 32 and 64, and no table is needed to find one.
 *
 *     page of class 5   | slot 0     | slot 1     | slot 2     | slot 3     | slot 4     | 4 chunks lost |
 *     its descriptor    | list links | number | class, used | map of slots in use: 64 bits | cookie 0 … cookie 4 |
 *
 * A descriptor is on a multiple of 64, and a page has at most 64 slots, so a handle is one word: descriptor | slot.
 *
 * Pages of a class with a free slot are on a list, the one that an object was freed from last in front, and the next object goes
 * into the first. Invariants, which check() walks:
 *   * a page is on its class's list of full pages or on that of the others, by its map;
 *   * no page is empty;
 *   * the counts are the sums of the maps.
 *
 * What is in the pages is never there: zreplay replays sizes, and a page is a number.
 */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

enum { chunk_bytes = 64, chunks_in_page = ZR_PAGE_SIZE / chunk_bytes, slot_mask = 63 };

struct page {
    struct page *next, **link; /* link: what points here */
    uint64_t number;
    uint64_t map; /* bit i: slot i is in use */
    uint32_t slots;
    uint32_t used;
    uint64_t cookies[]; /* of each slot */
};

/* By how many objects a page has room for. */
struct class {
    struct page *partial, *full;
    uint64_t pages, objects;
};

struct pool {
    struct zr_host *host;
    uint64_t next_number; /* of a page, never given to another */
    uint64_t pages, used_bytes; /* sums over all classes, for memory(), which is asked after every call */
    struct class classes[chunks_in_page + 1];
};

/* ---- helpers ---- */

static uint32_t slots_for(uint32_t bytes) {
    const uint32_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
    return chunks_in_page / chunks;
}
static uint32_t slot_bytes(uint32_t slots) { return chunks_in_page / slots * chunk_bytes; }

static uint64_t handle_of(const struct page *page, uint32_t slot) { return (uint64_t)(uintptr_t)page | slot; }
static struct page *page_of(uint64_t handle) { return (struct page *)(uintptr_t)(handle & ~(uint64_t)slot_mask); }
static uint32_t slot_of(uint64_t handle) { return (uint32_t)(handle & slot_mask); }

static uint32_t lowest_bit(uint64_t map) { return (uint32_t)__builtin_ctzll(map); }

static void unlist(struct page *page) {
    *page->link = page->next;
    if (page->next) page->next->link = page->link;
}

static void enlist(struct page **list, struct page *page) {
    page->next = *list;
    page->link = list;
    if (page->next) page->next->link = &page->next;
    *list = page;
}

static struct page *make_page(struct pool *pool, uint32_t slots) {
    struct page *page = pool->host->alloc(pool->host, sizeof *page + slots * sizeof page->cookies[0], 64);
    if (!page) return NULL;
    page->slots = slots;
    page->number = pool->next_number++;
    enlist(&pool->classes[slots].partial, page);
    ++pool->classes[slots].pages;
    ++pool->pages;
    return page;
}

static void free_page(struct pool *pool, struct page *page) {
    --pool->classes[page->slots].pages;
    --pool->pages;
    unlist(page);
    pool->host->free(pool->host, page);
}

/* Into the lowest free slot of a page that has one. Gives the handle. */
static uint64_t put(struct pool *pool, struct page *page, uint64_t cookie) {
    struct class *class = &pool->classes[page->slots];
    const uint32_t slot = lowest_bit(~page->map);
    page->map |= UINT64_C(1) << slot;
    page->cookies[slot] = cookie;
    ++class->objects;
    pool->used_bytes += slot_bytes(page->slots);
    if (++page->used == page->slots) {
        unlist(page);
        enlist(&class->full, page);
    }
    return handle_of(page, slot);
}

static void take_out(struct pool *pool, struct page *page, uint32_t slot) {
    struct class *class = &pool->classes[page->slots];
    page->map &= ~(UINT64_C(1) << slot);
    --page->used;
    --class->objects;
    pool->used_bytes -= slot_bytes(page->slots);
    if (!page->used) {
        free_page(pool, page);
    } else {
        unlist(page);
        enlist(&class->partial, page);
    }
}

/* ---- operations ---- */

static int create(const struct zr_pool_options *options, struct zr_host *host, void **state) {
    (void)options;
    struct pool *pool = host->alloc(host, sizeof *pool, 64);
    if (!pool) return -ENOMEM;
    pool->host = host;
    *state = pool;
    return 0;
}

static void destroy(void *state) {
    struct pool *pool = state;
    for (uint32_t slots = 1; slots <= chunks_in_page; ++slots) {
        while (pool->classes[slots].partial) free_page(pool, pool->classes[slots].partial);
        while (pool->classes[slots].full) free_page(pool, pool->classes[slots].full);
    }
    pool->host->free(pool->host, pool);
}

static int alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    if (bytes == 0 || bytes > ZR_PAGE_SIZE) return -EINVAL;
    const uint32_t slots = slots_for(bytes);
    struct page *page = pool->classes[slots].partial;
    if (page) ++cost->headers_read; /* a new page's is written, not read */
    else page = make_page(pool, slots);
    if (!page) return -ENOMEM;
    *handle = put(pool, page, cookie);
    return 0;
}

static void free_object(void *state, uint64_t handle, struct zr_cost *cost) {
    ++cost->headers_read;
    take_out(state, page_of(handle), slot_of(handle));
}

/* Where the object lies in its page is slot × the class's size, and the class is in the descriptor. */
static void map(void *state, uint64_t handle, int length_known, struct zr_cost *cost) {
    (void)state, (void)handle, (void)length_known;
    ++cost->headers_read;
}

static void where(void *state, uint64_t handle, uint64_t *page, uint32_t *position) {
    (void)state;
    *page = page_of(handle)->number;
    *position = slot_of(handle);
}

static void memory(void *state, struct zr_pool_memory *memory) {
    const struct pool *pool = state;
    memory->pages = pool->pages;
    memory->used_bytes = pool->used_bytes;
    memory->movable_pages = memory->pages;
}

/* A page is moved as a whole: it has another number then, and its descriptor, which handles name, stays. */
static int migrate(void *state, uint64_t handle, uint32_t *objects, struct zr_cost *cost) {
    struct pool *pool = state;
    struct page *page = page_of(handle);
    ++cost->headers_read;
    page->number = pool->next_number++;
    *objects = page->used;
    return 0;
}

/*
 * As long as a class has as many free slots as a page has, there is room in the others for all that is in the first. (Emptying
 * the emptiest would move fewer objects; to find it, pages would have to be kept by how full they are.) No page is begun, so no
 * memory is needed; each object that gets another handle is told to the host.
 */
static uint64_t compact(void *state, struct zr_cost *cost) {
    struct pool *pool = state;
    uint64_t freed = 0;
    for (uint32_t slots = 1; slots <= chunks_in_page; ++slots) {
        struct class *class = &pool->classes[slots];
        while (class->pages * slots - class->objects >= slots) {
            struct page *source = class->partial;
            const struct page *last = NULL;
            uint64_t map = source->map;
            unlist(source);
            enlist(&class->full, source); /* out of the way: nothing is put in it */
            ++cost->headers_read;
            for (; map; map &= map - 1) {
                const uint32_t slot = lowest_bit(map);
                struct page *page = class->partial;
                if (page != last) ++cost->headers_read;
                last = page;
                const uint64_t handle = put(pool, page, source->cookies[slot]);
                pool->host->moved(pool->host, source->cookies[slot], handle);
            }
            class->objects -= source->used;
            pool->used_bytes -= source->used * slot_bytes(slots);
            free_page(pool, source);
            ++freed;
        }
    }
    return freed;
}

static uint32_t classes(void *state, struct zr_class_row *row, uint32_t rows) {
    const struct pool *pool = state;
    uint32_t there = 0;
    for (uint32_t slots = chunks_in_page; slots > 0; --slots) {
        const struct class *class = &pool->classes[slots];
        if (!class->pages) continue;
        if (there < rows)
            row[there] = (struct zr_class_row){.class_size = slot_bytes(slots), .pages = class->pages, .objects = class->objects};
        ++there;
    }
    return there;
}

/* ---- check ---- */

/* What is wrong with a page, or NULL. */
static const char *wrong_in(const struct page *page, uint32_t slots, int is_full) {
    uint32_t used = 0;
    for (uint64_t map = page->map; map; map &= map - 1) ++used;
    if (page->slots != slots) return "a page is on the list of its class";
    if (slots < chunks_in_page && page->map >> slots) return "slots in use are the page's";
    if (used != page->used) return "a page's count is that of its map";
    if (!used) return "no page is empty";
    if (is_full != (used == slots)) return "full pages, and no others, are on the list of full pages";
    if (*page->link != page || (page->next && page->next->link != &page->next)) return "the list's links meet";
    return NULL;
}

static int check(void *state, char *message, size_t bytes) {
    const struct pool *pool = state;
    uint64_t all_pages = 0, used_bytes = 0;
    for (uint32_t slots = 1; slots <= chunks_in_page; ++slots) {
        const struct class *class = &pool->classes[slots];
        uint64_t pages = 0, objects = 0;
        for (int is_full = 0; is_full < 2; ++is_full)
            for (const struct page *page = is_full ? class->full : class->partial; page; page = page->next) {
                const char *wrong = wrong_in(page, slots, is_full);
                ++pages;
                objects += page->used;
                if (!wrong) continue;
                snprintf(message, bytes, "%s: page %llu, class of %u", wrong, (unsigned long long)page->number, slots);
                return -EINVAL;
            }
        if (pages != class->pages || objects != class->objects) {
            snprintf(message, bytes, "class of %u: %llu pages and %llu objects counted, %llu and %llu there", slots,
                     (unsigned long long)class->pages, (unsigned long long)class->objects, (unsigned long long)pages,
                     (unsigned long long)objects);
            return -EINVAL;
        }
        all_pages += pages;
        used_bytes += objects * slot_bytes(slots);
    }
    if (all_pages == pool->pages && used_bytes == pool->used_bytes) return 0;
    snprintf(message, bytes, "%llu pages and %llu bytes in all classes, %llu and %llu counted", (unsigned long long)all_pages,
             (unsigned long long)used_bytes, (unsigned long long)pool->pages, (unsigned long long)pool->used_bytes);
    return -EINVAL;
}

static const struct zr_pool_ops slab = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_pool_ops),
    .name = "slab",
    .version = "1",
    .summary = "pages of equal slots, 15 classes",
    .capabilities = ZR_POOL_COMPACTS | ZR_POOL_MIGRATES,
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

static const struct zr_pool_ops *const pools[] = {&slab, NULL};

const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_plugin),
    .pools = pools,
};
