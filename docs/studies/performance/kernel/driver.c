/* The kernel's own index on the operations of op_stream.h: driver rbtree|radix|xarray ENTRIES SEED
 *
 * Compiled in user space with the kernel's lib/rbtree.c, lib/radix-tree.c and lib/xarray.c over the shims that its tree has
 * for its own tests (tools/testing/radix-tree), and those of shim/. What the kernel has around its trees is here: memory for
 * nodes and entries from caches of one size, on huge pages as the kernel's own memory is, and what zswap does with a tree of
 * entries. No locks.
 *
 * Fills, prints "ready"; then for each line of input, a number of operations, prints nanoseconds of this thread's
 * processor time in all, and the sum of the words found, replaced and erased so far.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/radix-tree.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "op_stream.h"

int nr_allocated, preempt_count, kmalloc_verbose, test_verbose;

/* --- memory: a free list through the freed, the last one first, as a CPU's slab has it --- */

struct kmem_cache {
    size_t size;
    void (*ctor)(void *);
    void *freed;
    char *fresh, *end;
};

static void *at_least(size_t size) {
    /* A whole number of huge pages, on a border of one. */
    const size_t huge = 2 << 20, bytes = 64 << 20;
    char *memory = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || size > bytes) {
        fprintf(stderr, "no memory\n");
        exit(3);
    }
    memory = (char *)(((uintptr_t)memory + huge - 1) & ~(huge - 1));
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static inline void *take(struct kmem_cache *cache) {
    void *object = cache->freed;
    if (object) {
        memcpy(&cache->freed, object, sizeof cache->freed);
        memset(object, 0, sizeof cache->freed);
        return object;
    }
    if ((size_t)(cache->end - cache->fresh) < cache->size) {
        cache->fresh = at_least(cache->size);
        cache->end = cache->fresh + (64 << 20);
    }
    object = cache->fresh;
    cache->fresh += cache->size;
    if (cache->ctor) cache->ctor(object);
    return object;
}

static inline void give_back(struct kmem_cache *cache, void *object) {
    memcpy(object, &cache->freed, sizeof cache->freed);
    cache->freed = object;
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, unsigned int flags,
                                     void (*ctor)(void *)) {
    struct kmem_cache *cache = calloc(1, sizeof *cache);
    (void)name, (void)align, (void)flags;
    cache->size = size;
    cache->ctor = ctor;
    return cache;
}

void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru, int gfp) {
    (void)lru, (void)gfp;
    return take(cache);
}

void kmem_cache_free(struct kmem_cache *cache, void *object) { give_back(cache, object); }

int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t count, void **list) {
    (void)gfp;
    for (size_t i = 0; i < count; ++i) list[i] = take(cache);
    return (int)count;
}

void kmem_cache_free_bulk(struct kmem_cache *cache, size_t count, void **list) {
    for (size_t i = 0; i < count; ++i) give_back(cache, list[i]);
}

/* --- rbtree: entries of 64 bytes, links and offset in front, found and linked in as zswap of 6.1 does --- */

struct entry {
    struct rb_node links;
    unsigned long offset;
    uint64_t word;
    uint64_t rest[3];
};
_Static_assert(sizeof(struct entry) == 64, "an entry of zswap's");

static struct rb_root tree = RB_ROOT;
static struct kmem_cache entries = {.size = sizeof(struct entry)};

static struct entry *tree_find(unsigned long offset) {
    struct rb_node *node = tree.rb_node;
    while (node) {
        struct entry *entry = rb_entry(node, struct entry, links);
        if (entry->offset > offset) node = node->rb_left;
        else if (entry->offset < offset) node = node->rb_right;
        else return entry;
    }
    return NULL;
}

/* The entry that is in the way, if there is one. */
static struct entry *tree_insert(struct entry *entry) {
    struct rb_node **link = &tree.rb_node, *parent = NULL;
    while (*link) {
        struct entry *there = rb_entry(*link, struct entry, links);
        parent = *link;
        if (there->offset > entry->offset) link = &parent->rb_left;
        else if (there->offset < entry->offset) link = &parent->rb_right;
        else return there;
    }
    rb_link_node(&entry->links, parent, link);
    rb_insert_color(&entry->links, &tree);
    return NULL;
}

static uint64_t tree_erase(struct entry *entry) {
    const uint64_t word = entry->word;
    rb_erase(&entry->links, &tree);
    give_back(&entries, entry);
    return word;
}

static uint64_t rbtree_store(uint32_t offset, uint64_t word) {
    struct entry *entry = take(&entries), *there;
    uint64_t old = 0;
    entry->offset = offset;
    entry->word = word;
    while ((there = tree_insert(entry))) old = tree_erase(there);
    return old;
}

static uint64_t rbtree_load(uint32_t offset) {
    const struct entry *entry = tree_find(offset);
    return entry ? entry->word : 0;
}

static uint64_t rbtree_invalidate(uint32_t offset) {
    struct entry *entry = tree_find(offset);
    return entry ? tree_erase(entry) : 0;
}

/* --- radix tree and xarray: the word is the slot's pointer --- */

static RADIX_TREE(radix, GFP_KERNEL);
static DEFINE_XARRAY(xarray);

static uint64_t radix_store(uint32_t offset, uint64_t word) {
    if (radix_tree_insert(&radix, offset, (void *)word) == 0) return 0;
    void __rcu **slot = radix_tree_lookup_slot(&radix, offset);
    const uint64_t old = (uint64_t)radix_tree_deref_slot(slot);
    radix_tree_replace_slot(&radix, slot, (void *)word);
    return old;
}

static uint64_t radix_load(uint32_t offset) { return (uint64_t)radix_tree_lookup(&radix, offset); }
static uint64_t radix_invalidate(uint32_t offset) { return (uint64_t)radix_tree_delete(&radix, offset); }

static uint64_t xarray_store(uint32_t offset, uint64_t word) {
    return (uint64_t)xa_store(&xarray, offset, (void *)word, GFP_KERNEL);
}

static uint64_t xarray_load(uint32_t offset) { return (uint64_t)xa_load(&xarray, offset); }
static uint64_t xarray_invalidate(uint32_t offset) { return (uint64_t)xa_erase(&xarray, offset); }

/* --- the operations --- */

static struct op_stream stream;
static struct op_stream_op ops[op_stream_chunk];
static uint64_t done, sum;

#define PLAY(name)                                                              \
    static void play_##name(size_t count) {                                     \
        for (size_t i = 0; i < count; ++i) {                                    \
            const uint32_t offset = ops[i].offset;                              \
            switch (ops[i].kind) {                                              \
            case op_stream_store:                                               \
                sum += name##_store(offset, op_stream_word(done + i));          \
                break;                                                          \
            case op_stream_load:                                                \
                sum += name##_load(offset);                                     \
                break;                                                          \
            default:                                                            \
                sum += name##_invalidate(offset);                               \
            }                                                                   \
        }                                                                       \
    }
PLAY(rbtree)
PLAY(radix)
PLAY(xarray)

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static long long run(void (*play)(size_t), struct op_stream_op (*next)(struct op_stream *), uint64_t count) {
    long long spent = 0;
    while (count) {
        const size_t part = count < op_stream_chunk ? count : op_stream_chunk;
        for (size_t i = 0; i < part; ++i) ops[i] = next(&stream);
        const long long begun = now_ns();
        play(part);
        spent += now_ns() - begun;
        done += part;
        count -= part;
    }
    return spent;
}

int main(int argc, char **argv) {
    unsigned long long count;
    if (argc != 4 || !op_stream_init(&stream, (uint32_t)strtoul(argv[2], NULL, 10), strtoull(argv[3], NULL, 10))) return 2;
    void (*play)(size_t) = !strcmp(argv[1], "rbtree") ? play_rbtree : !strcmp(argv[1], "radix") ? play_radix : play_xarray;
    radix_tree_init();
    run(play, op_stream_fill, stream.slots / 2);
    puts("ready");
    fflush(stdout);
    while (scanf("%llu", &count) == 1) {
        const long long spent = run(play, op_stream_next, count);
        printf("%lld %llu\n", spent, (unsigned long long)sum);
        fflush(stdout);
    }
    return 0;
}
