/* SPDX-License-Identifier: Apache-2.0
 *
 * zreplay's plugin interface: swap indexes, pools and reclaim orders of your own, in C11, as a shared object.
 *
 *     cc -O2 -shared -fPIC $(zreplay plugin --cflags) mytree.c -o mytree.so
 *     zreplay run trace.parquet --index ./mytree.so -o runs/mytree
 *
 * A plugin is one exported object, `zreplay_plugin`, that names tables of operations. State is opaque to zreplay, results are 0
 * or a negative errno, and what an operation costs is counted by the plugin in the struct it is handed. docs/plugins.md goes
 * through it from the beginning; docs/examples/plugins/ has whole plugins.
 *
 * What may be relied on: one instance is called by one thread at a time. Instances share nothing unless the plugin does.
 * No operation is called from within another, but for the host's calls, below.
 *
 * What changes between versions: new operations and new members come at the end of a struct, and each table says how
 * long it was when it was compiled, so that a plugin goes on working with a newer zreplay without being compiled again. What an older
 * plugin would get wrong raises ZR_PLUGIN_ABI, and is refused.
 */
#ifndef ZREPLAY_PLUGIN_H
#define ZREPLAY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define ZR_PLUGIN_ABI 1

#ifdef __cplusplus
extern "C" {
#endif

#define ZR_PAGE_SIZE 4096u
#define ZR_SWAP_TYPES 32u           /* swap types are 0 to 31, offsets below 2^58 */
#define ZR_SAME_FILLED UINT64_C(8)  /* the location of a page that has no object: one repeated word */

/* What operations have cost so far; add to it, never clear it. An instance may be handed different ones. */
struct zr_cost {
    uint64_t nodes_visited;     /* nodes of an index looked into */
    uint64_t cache_lines;       /* lines of 64 bytes of them touched, once an access */
    uint64_t nodes_allocated;   /* less nodes_freed: what memory() says */
    uint64_t nodes_freed;
    uint64_t slots_written;     /* words that name a location, a child or a link */
    uint64_t tag_words_written; /* 64-bit words of tags */
    uint64_t headers_read;      /* of a pool: page headers or descriptors looked into */
};

/*
 * The other side, one for each instance. alloc() gives zeroed memory, at least 16-aligned, or NULL; what comes from it is
 * counted, and `zreplay plugin test` makes it fail at every call in turn. A plugin may use malloc() instead and forgo that test.
 */
struct zr_host {
    void *(*alloc)(struct zr_host *host, size_t bytes, size_t alignment);
    void (*free)(struct zr_host *host, void *memory);
    /* Of a pool under reclaim(): write the object with this cookie to the device. 0: it has been, and free() has been called for it;
     * else it stays, for now. */
    int (*evict)(struct zr_host *host, uint64_t cookie);
    /* Of a pool: the object with this cookie has this handle from now on. From within compact(), migrate(), alloc() or free(). */
    void (*moved)(struct zr_host *host, uint64_t cookie, uint64_t handle);
};

/* ---- a swap index: swap entry (type, offset) → location ---- */

/* What the locations are that an index is given; never 0. ZR_SAME_FILLED is one in all three. */
enum zr_words {
    ZR_WORDS_NARROW, /* descriptor, aligned to 16, and a position of 0 to 3 in bits 1 and 2; bit 0 clear */
    ZR_WORDS_WIDE,   /* descriptor, aligned to 64, and a position of 0 to 63: its low five bits in bits 1 to 5, bit 5 in bit 0 */
    ZR_WORDS_VALUE,  /* a pointer aligned to 64, or payload << 1 | 1 */
};

struct zr_index_options {
    uint32_t size;        /* of this struct, by the host */
    enum zr_words words;
    uint32_t entry_bytes; /* of the kernel's entry, where the tree's links are in it */
    uint32_t small;       /* for tests: small nodes, so that every edge comes up; may be ignored */
    uint32_t timing;      /* what a call takes is measured: walk as a kernel would */
    uint32_t reserved;
};

struct zr_index_memory {
    uint64_t entries;
    uint64_t nodes; /* separately allocated; of a tree threaded through its entries, these */
    uint64_t bytes; /* by the kernel's sizes, or by those it would have */
};

/* Calls to come, sixteen at most: what look() may prefetch. `changing`, bit i: slots[i] will be inserted, erased or moved. */
#define ZR_AHEAD 16
struct zr_ahead {
    uint32_t count, changing;
    uint64_t slots[ZR_AHEAD]; /* zr_slot_type(), zr_slot_offset() */
    uint64_t found[ZR_AHEAD]; /* out, after the last step: what find() would give now; 0: nothing, or not known */
    uint8_t wants_found;
};
static inline uint32_t zr_slot_type(uint64_t slot) { return (uint32_t)(slot >> 58); }
static inline uint64_t zr_slot_offset(uint64_t slot) { return slot & ((UINT64_C(1) << 58) - 1); }

#define ZR_INDEX_VALUES  (UINT64_C(1) << 0) /* takes ZR_WORDS_VALUE */
#define ZR_INDEX_TAGS    (UINT64_C(1) << 1) /* keeps positions in tags of its own rather than in the slot */
#define ZR_INDEX_ENTRIES (UINT64_C(1) << 2) /* its nodes are zswap's entries, which have the object's length (as the rbtree's) */

struct zr_index_ops {
    uint32_t abi;  /* ZR_PLUGIN_ABI */
    uint32_t size; /* sizeof(struct zr_index_ops) */
    const char *name;    /* lower-case letters, digits, '-' */
    const char *version; /* yours */
    const char *summary; /* one line */
    uint64_t capabilities;               /* ZR_INDEX_… */
    uint32_t positions_64, positions_32; /* objects of a page a slot can tell apart beside the page's address; 0: it holds handles */
    const char *like; /* the built-in index it is a copy of, to the last count; NULL: none. `zreplay plugin test` then holds it to that. */

    int (*create)(const struct zr_index_options *options, struct zr_host *host, void **index); /* 0, −ENOMEM, −EINVAL */
    void (*destroy)(void *index); /* with whatever is in it */
    /* 0 and the location, or −ENOENT. */
    int (*find)(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost);
    /* Replaces. 0 and the location that was there (0: none), or −ENOMEM and nothing has changed. */
    int (*insert)(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost);
    /* 0 and the location that was there, or −ENOENT. */
    int (*erase)(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost);
    /* The object is somewhere else now. 0 and the location that was there, or −ENOENT and nothing has changed. */
    int (*move)(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost);
    /* visit(arg, offset, location) for each entry of the type, offsets ascending. */
    void (*for_each)(void *index, uint32_t type, void (*visit)(void *arg, uint64_t offset, uint64_t location), void *arg);
    void (*memory)(void *index, struct zr_index_memory *memory);
    /* 0, or −EINVAL and in `message`, of `bytes` bytes, what is wrong. */
    int (*check)(void *index, char *message, size_t bytes);

    /* Optional, both or neither (NULL): prefetch what calls to come will touch. Steps 0 to look_steps − 1 (7 at most), other groups' steps and
     * calls between them, eight groups under way at once (`group` is 0 to 8). Changes nothing, costs nothing that is counted. */
    uint32_t look_steps;
    void (*look)(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead);
};

/* ---- a pool: objects of some bytes, in pages ---- */

struct zr_pool_options {
    uint32_t size; /* of this struct, by the host */
    uint32_t reserved;
};

struct zr_pool_memory {
    uint64_t pages;
    uint64_t used_bytes;    /* of live objects, after rounding up to chunks or to the class */
    uint64_t movable_pages; /* migrate() could move these now */
};

struct zr_class_row {
    uint32_t class_size;  /* bytes; 0: not by classes */
    uint32_t free_chunks; /* else pages by free room, in chunks of 64 bytes */
    uint64_t pages, objects;
};

#define ZR_POOL_EVICTS   (UINT64_C(1) << 0) /* has reclaim(): zswap of 3.12 and 6.1 asks it for room, and puts 8 bytes before each object */
#define ZR_POOL_COMPACTS (UINT64_C(1) << 1) /* has compact() */
#define ZR_POOL_MIGRATES (UINT64_C(1) << 2) /* has migrate() */
#define ZR_POOL_SPANS    (UINT64_C(1) << 3) /* an object may lie across two pages */
#define ZR_POOL_LRU      (UINT64_C(1) << 4) /* reclaim() takes the page whose latest allocation is the oldest */

struct zr_pool_ops {
    uint32_t abi;  /* ZR_PLUGIN_ABI */
    uint32_t size; /* sizeof(struct zr_pool_ops) */
    const char *name, *version, *summary;
    uint64_t capabilities; /* ZR_POOL_… */
    const char *like;      /* as of an index */

    int (*create)(const struct zr_pool_options *options, struct zr_host *host, void **pool); /* 0, −ENOMEM */
    void (*destroy)(void *pool); /* with whatever is in it */
    /* 0 and a handle, any word; −EINVAL (nothing asked for, or more than a page), −ENOSPC (too large for this pool), −ENOMEM. `cookie` names the object to
     * the host, until it is freed. */
    int (*alloc)(void *pool, uint32_t bytes, uint64_t cookie, uint64_t *handle, struct zr_cost *cost);
    void (*free)(void *pool, uint64_t handle, struct zr_cost *cost);
    void (*memory)(void *pool, struct zr_pool_memory *memory);
    int (*check)(void *pool, char *message, size_t bytes); /* as of an index */

    /* What follows is optional (NULL). */

    /* The object is read; `length_known`: its length is known without the pool. Only costs. */
    void (*map)(void *pool, uint64_t handle, int length_known, struct zr_cost *cost);
    /* The page the object begins in, by a number never given to another page, and which of the page's objects it is. */
    void (*where)(void *pool, uint64_t handle, uint64_t *page, uint32_t *position);
    /* Free one page by host->evict()ing what is in it; `retries` pages are tried. 0, −EINVAL (nothing to reclaim), −EAGAIN. */
    int (*reclaim)(void *pool, uint32_t retries, struct zr_cost *cost);
    /* Gives the pages freed. Objects that get another handle by it: host->moved(). */
    uint64_t (*compact)(void *pool, struct zr_cost *cost);
    /* Move the page the object is in to another. 0 and how many objects were in it, −EAGAIN, −EBUSY. */
    int (*migrate)(void *pool, uint64_t handle, uint32_t *objects, struct zr_cost *cost);
    /* Fill at most `rows` rows; gives how many there are. */
    uint32_t (*classes)(void *pool, struct zr_class_row *row, uint32_t rows);
};

/* ---- a reclaim order: which of zswap's entries goes next (models of 6.12 and later) ---- */

struct zr_mm_options {
    uint32_t size; /* of this struct, by the host */
    uint32_t reserved;
};

struct zr_mm_memory {
    uint64_t entries, bytes;
};

/* What is known of an entry when it is stored. */
struct zr_mm_entry {
    uint32_t size; /* of this struct, by the host */
    uint32_t type;
    uint64_t offset;
    uint64_t group; /* cgroup << 16 | node */
    uint32_t length_bytes;
};

#define ZR_MM_MAKES_ROOM (UINT64_C(1) << 0) /* a store evicts what it needs the room of; else zswap's worker does, by its threshold */
#define ZR_MM_GROUPS     (UINT64_C(1) << 1) /* keeps an order for each group; else `group` is to be ignored */

struct zr_mm_ops {
    uint32_t abi;  /* ZR_PLUGIN_ABI */
    uint32_t size; /* sizeof(struct zr_mm_ops) */
    const char *name, *version, *summary;
    uint64_t capabilities; /* ZR_MM_… */
    const char *like;      /* as of an index */

    int (*create)(const struct zr_mm_options *options, struct zr_host *host, void **mm); /* 0, −ENOMEM */
    void (*destroy)(void *mm);
    /* 0 and a handle, any word; −ENOMEM. `cookie` names the entry to the host, until gone(). */
    int (*stored)(void *mm, const struct zr_mm_entry *entry, uint64_t cookie, uint64_t *handle, struct zr_cost *cost);
    void (*gone)(void *mm, uint64_t handle, struct zr_cost *cost); /* loaded, invalidated, replaced or evicted */
    void (*loaded)(void *mm, uint64_t handle, struct zr_cost *cost); /* and stays, where loads are not exclusive */
    /* Whose turn it is: 0 and the cookie, or −ENOENT. Asked again without a change, it is the same one. */
    int (*next)(void *mm, uint64_t group, uint64_t *cookie, struct zr_cost *cost);
    /* It was its turn, and it is about to be evicted (gone() follows) or stays, its page being in memory: others first. */
    void (*visited)(void *mm, uint64_t handle, struct zr_cost *cost);
    void (*memory)(void *mm, struct zr_mm_memory *memory);
    int (*check)(void *mm, char *message, size_t bytes); /* as of an index */
};

/* ---- what is exported ---- */

struct zr_plugin {
    uint32_t abi;  /* ZR_PLUGIN_ABI */
    uint32_t size; /* sizeof(struct zr_plugin) */
    /* Each ends with a NULL; NULL: there are none. */
    const struct zr_index_ops *const *indexes;
    const struct zr_pool_ops *const *pools;
    const struct zr_mm_ops *const *mms;
};

#define ZR_EXPORT __attribute__((visibility("default")))
extern ZR_EXPORT const struct zr_plugin zreplay_plugin;

#ifdef __cplusplus
}
#endif

#endif
