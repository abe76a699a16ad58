/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel's files find around them here: user space, one thread, and what memory the host gives.
 *
 * Every header they include that is not one of their own small ones is this file (make-plugins). Locks are only looked after: a lock
 * taken twice is a trap. Work for a worker waits until the operation that queued it is over. Asserts that a kernel has compiled
 * out are asserted. A page is 4096 bytes on a border of 4096 with its struct page right behind it, so that each is found from the
 * other.
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
#define __must_hold(lock)
#define __must_check
#define __rcu
#define __force
#define __bitwise
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
#define RCU_INIT_POINTER(p, value) WRITE_ONCE(p, value)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_check(p, holds) READ_ONCE(p)
#define rcu_dereference_protected(p, holds) (p)
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)
#define BUG_ON(x) ((x) ? __builtin_trap() : (void)0)
#define WARN_ON_ONCE(x) WARN_ON(x)
#define WARN_ON(x) ({ const bool shim_odd = (x); BUG_ON(shim_odd); shim_odd; })
#define VM_BUG_ON(x) BUG_ON(x)
#define VM_BUG_ON_PAGE(x, page) BUG_ON(x)
#define pr_info(...) ((void)0)
#define pr_err(...) ((void)0)
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define max(a, b) ({ __typeof__(a) shim_a = (a), shim_b = (b); shim_a > shim_b ? shim_a : shim_b; })
#define min(a, b) ({ __typeof__(a) shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define min_t(type, a, b) ({ type shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(n, to) (((n) + (to) - 1) / (to) * (to))
#define _AC(x, type) x##type
#define BITS_PER_LONG 64
#define ULONG_MAX (~0ul)
#define UINT_MAX (~0u)
#define MAX_ERRNO 4095
#define IS_ENABLED(option) option
#define CONFIG_COMPACTION 1
#define CONFIG_XARRAY_MULTI 1
#define CONFIG_BASE_SMALL 0

enum { ENOENT = 2, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EEXIST = 17, EINVAL = 22, ENOSPC = 28 };
#define IS_ERR(p) ((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)
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
#include <linux/list.h> /* the kernel's own; some of its files have it by way of other headers */

/* ---- one thread, one CPU ---- */

typedef struct {
    int locked;
} spinlock_t;
typedef struct {
    int writers, readers;
} rwlock_t;
typedef struct {
    char unused;
} local_lock_t;
static inline bool spin_trylock(spinlock_t *lock) { return !lock->locked && (lock->locked = true); }
#define spin_lock_init(lock) ((void)((lock)->locked = false))
#define spin_lock(lock) BUG_ON(!spin_trylock(lock))
#define spin_unlock(lock) ((void)((lock)->locked = false))
#define spin_lock_bh(lock) spin_lock(lock)
#define spin_unlock_bh(lock) spin_unlock(lock)
#define spin_lock_irq(lock) spin_lock(lock)
#define spin_unlock_irq(lock) spin_unlock(lock)
#define spin_lock_irqsave(lock, flags) spin_lock(lock)
#define spin_unlock_irqrestore(lock, flags) spin_unlock(lock)
#define lockdep_is_held(lock) ((lock)->locked)
#define spin_is_contended(lock) ((void)(lock), 0)
#define assert_spin_locked(lock) BUG_ON(!(lock)->locked)
#define rwlock_init(lock) ((void)(*(lock) = (rwlock_t){0}))
#define read_lock(lock) (BUG_ON((lock)->writers), (void)++(lock)->readers)
#define read_unlock(lock) ((void)--(lock)->readers)
#define write_lock(lock) (BUG_ON((lock)->writers || (lock)->readers), (void)++(lock)->writers)
#define write_lock_nested(lock, class) write_lock(lock)
#define write_unlock(lock) ((void)--(lock)->writers)
#define local_lock(lock) ((void)(lock))
#define local_unlock(lock) ((void)(lock))
#define INIT_LOCAL_LOCK(lock) {0}
#define cond_resched() ((void)0)
#define cpu_relax() ((void)0)
#define in_interrupt() 0
#define pagefault_disable() ((void)0)
#define pagefault_enable() ((void)0)
#define migrate_disable() ((void)0)
#define migrate_enable() ((void)0)

typedef struct {
    int counter;
} atomic_t;
typedef struct {
    long counter;
} atomic_long_t, atomic64_t;
#define atomic_set(atom, value) ((void)((atom)->counter = (value)))
#define atomic64_set(atom, value) atomic_set(atom, value)
#define atomic_xchg(atom, value) ({ const int shim_was = (atom)->counter; (atom)->counter = (value); shim_was; })
#define atomic64_read(atom) ((atom)->counter)
#define atomic64_inc(atom) ((void)++(atom)->counter)
#define atomic64_dec(atom) ((void)--(atom)->counter)
#define atomic_long_read(atom) ((atom)->counter)
#define atomic_long_add(n, atom) ((void)((atom)->counter += (n)))
#define atomic_long_sub(n, atom) ((void)((atom)->counter -= (n)))

#define __ffs(word) __builtin_ctzl(word)
static inline bool test_bit(int bit, const unsigned long *word) { return *word >> bit & 1; }
static inline void set_bit(int bit, unsigned long *word) { *word |= 1ul << bit; }
static inline void clear_bit(int bit, unsigned long *word) { *word &= ~(1ul << bit); }
static inline bool test_and_set_bit(int bit, unsigned long *word) {
    const bool was = test_bit(bit, word);
    set_bit(bit, word);
    return was;
}
static inline bool test_and_clear_bit(int bit, unsigned long *word) {
    const bool was = test_bit(bit, word);
    clear_bit(bit, word);
    return was;
}

#define __test_and_set_bit test_and_set_bit
#define __test_and_clear_bit test_and_clear_bit
#define __set_bit set_bit

/* Of 64 bits, as the marks of an xarray's node. */
static inline bool bitmap_empty(const unsigned long *word, unsigned bits) { return !*word; }
static inline void bitmap_fill(unsigned long *word, unsigned bits) { *word = ~0ul; }
static inline void bitmap_clear(unsigned long *word, unsigned from, unsigned bits) { *word &= ~((~0ul >> (64 - bits)) << from); }
static inline unsigned find_next_bit(const unsigned long *word, unsigned bits, unsigned from) {
    const unsigned long rest = from < bits ? *word & ~0ul << from : 0;
    const unsigned found = rest ? __builtin_ctzl(rest) : bits;
    return found < bits ? found : bits;
}

struct kref {
    int count;
};
static inline void kref_init(struct kref *ref) { ref->count = 1; }
static inline void kref_get(struct kref *ref) { ++ref->count; }
static inline int kref_put(struct kref *ref, void (*release)(struct kref *)) {
    if (--ref->count) return 0;
    release(ref);
    return 1;
}

#define smp_processor_id() 0
#define cpu_online(cpu) ((cpu) == 0)
#define for_each_online_cpu(cpu) for ((cpu) = 0; (cpu) < 1; ++(cpu))
#define for_each_possible_cpu(cpu) for_each_online_cpu(cpu)
#define DEFINE_PER_CPU(type, name) type name
#define this_cpu_ptr(p) (p)
#define per_cpu(name, cpu) (name)
#define per_cpu_ptr(p, cpu) (p)
#define cpuhp_setup_state(...) 0
#define cpuhp_remove_state(state) ((void)0)

/* ---- memory, the host's ---- */

/* What an instance has of the kernel around it. Whatever was taken from the host is in one list, so that it can be given back whole. */
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
};
#define DEFAULT_SEEKS 2
#define SHRINK_STOP (~0ul)
#define register_shrinker(...) 0
#define unregister_shrinker(shrinker) ((void)(shrinker))

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
