/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel's files find around them here: user space, one thread, no memory pressure but the host's.
 *
 * Every header they include that is not one of their own small ones is this file (make-plugins). Locks do nothing, since one
 * instance is called by one thread at a time; work that the kernel would give to a worker is done at once or is never asked for.
 * A page is 4096 bytes on a border of 4096 with its struct page right behind it, so that each is found from the other.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "zreplay_plugin.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned gfp_t;

/* ---- the language ---- */

#define __init
#define __exit
#define __maybe_unused __attribute__((unused))
#define __always_inline inline __attribute__((always_inline))
#define __acquires(lock)
#define __releases(lock)
#define __rcu
#define EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_GPL(name)
#define MODULE_ALIAS(name)
#define MODULE_LICENSE(name)
#define MODULE_AUTHOR(name)
#define MODULE_DESCRIPTION(name)
#define THIS_MODULE NULL
#define module_init(name) static __maybe_unused int (*const shim_init)(void) = name
#define module_exit(name) static __maybe_unused void (*const shim_exit)(void) = name
#define static_assert(...) _Static_assert(__VA_ARGS__)
#define __same_type(a, b) __builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define smp_store_release(p, value) WRITE_ONCE(*(p), value)
#define smp_load_acquire(p) READ_ONCE(*(p))
#define rcu_assign_pointer(p, value) WRITE_ONCE(p, value)
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)
#define BUG_ON(x) ((x) ? __builtin_trap() : (void)0)
#define BUG() __builtin_trap()
#define WARN_ON(x) ({ const bool odd = (x); BUG_ON(odd); odd; })
#define VM_BUG_ON(x) BUG_ON(x)
#define VM_BUG_ON_PAGE(x, page) BUG_ON(x)
#define pr_info(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_warn(...) ((void)0)
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ({ __typeof__(a) shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define min_t(type, a, b) ({ type shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define _AC(x, type) x##type
#define BITS_PER_LONG 64
#define BIT(n) (1ul << (n))
#define IS_ENABLED(option) option
#define CONFIG_COMPACTION 1

enum { ENOENT = 2, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EINVAL = 22, ENOSPC = 28 };
#define IS_ERR(p) ((unsigned long)(p) >= (unsigned long)-4095)
#define IS_ERR_OR_NULL(p) (!(p) || IS_ERR(p))
#define PTR_ERR(p) ((long)(p))
#define ERR_PTR(error) ((void *)(long)(error))

struct list_head {
    struct list_head *next, *prev;
};
struct hlist_node {
    struct hlist_node *next, **pprev;
};
struct hlist_head {
    struct hlist_node *first;
};
#include <linux/list.h> /* the kernel's own; some of its files have it from other headers only */

/* ---- one thread ---- */

typedef struct {
    char unused;
} spinlock_t, rwlock_t, local_lock_t;
#define spin_lock_init(lock) ((void)(lock))
#define spin_lock(lock) ((void)(lock))
#define spin_trylock(lock) ((void)(lock), 1)
#define spin_unlock(lock) ((void)(lock))
#define spin_is_contended(lock) ((void)(lock), 0)
#define assert_spin_locked(lock) ((void)(lock))
#define rwlock_init(lock) ((void)(lock))
#define read_lock(lock) ((void)(lock))
#define read_unlock(lock) ((void)(lock))
#define write_lock(lock) ((void)(lock))
#define write_lock_nested(lock, class) ((void)(lock))
#define write_unlock(lock) ((void)(lock))
#define local_lock(lock) ((void)(lock))
#define local_unlock(lock) ((void)(lock))
#define INIT_LOCAL_LOCK(lock) {0}
#define cond_resched() ((void)0)
#define in_interrupt() 0
#define pagefault_disable() ((void)0)
#define pagefault_enable() ((void)0)

typedef struct {
    int counter;
} atomic_t;
typedef struct {
    long counter;
} atomic_long_t;
#define atomic_set(atom, value) ((void)((atom)->counter = (value)))
#define atomic_xchg(atom, value) ({ const int was = (atom)->counter; (atom)->counter = (value); was; })
#define atomic_long_read(atom) ((atom)->counter)
#define atomic_long_add(n, atom) ((void)((atom)->counter += (n)))
#define atomic_long_sub(n, atom) ((void)((atom)->counter -= (n)))

#define DEFINE_PER_CPU(type, name) type name
#define this_cpu_ptr(p) (p)
#define per_cpu(name, cpu) (name)

/* ---- memory, the host's ---- */

struct shim {
    struct zr_host *host;
    uint64_t pages; /* taken so far: the number of the next */
};
static __maybe_unused _Thread_local struct shim *shim; /* of the instance that is being called */

#define GFP_KERNEL 0u
#define __GFP_HIGHMEM 1u
#define __GFP_MOVABLE 2u
#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define MAX_POSSIBLE_PHYSMEM_BITS 52 /* as with five levels of page tables, which Debian's kernels have */

struct page {
    unsigned long flags, private, index;
    unsigned page_type;
    int count;
    uint64_t number; /* never given to another page */
};

static inline void *page_address(struct page *page) { return (char *)page - PAGE_SIZE; }
static inline struct page *virt_to_page(const void *memory) {
    return (struct page *)(((uintptr_t)memory & PAGE_MASK) + PAGE_SIZE);
}
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
    page->number = shim->pages++;
    page->count = 1;
    return page;
}
static inline void __free_page(struct page *page) {
    shim->host->free(shim->host, page_address(page));
}
static inline void get_page(struct page *page) { ++page->count; }
static inline void put_page(struct page *page) {
    if (!--page->count) __free_page(page);
}

static inline void *kzalloc(size_t bytes, gfp_t gfp) { return shim->host->alloc(shim->host, bytes, 16); }
#define kmalloc kzalloc
static inline void kfree(void *memory) {
    if (memory) shim->host->free(shim->host, memory);
}

static inline char *kstrdup(const char *text, gfp_t gfp) {
    char *copy = kzalloc(strlen(text) + 1, gfp);
    return copy ? strcpy(copy, text) : NULL;
}

struct kmem_cache {
    size_t bytes, alignment;
};
static inline struct kmem_cache *kmem_cache_create(const char *name, unsigned bytes, unsigned alignment, unsigned flags,
                                                   void (*ctor)(void *)) {
    struct kmem_cache *cache = kzalloc(sizeof *cache, GFP_KERNEL);
    if (cache) *cache = (struct kmem_cache){bytes, alignment > 16 ? alignment : 16};
    return cache;
}
#define kmem_cache_destroy(cache) kfree(cache)
static inline void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp) {
    return shim->host->alloc(shim->host, cache->bytes, cache->alignment);
}
#define kmem_cache_zalloc kmem_cache_alloc
static inline void kmem_cache_free(struct kmem_cache *cache, void *object) { kfree(object); }

/* ---- pages that may move: only locks and flags, and the flags only where the kernel's files ask for them ---- */

struct movable_operations {
    bool (*isolate_page)(struct page *page, unsigned mode);
    int (*migrate_page)(struct page *to, struct page *from, unsigned mode);
    void (*putback_page)(struct page *page);
};
typedef unsigned isolate_mode_t;
enum migrate_mode { MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC, MIGRATE_SYNC_NO_COPY };
enum { MIGRATEPAGE_SUCCESS = 0 };
enum { PG_locked, PG_private, PG_movable };

#define PageLocked(page) ((page)->flags >> PG_locked & 1)
static inline bool trylock_page(struct page *page) {
    if (PageLocked(page)) return false;
    page->flags |= BIT(PG_locked);
    return true;
}
#define unlock_page(page) ((void)((page)->flags &= ~BIT(PG_locked)))
#define wait_on_page_locked(page) BUG_ON(PageLocked(page))
#define PagePrivate(page) ((page)->flags >> PG_private & 1)
#define SetPagePrivate(page) ((void)((page)->flags |= BIT(PG_private)))
#define ClearPagePrivate(page) ((void)((page)->flags &= ~BIT(PG_private)))
#define PageMovable(page) ((page)->flags >> PG_movable & 1)
#define PageIsolated(page) 1 /* isolated and moved in one go */
#define __SetPageMovable(page, operations) ((void)((page)->flags |= BIT(PG_movable)))
#define __ClearPageMovable(page) ((void)((page)->flags &= ~BIT(PG_movable)))
#define page_mapcount_reset(page) ((void)((page)->page_type = -1))
#define page_zone(page) 0
#define inc_zone_page_state(page, item) ((void)(page))
#define dec_zone_page_state(page, item) ((void)(page))

struct work_struct {
    void (*work)(struct work_struct *);
};
#define INIT_WORK(item, function) ((void)((item)->work = (function)))
#define schedule_work(item) ((item)->work(item))
#define flush_work(item) ((void)(item))

struct shrink_control;
struct shrinker {
    unsigned long (*count_objects)(struct shrinker *, struct shrink_control *);
    unsigned long (*scan_objects)(struct shrinker *, struct shrink_control *);
    long batch;
    int seeks;
};
#define DEFAULT_SEEKS 2
#define SHRINK_STOP (~0ul)
#define register_shrinker(...) 0
#define unregister_shrinker(shrinker) ((void)(shrinker))
#define cpuhp_setup_state(...) 0
#define cpuhp_remove_state(state) ((void)0)

#endif
