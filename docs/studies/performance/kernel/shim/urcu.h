/* In place of liburcu, which the kernel's user-space tests build on: one thread, so nobody is reading while it writes, and
 * what is freed after a grace period is freed at once. */
#ifndef SHIM_URCU_H
#define SHIM_URCU_H

struct rcu_head {
    void (*func)(struct rcu_head *);
};

#define rcu_read_lock() do { } while (0)
#define rcu_read_unlock() do { } while (0)
#define rcu_dereference(p) (*(__typeof__(p) volatile *)&(p))
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)
#define call_rcu(head, freed) (freed)(head)
#define uatomic_inc(p) (++*(p))
#define uatomic_dec(p) (--*(p))

#endif
