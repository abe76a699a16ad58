/* A plugin of the first interface, as simple as can be: one index, one pool, one reclaim order, each a list. It is compiled against
 * the header beside it, as it was then, and against today's. Never changed: if it has to be, plugins of users have to be. */
#include <errno.h>
#include <stdio.h>

#include "zreplay_plugin.h"

struct item {
    struct item *next;
    uint64_t key, word;
};

/* ---- index: a sorted list for each type ---- */

struct index {
    struct zr_host *host;
    uint64_t entries;
    struct item *first[ZR_SWAP_TYPES];
};

static int index_create(const struct zr_index_options *options, struct zr_host *host, void **state) {
    if (options->size < sizeof *options) return -EINVAL;
    struct index *index = host->alloc(host, sizeof *index, 16);
    if (!index) return -ENOMEM;
    index->host = host;
    *state = index;
    return 0;
}

/* What points to the first item whose offset is not smaller. */
static struct item **seek(struct index *index, uint32_t type, uint64_t offset, struct zr_cost *cost) {
    struct item **link = &index->first[type];
    for (; *link; link = &(*link)->next) {
        ++cost->nodes_visited;
        ++cost->cache_lines;
        if ((*link)->key >= offset) break;
    }
    return link;
}

static int find(void *state, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {
    const struct item *item = *seek(state, type, offset, cost);
    if (!item || item->key != offset) return -ENOENT;
    *location = item->word;
    return 0;
}

static int move(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct item *item = *seek(state, type, offset, cost);
    if (!item || item->key != offset) return -ENOENT;
    *old = item->word;
    item->word = location;
    ++cost->slots_written;
    return 0;
}

static int insert(void *state, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    if (!move(index, type, offset, location, old, cost)) return 0;
    struct item **link = seek(index, type, offset, cost), *item = index->host->alloc(index->host, sizeof *item, 16);
    if (!item) return -ENOMEM;
    *item = (struct item){*link, offset, location};
    *link = item;
    *old = 0;
    ++index->entries;
    ++cost->nodes_allocated;
    cost->slots_written += 3;
    return 0;
}

static int erase(void *state, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    struct index *index = state;
    struct item **link = seek(index, type, offset, cost), *item = *link;
    if (!item || item->key != offset) return -ENOENT;
    *old = item->word;
    *link = item->next;
    index->host->free(index->host, item);
    --index->entries;
    ++cost->nodes_freed;
    ++cost->slots_written;
    return 0;
}

static void for_each(void *state, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg) {
    const struct index *index = state;
    for (const struct item *item = index->first[type]; item; item = item->next) visit(arg, item->key, item->word);
}

static void index_memory(void *state, struct zr_index_memory *memory) {
    const struct index *index = state;
    memory->entries = memory->nodes = index->entries;
    memory->bytes = index->entries * sizeof(struct item);
}

static int index_check(void *state, char *message, size_t bytes) {
    const struct index *index = state;
    uint64_t entries = 0;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type)
        for (const struct item *item = index->first[type]; item; item = item->next, ++entries)
            if (item->next && item->next->key <= item->key) {
                snprintf(message, bytes, "type %u is out of order", type);
                return -EINVAL;
            }
    if (entries == index->entries) return 0;
    snprintf(message, bytes, "number of entries");
    return -EINVAL;
}

static void index_destroy(void *state) {
    struct index *index = state;
    for (uint32_t type = 0; type < ZR_SWAP_TYPES; ++type)
        for (struct item *item = index->first[type], *next; item; item = next) {
            next = item->next;
            index->host->free(index->host, item);
        }
    index->host->free(index->host, index);
}

static const struct zr_index_ops first_index = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_index_ops),
    .name = "first",
    .version = "1",
    .summary = "a sorted list",
    .positions_64 = 64,
    .positions_32 = 4,
    .create = index_create,
    .destroy = index_destroy,
    .find = find,
    .insert = insert,
    .erase = erase,
    .move = move,
    .for_each = for_each,
    .memory = index_memory,
    .check = index_check,
};

/* ---- pool: a page for each object ---- */

struct pool {
    struct zr_host *host;
    uint64_t pages;
};

static int pool_create(const struct zr_pool_options *options, struct zr_host *host, void **state) {
    if (options->size < sizeof *options) return -EINVAL;
    struct pool *pool = host->alloc(host, sizeof *pool, 16);
    if (!pool) return -ENOMEM;
    pool->host = host;
    *state = pool;
    return 0;
}

static void pool_destroy(void *state) {
    struct pool *pool = state;
    pool->host->free(pool->host, pool);
}

static int pool_alloc(void *state, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct pool *pool = state;
    (void)cost;
    if (bytes == 0 || bytes > ZR_PAGE_SIZE) return -EINVAL;
    ++pool->pages;
    *handle = cookie;
    return 0;
}

static void pool_free(void *state, uint64_t handle, struct zr_cost *cost) {
    struct pool *pool = state;
    (void)handle;
    ++cost->headers_read;
    --pool->pages;
}

static void pool_memory(void *state, struct zr_pool_memory *memory) {
    const struct pool *pool = state;
    memory->pages = pool->pages;
    memory->used_bytes = pool->pages * ZR_PAGE_SIZE;
    memory->movable_pages = 0;
}

static int pool_check(void *state, char *message, size_t bytes) {
    (void)state, (void)message, (void)bytes;
    return 0;
}

static const struct zr_pool_ops first_pool = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_pool_ops),
    .name = "first",
    .version = "1",
    .summary = "a page for each object",
    .create = pool_create,
    .destroy = pool_destroy,
    .alloc = pool_alloc,
    .free = pool_free,
    .memory = pool_memory,
    .check = pool_check,
};

/* ---- reclaim order: the one stored last goes first ---- */

struct stacked {
    struct stacked *above, *below;
    uint64_t cookie;
};

struct stack {
    struct zr_host *host;
    uint64_t entries;
    struct stacked ends; /* above: the bottom, below: the top */
};

static void link_between(struct stacked *below, struct stacked *entry, struct stacked *above) {
    entry->below = below;
    entry->above = above;
    below->above = above->below = entry;
}

static void unlink_entry(struct stacked *entry) {
    entry->above->below = entry->below;
    entry->below->above = entry->above;
}

static int mm_create(const struct zr_mm_options *options, struct zr_host *host, void **state) {
    if (options->size < sizeof *options) return -EINVAL;
    struct stack *stack = host->alloc(host, sizeof *stack, 16);
    if (!stack) return -ENOMEM;
    stack->host = host;
    stack->ends.above = stack->ends.below = &stack->ends;
    *state = stack;
    return 0;
}

static void gone(void *state, uint64_t handle, struct zr_cost *cost) {
    struct stack *stack = state;
    struct stacked *entry = (struct stacked *)(uintptr_t)handle;
    unlink_entry(entry);
    stack->host->free(stack->host, entry);
    --stack->entries;
    ++cost->nodes_freed;
}

static void mm_destroy(void *state) {
    struct stack *stack = state;
    struct zr_cost cost = {0};
    while (stack->entries) gone(stack, (uint64_t)(uintptr_t)stack->ends.below, &cost);
    stack->host->free(stack->host, stack);
}

static int stored(void *state, const struct zr_mm_entry *told, uint64_t cookie, uint64_t *handle, struct zr_cost *cost) {
    struct stack *stack = state;
    if (told->size < sizeof *told) return -EINVAL;
    struct stacked *entry = stack->host->alloc(stack->host, sizeof *entry, 16);
    if (!entry) return -ENOMEM;
    entry->cookie = cookie;
    link_between(stack->ends.below, entry, &stack->ends);
    ++stack->entries;
    ++cost->nodes_allocated;
    *handle = (uint64_t)(uintptr_t)entry;
    return 0;
}

static void loaded(void *state, uint64_t handle, struct zr_cost *cost) { (void)state, (void)handle, (void)cost; }

static int next(void *state, uint64_t group, uint64_t *cookie, struct zr_cost *cost) {
    struct stack *stack = state;
    (void)group;
    ++cost->nodes_visited;
    if (!stack->entries) return -ENOENT;
    *cookie = stack->ends.below->cookie;
    return 0;
}

static void visited(void *state, uint64_t handle, struct zr_cost *cost) {
    struct stack *stack = state;
    struct stacked *entry = (struct stacked *)(uintptr_t)handle;
    (void)cost;
    unlink_entry(entry);
    link_between(&stack->ends, entry, stack->ends.above);
}

static void mm_memory(void *state, struct zr_mm_memory *memory) {
    const struct stack *stack = state;
    memory->entries = stack->entries;
    memory->bytes = stack->entries * sizeof(struct stacked);
}

static int mm_check(void *state, char *message, size_t bytes) {
    (void)state, (void)message, (void)bytes;
    return 0;
}

static const struct zr_mm_ops first_mm = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_mm_ops),
    .name = "first",
    .version = "1",
    .summary = "the one stored last goes first",
    .capabilities = ZR_MM_MAKES_ROOM,
    .create = mm_create,
    .destroy = mm_destroy,
    .stored = stored,
    .gone = gone,
    .loaded = loaded,
    .next = next,
    .visited = visited,
    .memory = mm_memory,
    .check = mm_check,
};

static const struct zr_index_ops *const indexes[] = {&first_index, NULL};
static const struct zr_pool_ops *const pools[] = {&first_pool, NULL};
static const struct zr_mm_ops *const mms[] = {&first_mm, NULL};

const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI,
    .size = sizeof(struct zr_plugin),
    .indexes = indexes,
    .pools = pools,
    .mms = mms,
};
