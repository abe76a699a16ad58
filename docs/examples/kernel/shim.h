/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel's files find around them here: user space, one thread, and what memory the host gives.
 *
 * Every header they include that is not one of their own small ones is this file (make-plugins). Locks are only looked
 * after: a lock taken twice is a trap. Work for a worker waits until the operation that queued it is over. What a kernel
 * asserts only when it is debugged is asserted. Memory, pages and work are in shim_mm.h, which this one brings.
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
#undef __always_inline /* the C library's */
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
#define VM_WARN_ON_ONCE(x) BUG_ON(x)
#define VM_BUG_ON_PAGE(x, page) BUG_ON(x)
#define pr_info(...) ((void)0)
#define pr_err(...) ((void)0)
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define max(a, b) ({ __typeof__(a) shim_a = (a), shim_b = (b); shim_a > shim_b ? shim_a : shim_b; })
#define min(a, b) ({ __typeof__(a) shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define min_t(type, a, b) ({ type shim_a = (a), shim_b = (b); shim_a < shim_b ? shim_a : shim_b; })
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define is_power_of_2(n) ((n) && !((n) & ((n) - 1)))
#define round_up(n, to) (((n) + (to) - 1) / (to) * (to))
#define _AC(x, type) SHIM_AC(x, type)
#define SHIM_AC(x, type) x##type
#define SZ_16M 0x1000000
#define BITS_PER_LONG 64
#define BITS_TO_LONGS(bits) DIV_ROUND_UP(bits, BITS_PER_LONG)
#define ULONG_MAX (~0ul)
#define UINT_MAX (~0u)
#define INT_MAX 0x7fffffff
#define MAX_ERRNO 4095
#define IS_ENABLED(option) option
#define CONFIG_COMPACTION 1
#define CONFIG_XARRAY_MULTI 1
#define CONFIG_BASE_SMALL 0

enum { ENOENT = 2, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EEXIST = 17, EINVAL = 22, ENOSPC = 28 };
#define IS_ERR(p) ((unsigned long)(p) >= (unsigned long)-MAX_ERRNO)
#define IS_ERR_VALUE(word) IS_ERR(word)
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
#define rwlock_is_contended(lock) ((void)(lock), 0)
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
static inline void bitmap_clear(unsigned long *word, unsigned from, unsigned bits) {
    *word &= ~((~0ul >> (64 - bits)) << from);
}
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

#include "shim_mm.h"

#endif
