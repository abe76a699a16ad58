/* What a cache miss costs here: nanoseconds a line, along one chain of random lines through 256 MiB on huge pages, and along
 * sixteen chains at once. Prints both. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { lines = 1 << 22, chains = 16, steps = 1 << 20 };

struct line {
    uint32_t next;
    char rest[60];
};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

static double chase(const struct line *memory, int together, uint32_t *at) {
    const double begun = now_ns();
    for (int step = 0; step < steps / together; ++step)
        for (int chain = 0; chain < together; ++chain) at[chain] = memory[at[chain]].next;
    return (now_ns() - begun) / (steps / together * together);
}

int main(void) {
    const size_t bytes = sizeof(struct line) * lines;
    struct line *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *order = malloc(sizeof(uint32_t) * lines), at[chains];
    uint64_t random = 88172645463325252ull;
    if (memory == MAP_FAILED || !order) return 3;
    madvise(memory, bytes, MADV_HUGEPAGE);
    for (uint32_t i = 0; i < lines; ++i) order[i] = i;
    for (uint32_t i = lines - 1; i; --i) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const uint32_t other = (uint32_t)(random % (i + 1)), line = order[i];
        order[i] = order[other];
        order[other] = line;
    }
    for (uint32_t i = 0; i < lines; ++i) memory[order[i]].next = order[(i + 1) % lines];
    for (int chain = 0; chain < chains; ++chain) at[chain] = order[(uint32_t)chain * (lines / chains)];
    const double one = chase(memory, 1, at), many = chase(memory, chains, at);
    printf("%.2f %.2f\n", one, many);
    return at[0] == lines;
}
