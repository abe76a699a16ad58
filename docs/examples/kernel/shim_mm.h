/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for the kernel's files, which is the host's; pages, moving them, and work.
 *
 * A page is 4096 bytes on a border of 4096 with its struct page right behind it, so that each is found from the other.
 */
#ifndef SHIM_MM_H
#define SHIM_MM_H

#include "shim.h"

/* ---- memory, the host's ---- */

/* What an instance has of the kernel around it; what it took from the host is listed, to be given back whole. */
struct shim {
    struct zr_host *host;
    struct list_head memory, pages, work;
    uint64_t pages_taken; /* the number of the next page */
};
static __maybe_unused _Thread_local struct shim *shim; /* of the instance that is being called */

#define GFP_KERNEL 0u
#define GFP_ATOMIC 0u
#define __GFP_HIGHMEM 1u
#define __GFP_MOVABLE 2u
#define __GFP_NOWARN 0u
#define __GFP_ACCOUNT 0u
#define __GFP_BITS_SHIFT 27
#define GFP_NOWAIT 0u
#define might_alloc(gfp) ((void)(gfp))
#define gfpflags_allow_blocking(gfp) true
#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define MAX_POSSIBLE_PHYSMEM_BITS 52 /* as with five levels of page tables, which Debian's kernels have */

struct shim_memory { /* in front of each piece */
    struct list_head list;
    void *begin, *unused;
};
static inline void *shim_alloc(size_t bytes, size_t alignment) {
    if (alignment < sizeof(struct shim_memory)) alignment = sizeof(struct shim_memory);
    char *memory = shim->host->alloc(shim->host, alignment + bytes, alignment);
    if (!memory) return NULL;
    struct shim_memory *piece = (struct shim_memory *)(memory + alignment) - 1;
    piece->begin = memory;
    list_add(&piece->list, &shim->memory);
    return piece + 1;
}
static inline void shim_free(void *memory) {
    if (!memory) return;
    struct shim_memory *piece = (struct shim_memory *)memory - 1;
    list_del(&piece->list);
    shim->host->free(shim->host, piece->begin);
}
#define kzalloc(bytes, gfp) shim_alloc(bytes, 1)
#define kmalloc(bytes, gfp) shim_alloc(bytes, 1)
#define kfree(memory) shim_free((void *)(memory))
#define __alloc_percpu(bytes, alignment) shim_alloc(bytes, alignment)
#define free_percpu(memory) kfree(memory)
static inline char *kstrdup(const char *text, gfp_t gfp) {
    char *copy = kmalloc(strlen(text) + 1, gfp);
    return copy ? strcpy(copy, text) : NULL;
}
#define kasprintf(gfp, ...) kstrdup("", gfp) /* names of caches */

struct kmem_cache {
    size_t bytes, alignment;
};
static inline struct kmem_cache *kmem_cache_create(const char *name, unsigned bytes, unsigned alignment, unsigned flags,
                                                   void (*ctor)(void *)) {
    struct kmem_cache *cache = kmalloc(sizeof *cache, GFP_KERNEL);
    if (cache) *cache = (struct kmem_cache){bytes, alignment};
    return cache;
}
#define kmem_cache_destroy(cache) kfree(cache)
#define kmem_cache_alloc(cache, gfp) shim_alloc((cache)->bytes, (cache)->alignment)
#define kmem_cache_zalloc(cache, gfp) kmem_cache_alloc(cache, gfp)
#define kmem_cache_free(cache, object) shim_free(object)
/* Nodes of an xarray: defined by who has one. */
struct list_lru;
void *shim_alloc_node(void);
#define kmem_cache_alloc_lru(cache, lru, gfp) shim_alloc_node()
#define kmemleak_not_leak(object) ((void)(object))

/* ---- pages ---- */

struct page {
    unsigned long flags, private, index;
    unsigned page_type;
    int count;
    struct list_head lru;
    struct list_head pages; /* shim->pages */
    uint64_t number;        /* never given to another page */
};

static inline void *page_address(struct page *page) { return (char *)page - PAGE_SIZE; }
static inline struct page *virt_to_page(const void *memory) {
    return (struct page *)(((uintptr_t)memory & PAGE_MASK) + PAGE_SIZE);
}
#define offset_in_page(address) ((unsigned long)(address) & ~PAGE_MASK)
#define copy_page(to, from) memcpy(to, from, PAGE_SIZE)
#define kmsan_copy_page_meta(to, from) ((void)0)
#define page_to_pfn(page) ((uintptr_t)page_address(page) >> PAGE_SHIFT)
#define pfn_to_page(pfn) virt_to_page((void *)((uintptr_t)(pfn) << PAGE_SHIFT))
#define kmap_atomic(page) page_address(page)
#define kunmap_atomic(memory) ((void)(memory))
#define page_private(page) ((page)->private)
#define set_page_private(page, word) ((void)((page)->private = (word)))

static inline struct page *alloc_page(gfp_t gfp) {
    char *memory = shim->host->alloc(shim->host, PAGE_SIZE + sizeof(struct page), PAGE_SIZE);
    if (!memory) return NULL;
    struct page *page = (struct page *)(memory + PAGE_SIZE);
    page->number = shim->pages_taken++;
    page->count = 1;
    list_add(&page->pages, &shim->pages);
    return page;
}
static inline void __free_page(struct page *page) {
    list_del(&page->pages);
    shim->host->free(shim->host, page_address(page));
}
static inline void get_page(struct page *page) { ++page->count; }
static inline void put_page(struct page *page) {
    if (!--page->count) __free_page(page);
}

enum { PG_locked, PG_private, PG_movable, PG_isolated };
#define PageLocked(page) test_bit(PG_locked, &(page)->flags)
#define trylock_page(page) (!test_and_set_bit(PG_locked, &(page)->flags))
#define lock_page(page) BUG_ON(!trylock_page(page))
#define unlock_page(page) clear_bit(PG_locked, &(page)->flags)
#define wait_on_page_locked(page) BUG_ON(PageLocked(page))
#define PagePrivate(page) test_bit(PG_private, &(page)->flags)
#define SetPagePrivate(page) set_bit(PG_private, &(page)->flags)
#define ClearPagePrivate(page) clear_bit(PG_private, &(page)->flags)
#define PageMovable(page) test_bit(PG_movable, &(page)->flags)
#define __SetPageMovable(page, operations) set_bit(PG_movable, &(page)->flags)
#define __ClearPageMovable(page) clear_bit(PG_movable, &(page)->flags)
#define PageIsolated(page) test_bit(PG_isolated, &(page)->flags)
#define PageZsmalloc(page) ((void)(page), true)
#define __SetPageZsmalloc(page) ((void)(page))
#define __ClearPageZsmalloc(page) ((void)(page))
#define page_mapcount_reset(page) ((void)((page)->page_type = -1))
#define page_zone(page) 0
#define inc_zone_page_state(page, item) ((void)(page))
#define dec_zone_page_state(page, item) ((void)(page))

typedef unsigned isolate_mode_t;
enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY };
enum { MIGRATEPAGE_SUCCESS = 0 };
struct movable_operations {
    bool (*isolate_page)(struct page *page, isolate_mode_t mode);
    int (*migrate_page)(struct page *to, struct page *from, enum migrate_mode mode);
    void (*putback_page)(struct page *page);
};

/* What the memory manager does to move a page: −EBUSY where its owner does not let it go. */
static __maybe_unused int shim_migrate(const struct movable_operations *owner, struct page *from) {
    if (!PageMovable(from)) return -EBUSY;
    struct page *to = alloc_page(GFP_KERNEL);
    if (!to) return -EAGAIN;
    int error = -EBUSY;
    lock_page(from);
    if (owner->isolate_page(from, 0)) {
        get_page(from); /* as whoever isolates a page has found it */
        set_bit(PG_isolated, &from->flags);
        lock_page(to);
        error = owner->migrate_page(to, from, MIGRATE_SYNC);
        clear_bit(PG_isolated, &from->flags);
        if (error) owner->putback_page(from);
        unlock_page(to);
        unlock_page(from);
        put_page(from);
    } else {
        unlock_page(from);
    }
    if (error) --shim->pages_taken; /* the pool has not had it */
    put_page(to);
    return error;
}

/* ---- work ---- */

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *);
};
#define call_rcu(head, function) (function)(head)
extern struct kmem_cache *radix_tree_node_cachep;
extern void radix_tree_node_rcu_free(struct rcu_head *head);

struct work_struct {
    unsigned long pending;
    struct list_head entry;
    void (*work)(struct work_struct *);
};
struct workqueue_struct;
static inline bool queue_work(struct workqueue_struct *queue, struct work_struct *item) {
    if (item->pending) return false;
    item->pending = true;
    list_add_tail(&item->entry, &shim->work);
    return true;
}
#define INIT_WORK(item, function) ((void)((item)->pending = false, (item)->work = (function)))
#define work_pending(item) ((item)->pending)
#define queue_work_on(cpu, queue, item) queue_work(queue, item)
#define schedule_work(item) queue_work(NULL, item)
#define flush_work(item) ((void)(item))
#define create_singlethread_workqueue(name) ((struct workqueue_struct *)shim)
#define destroy_workqueue(queue) ((void)(queue))
static inline void cancel_work_sync(struct work_struct *item) {
    if (item->pending) list_del(&item->entry);
    item->pending = false;
}
/* All that waits, in the order in which it was queued. */
static __maybe_unused void shim_run_work(void) {
    while (!list_empty(&shim->work)) {
        struct work_struct *item = list_first_entry(&shim->work, struct work_struct, entry);
        cancel_work_sync(item);
        item->work(item);
    }
}

struct shrink_control;
struct shrinker {
    unsigned long (*count_objects)(struct shrinker *, struct shrink_control *);
    unsigned long (*scan_objects)(struct shrinker *, struct shrink_control *);
    long batch;
    int seeks;
    void *private_data;
};
#define DEFAULT_SEEKS 2
#define SHRINK_STOP (~0ul)
#define register_shrinker(...) 0
#define unregister_shrinker(shrinker) ((void)(shrinker))
#define shrinker_alloc(...) ((struct shrinker *)kzalloc(sizeof(struct shrinker), GFP_KERNEL))
#define shrinker_register(shrinker) ((void)(shrinker))
#define shrinker_free(shrinker) kfree(shrinker)

/* ---- an instance ---- */

/* Zeroed memory for one, `shim` first in it; it is the one that is being called. */
static __maybe_unused void *shim_create(struct zr_host *host, size_t bytes) {
    struct shim *instance = host->alloc(host, bytes, 16);
    if (!instance) return NULL;
    instance->host = host;
    INIT_LIST_HEAD(&instance->memory);
    INIT_LIST_HEAD(&instance->pages);
    INIT_LIST_HEAD(&instance->work);
    return shim = instance;
}
static __maybe_unused void shim_destroy(struct shim *instance) {
    struct page *page, *next_page;
    struct shim_memory *piece, *next;
    shim = instance;
    list_for_each_entry_safe(page, next_page, &shim->pages, pages) __free_page(page);
    list_for_each_entry_safe(piece, next, &shim->memory, list) shim->host->free(shim->host, piece->begin);
    shim->host->free(shim->host, shim);
}

#endif
