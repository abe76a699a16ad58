/* clock.c by hand: prints the order in which entries go. a, b, c and d are stored; b and d are loaded; b is the only one that
 * goes twice past the hand, as its page is in memory at its turn; e is stored when two have gone. */
#include <stdio.h>
#include <stdlib.h>

#include "zreplay_plugin.h"

static void *host_alloc(struct zr_host *host, size_t bytes, size_t alignment) {
    (void)host, (void)alignment;
    return calloc(1, bytes);
}
static void host_free(struct zr_host *host, void *memory) {
    (void)host;
    free(memory);
}

int main(void) {
    struct zr_host host = {host_alloc, host_free, NULL, NULL};
    const struct zr_mm_ops *ops = zreplay_plugin.mms[0];
    const struct zr_mm_options options = {.size = sizeof options};
    const struct zr_mm_entry entry = {.size = sizeof entry};
    struct zr_cost cost = {0};
    uint64_t handle[128], cookie;
    void *clock;
    if (ops->create(&options, &host, &clock)) return 1;
    for (uint64_t name = 'a'; name <= 'd'; ++name) ops->stored(clock, &entry, name, &handle[name], &cost);
    ops->loaded(clock, handle['b'], &cost);
    ops->loaded(clock, handle['d'], &cost);
    for (int turn = 0; !ops->next(clock, 0, &cookie, &cost); ++turn) {
        putchar((int)cookie);
        ops->visited(clock, handle[cookie], &cost);
        if (turn == 2 && cookie == 'b') continue; /* its page is in memory */
        ops->gone(clock, handle[cookie], &cost);
        if (turn == 1) ops->stored(clock, &entry, 'e', &handle['e'], &cost);
    }
    printf(" %llu\n", (unsigned long long)cost.nodes_visited);
    ops->destroy(clock);
    return 0;
}
