/* One thread: locks cost nothing, on neither side of the comparison. */
#ifndef SHIM_SPINLOCK_H
#define SHIM_SPINLOCK_H

typedef struct { char unused; } spinlock_t;

#define __SPIN_LOCK_UNLOCKED(x) ((spinlock_t){0})
#define DEFINE_SPINLOCK(x) spinlock_t x
#define spin_lock_init(x) ((void)(x))
#define spin_lock(x) ((void)(x))
#define spin_unlock(x) ((void)(x))
#define spin_lock_bh(x) ((void)(x))
#define spin_unlock_bh(x) ((void)(x))
#define spin_lock_irq(x) ((void)(x))
#define spin_unlock_irq(x) ((void)(x))
#define spin_lock_irqsave(x, flags) ((void)(x), (void)(flags))
#define spin_unlock_irqrestore(x, flags) ((void)(x), (void)(flags))

#endif
