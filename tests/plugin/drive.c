/* Random operations on the plugin this is linked with, beside arrays, every third call with an allocation that fails: for the
 * sanitizers, under which a shared object cannot be loaded into Python. What answers are right, `zreplay plugin test` knows
 * better. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zreplay_plugin.h"

#define REQUIRE(what)                                                       \
    do {                                                                    \
        if (!(what)) {                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);      \
            abort();                                                        \
        }                                                                   \
    } while (0)

enum { types = 3, slots = 3000, objects = 4000 };

/* ---- the host ---- */

static uint64_t handles[objects];
static long live, allocations, fails_at = -1;
static int has_failed;

static void *host_alloc(struct zr_host *host, size_t bytes, size_t alignment) {
    (void)host;
    if (allocations++ == fails_at) {
        has_failed = 1;
        return NULL;
    }
    alignment = alignment < 16 ? 16 : alignment;
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    REQUIRE(memory);
    ++live;
    return memset(memory, 0, bytes);
}
static void host_free(struct zr_host *host, void *memory) {
    (void)host;
    --live;
    free(memory);
}
static void host_moved(struct zr_host *host, uint64_t cookie, uint64_t handle) {
    (void)host;
    REQUIRE(cookie < objects);
    handles[cookie] = handle;
}
static struct zr_host host = {host_alloc, host_free, NULL, host_moved};

static uint64_t state = 1;
static uint64_t draw(uint64_t below) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % below;
}
static void maybe_fail(void) {
    has_failed = 0;
    fails_at = draw(3) ? -1 : allocations + (long)draw(3);
}

/* ---- an index ---- */

static uint64_t offsets[slots], words[types][slots];

struct walk {
    uint32_t type;
    int next; /* of the slots, the one whose turn it is; offsets[] ascends */
};

static void visit(void *arg, uint64_t offset, uint64_t location) {
    struct walk *walk = arg;
    while (walk->next < slots && !words[walk->type][walk->next]) ++walk->next;
    REQUIRE(walk->next < slots && offsets[walk->next] == offset && words[walk->type][walk->next] == location);
    ++walk->next;
}

static void check_index(const struct zr_index_ops *ops, void *index, const struct zr_cost *cost) {
    char message[200] = "";
    struct zr_index_memory memory;
    uint64_t entries = 0;
    if (ops->check(index, message, sizeof message)) fprintf(stderr, "%s\n", message), abort();
    for (uint32_t type = 0; type < types; ++type) {
        struct walk walk = {type, 0};
        ops->for_each(index, type, visit, &walk);
        for (; walk.next < slots; ++walk.next) REQUIRE(!words[type][walk.next]);
        for (int slot = 0; slot < slots; ++slot) entries += words[type][slot] != 0;
    }
    ops->memory(index, &memory);
    REQUIRE(memory.entries == entries && memory.nodes == cost->nodes_allocated - cost->nodes_freed);
}

/* Steps of some group, in turn, whatever has happened since its last. */
static void look(const struct zr_index_ops *ops, void *index) {
    static struct zr_ahead ahead[9];
    static uint32_t step[9];
    static void *of[9];
    const uint32_t group = (uint32_t)draw(9);
    struct zr_ahead *at = &ahead[group];
    if (of[group] != index || step[group] == ops->look_steps) {
        of[group] = index;
        step[group] = 0;
        *at = (struct zr_ahead){.count = ZR_AHEAD, .changing = (uint32_t)draw(1 << ZR_AHEAD), .wants_found = 1};
        for (int i = 0; i < ZR_AHEAD; ++i) at->slots[i] = draw(types) << 58 | offsets[draw(slots)];
    }
    ops->look(index, step[group]++, group, at);
    for (int i = 0; step[group] == ops->look_steps && i < ZR_AHEAD; ++i) {
        struct zr_cost nobodys = {0};
        uint64_t found = 0;
        ops->find(index, zr_slot_type(at->slots[i]), zr_slot_offset(at->slots[i]), &found, &nobodys);
        REQUIRE(!at->found[i] || at->found[i] == found);
    }
}

static void drive_index(const struct zr_index_ops *ops, uint32_t small, uint32_t timing, int far, long calls) {
    const struct zr_index_options options = {.size = sizeof options, .entry_bytes = 64, .small = small, .timing = timing};
    struct zr_cost cost = {0};
    void *index;
    memset(words, 0, sizeof words);
    for (uint64_t i = 0; i < slots; ++i) offsets[i] = far && i > 100 ? i * i * i * i * 3001 : i;
    if (far) offsets[slots - 1] = (UINT64_C(1) << 58) - 1;
    fails_at = -1;
    REQUIRE(!ops->create(&options, &host, &index));
    for (long call = 0; call < calls; ++call) {
        const uint32_t type = (uint32_t)draw(types);
        const uint64_t slot = draw(call / 1000 % 2 ? 30 : slots), kind = draw(10);
        uint64_t location = (draw(1000) + 1) << 4 | draw(4) << 1, old = 0, *word = &words[type][slot];
        int result;
        if (ops->look) look(ops, index);
        maybe_fail();
        if (kind < 4) {
            result = ops->insert(index, type, offsets[slot], location, &old, &cost);
            REQUIRE(result == (has_failed ? -ENOMEM : 0));
            if (!result) {
                REQUIRE(old == *word);
                *word = location;
            }
        } else {
            if (kind < 7) result = ops->erase(index, type, offsets[slot], &old, &cost);
            else if (kind < 9) result = ops->find(index, type, offsets[slot], &old, &cost);
            else result = ops->move(index, type, offsets[slot], location, &old, &cost);
            REQUIRE(result == (*word ? 0 : -ENOENT) && old == *word && !has_failed);
            if (*word && kind != 7 && kind != 8) *word = kind < 7 ? 0 : location;
        }
        if (call % 1000 == 0) check_index(ops, index, &cost);
    }
    check_index(ops, index, &cost);
    ops->destroy(index);
    REQUIRE(live == 0);
}

/* ---- a pool ---- */

static void drive_pool(const struct zr_pool_ops *ops, long calls) {
    static uint32_t sizes[objects];
    const struct zr_pool_options options = {.size = sizeof options};
    struct zr_cost cost = {0};
    struct zr_pool_memory memory;
    void *pool;
    memset(sizes, 0, sizeof sizes);
    fails_at = -1;
    REQUIRE(!ops->create(&options, &host, &pool));
    for (long call = 0; call < calls; ++call) {
        const uint64_t cookie = draw(objects);
        maybe_fail();
        if (!sizes[cookie]) {
            const uint32_t bytes = (uint32_t)draw(4100);
            const int result = ops->alloc(pool, bytes, cookie, &handles[cookie], &cost);
            if (bytes == 0 || bytes > ZR_PAGE_SIZE) REQUIRE(result == -EINVAL);
            else REQUIRE(result == (has_failed ? -ENOMEM : 0));
            if (!result) sizes[cookie] = bytes;
        } else if (ops->migrate && draw(4) == 0) {
            uint32_t moved = 0;
            REQUIRE(!ops->migrate(pool, handles[cookie], &moved, &cost) && moved > 0);
        } else {
            ops->free(pool, handles[cookie], &cost);
            sizes[cookie] = 0;
        }
        if (call % 1000) continue;
        char message[200] = "";
        uint64_t asked_bytes = 0;
        const uint64_t freed = ops->compact && call % 3000 == 0 ? ops->compact(pool, &cost) : 0;
        if (ops->check(pool, message, sizeof message)) fprintf(stderr, "%s\n", message), abort();
        if (freed) REQUIRE(ops->compact(pool, &cost) == 0);
        ops->memory(pool, &memory);
        for (int i = 0; i < objects; ++i) asked_bytes += sizes[i];
        REQUIRE(memory.used_bytes >= asked_bytes && memory.used_bytes <= memory.pages * ZR_PAGE_SIZE);
    }
    ops->destroy(pool);
    REQUIRE(live == 0);
}

/* ---- a reclaim order ---- */

static void drive_mm(const struct zr_mm_ops *ops, long calls) {
    static uint8_t is_there[objects];
    const struct zr_mm_options options = {.size = sizeof options};
    struct zr_cost cost = {0};
    struct zr_mm_memory memory;
    uint64_t entries = 0;
    void *mm;
    memset(is_there, 0, sizeof is_there);
    fails_at = -1;
    REQUIRE(!ops->create(&options, &host, &mm));
    for (long call = 0; call < calls; ++call) {
        uint64_t cookie = draw(objects / 10), again = 0;
        char message[200] = "";
        maybe_fail();
        if (draw(3) == 0) {
            const int result = ops->next(mm, 0, &cookie, &cost);
            REQUIRE(result == (entries ? 0 : -ENOENT));
            if (result) continue;
            REQUIRE(is_there[cookie] && !ops->next(mm, 0, &again, &cost) && again == cookie);
            ops->visited(mm, handles[cookie], &cost);
            if (draw(2)) continue; /* it stays */
        } else if (!is_there[cookie]) {
            const struct zr_mm_entry entry = {.size = sizeof entry, .offset = cookie, .length_bytes = 100};
            const int result = ops->stored(mm, &entry, cookie, &handles[cookie], &cost);
            REQUIRE(result == (has_failed ? -ENOMEM : 0));
            is_there[cookie] = !result;
            entries += !result;
            continue;
        } else if (draw(3)) {
            ops->loaded(mm, handles[cookie], &cost);
            continue;
        }
        ops->gone(mm, handles[cookie], &cost);
        is_there[cookie] = 0;
        --entries;
        ops->memory(mm, &memory);
        REQUIRE(memory.entries == entries);
        if (ops->check(mm, message, sizeof message)) fprintf(stderr, "%s\n", message), abort();
    }
    ops->destroy(mm);
    REQUIRE(live == 0);
}

/* One argument: how many calls. */
int main(int argc, char **argv) {
    const long calls = argc > 1 ? atol(argv[1]) : 100000;
    const struct zr_plugin *plugin = &zreplay_plugin;
    for (int i = 0; plugin->indexes && plugin->indexes[i]; ++i)
        for (uint32_t mode = 0; mode < 8; ++mode)
            drive_index(plugin->indexes[i], mode & 1, mode >> 1 & 1, mode >> 2 & 1, calls);
    for (int i = 0; plugin->pools && plugin->pools[i]; ++i) drive_pool(plugin->pools[i], calls);
    for (int i = 0; plugin->mms && plugin->mms[i]; ++i) drive_mm(plugin->mms[i], calls);
    return 0;
}
