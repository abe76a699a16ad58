/* simple.c's index and order once more for each wrong answer that only C can give, by name. */
#include "zreplay_plugin.h"

#define zreplay_plugin simple_plugin
#include "simple.c"
#undef zreplay_plugin

static uint64_t more_entries, more_nodes, more_bytes; /* than there are */
static uint64_t created;
static struct zr_cost *latest; /* an account that is nobody's any more */
static struct zr_host *its_host;

/* ---- what it gives ---- */

#define GIVES(name, error, word)                                                                                        \
    static int name(void *index, uint32_t type, uint64_t offset, uint64_t *location, struct zr_cost *cost) {            \
        (void)index, (void)type, (void)offset, (void)cost;                                                              \
        *location = word;                                                                                               \
        return error;                                                                                                   \
    }
GIVES(finds_zero, 0, 0)
GIVES(finds_error, -EIO, 0)
GIVES(erases_zero, 0, 0)
GIVES(erases_error, -EIO, 0)

#define MOVES(name, error)                                                                                              \
    static int name(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) { \
        (void)index, (void)type, (void)offset, (void)location, (void)cost;                                              \
        *old = 0;                                                                                                       \
        return error;                                                                                                   \
    }
MOVES(moves_error, -71)
MOVES(moves_number, 7)
MOVES(moves_zero, 0)

static int next_error(void *mm, uint64_t group, uint64_t *cookie, struct zr_cost *cost) {
    (void)mm, (void)group, (void)cookie, (void)cost;
    return -EIO;
}

/* ---- memory ---- */

static int creates_once(const struct zr_index_options *options, struct zr_host *host, void **index) {
    return created++ ? -EIO : array_create(options, host, index);
}

static int creates_once_for_want_of_memory(const struct zr_index_options *options, struct zr_host *host, void **index) {
    return created++ ? -ENOMEM : array_create(options, host, index);
}

/* More allocations than are made to fail one by one, and one that no machine has the memory for. */
static int creates_by_many(const struct zr_index_options *options, struct zr_host *host, void **index) {
    void *blocks[120];
    int failed = 0;
    for (size_t i = 0; i < 120; ++i) failed |= !(blocks[i] = host->alloc(host, 1, 1));
    for (size_t i = 0; i < 120; ++i) host->free(host, blocks[i]);
    if (host->alloc(host, (size_t)1 << 62, 4096)) return -EIO;
    return failed ? -ENOMEM : array_create(options, host, index);
}

static int creates(const struct zr_index_options *options, struct zr_host *host, void **index) {
    more_entries = more_nodes = more_bytes = 0;
    its_host = host;
    return array_create(options, host, index);
}

static int inserts(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    latest = cost;
    const uint64_t before = ((struct array *)index)->count;
    const int error = array_insert(index, type, offset, location, old, cost);
    cost->nodes_allocated += ((struct array *)index)->count - before;
    return error;
}
static int erases(void *index, uint32_t type, uint64_t offset, uint64_t *old, struct zr_cost *cost) {
    const int error = array_erase(index, type, offset, old, cost);
    cost->nodes_freed += !error;
    return error;
}

static int inserts_or_erases(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    void *block = its_host->alloc(its_host, 16, 16);
    if (!block) {
        array_erase(index, type, offset, old, cost);
        return -ENOMEM;
    }
    its_host->free(its_host, block);
    return inserts(index, type, offset, location, old, cost);
}

/* What a pool may ask of its host, which is nothing to an index. */
static int inserts_and_asks(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    its_host->moved(its_host, 64, 64);
    if (its_host->evict(its_host, 64) != -EAGAIN) return -EIO;
    return inserts(index, type, offset, location, old, cost);
}

static int inserts_never(void *index, uint32_t type, uint64_t offset, uint64_t location, uint64_t *old, struct zr_cost *cost) {
    (void)index, (void)type, (void)offset, (void)location, (void)old, (void)cost;
    return -ENOMEM;
}

/* ---- look(), and what it changes ---- */

static void looks_and_adds(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    (void)index, (void)step, (void)group, (void)ahead;
    ++more_entries;
}
static void looks_and_makes(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    (void)index, (void)step, (void)group, (void)ahead;
    ++more_nodes;
}
static void looks_and_grows(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    (void)index, (void)step, (void)group, (void)ahead;
    ++more_bytes;
}
static void looks_and_counts(void *index, uint32_t step, uint32_t group, struct zr_ahead *ahead) {
    (void)index, (void)step, (void)group, (void)ahead;
    ++latest->cache_lines;
}
static void memory_and_more(void *index, struct zr_index_memory *memory) {
    array_memory(index, memory);
    memory->entries += more_entries;
    memory->nodes += more_nodes;
    memory->bytes += more_bytes;
}

/* ---- tables ---- */

static struct zr_index_ops tables[17];
static const struct zr_index_ops *indexes[18];
static struct zr_mm_ops order;
static const struct zr_mm_ops *const orders[] = {&order, NULL};

__attribute__((constructor)) static void fill(void) {
    struct zr_index_ops *of = tables;
    for (size_t i = 0; i < 17; ++i) {
        tables[i] = array_ops;
        indexes[i] = &tables[i];
        tables[i].create = creates;
        tables[i].insert = inserts;
        tables[i].erase = erases;
    }
#define TABLE(its_name, member, operation) of->name = its_name, (of++)->member = operation
    TABLE("finds-zero", find, finds_zero);
    TABLE("finds-error", find, finds_error);
    TABLE("erases-zero", erase, erases_zero);
    TABLE("erases-error", erase, erases_error);
    TABLE("moves-error", move, moves_error);
    TABLE("moves-number", move, moves_number);
    TABLE("moves-zero", move, moves_zero);
    TABLE("creates-once", create, creates_once);
    TABLE("creates-once-for-want-of-memory", create, creates_once_for_want_of_memory);
    TABLE("creates-by-many", create, creates_by_many);
    TABLE("inserts-or-erases", insert, inserts_or_erases);
    TABLE("inserts-never", insert, inserts_never);
    TABLE("looks-and-adds", look, looks_and_adds);
    TABLE("looks-and-makes", look, looks_and_makes);
    TABLE("looks-and-grows", look, looks_and_grows);
    TABLE("looks-and-counts", look, looks_and_counts);
    TABLE("inserts-and-asks", insert, inserts_and_asks);
    for (of = tables + 12; of < tables + 16; ++of) of->look_steps = 1, of->memory = memory_and_more;
    order = fifo_ops;
    order.name = "next-error";
    order.next = next_error;
}

ZR_EXPORT const struct zr_plugin zreplay_plugin = {
    .abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin), .indexes = indexes, .mms = orders};
