/* A stream of operations on one index, the same for our indexes and for the kernel's own code: plain C, so that both can
 * compile it (time_index.cpp; docs/studies/performance/kernel).
 *
 *      place[]   | slots with an entry: `live` of them | slots without              |     a permutation of 0 to slots - 1
 *
 * Twice as many slots as entries. Of a hundred operations 14 store over an entry, 23 store into an empty slot, 40 load an
 * entry and 23 invalidate one, each drawn evenly over all slots it may have: the number of entries stays what it was.
 */
#ifndef ZREPLAY_OP_STREAM_H
#define ZREPLAY_OP_STREAM_H

#include <stdint.h>
#include <stdlib.h>

enum { op_stream_store, op_stream_load, op_stream_invalidate };

/* Operations made at a time, outside of what is timed. */
enum { op_stream_chunk = 1 << 16 };

struct op_stream_op {
    uint32_t kind, offset;
};

struct op_stream {
    uint64_t random;
    uint32_t live, slots;
    uint32_t *place;
};

/* xorshift64* (Vigna, public domain). */
static inline uint64_t op_stream_random(struct op_stream *stream) {
    stream->random ^= stream->random >> 12;
    stream->random ^= stream->random << 25;
    stream->random ^= stream->random >> 27;
    return stream->random * 0x2545f4914f6cdd1dull;
}

/* The number's place in an order of all numbers below `slots` that looks like chance: a bijection of the next power of two,
 * repeated until it stays below. Shuffling would take a cache miss a slot. */
static inline uint32_t op_stream_scattered(uint32_t number, uint32_t slots) {
    int bits = 1;
    while (bits < 32 && (slots - 1) >> bits) ++bits;
    const uint64_t mask = (1ull << bits) - 1;
    uint64_t at = number;
    do {
        for (int round = 0; round < 3; ++round) {
            at ^= at >> (bits + 1) / 2;
            at = (at * 0x9e3779b97f4a7c15ull + 0x632be5ab) & mask;
        }
        at ^= at >> (bits + 1) / 2;
    } while (at >= slots);
    return (uint32_t)at;
}

/* Nothing is live yet: op_stream_next() fills first. 0: no memory. */
static inline int op_stream_init(struct op_stream *stream, uint32_t entries, uint64_t seed) {
    stream->random = seed * 2 + 1;
    stream->live = 0;
    stream->slots = 2 * entries;
    stream->place = (uint32_t *)malloc((size_t)stream->slots * sizeof(uint32_t));
    if (!stream->place) return 0;
    for (uint32_t i = 0; i < stream->slots; ++i) stream->place[i] = op_stream_scattered(i, stream->slots);
    for (int i = 0; i < 16; ++i) op_stream_random(stream);
    return 1;
}

static inline void op_stream_free(struct op_stream *stream) { free(stream->place); }

static inline void op_stream_swap(struct op_stream *stream, uint32_t one, uint32_t other) {
    const uint32_t slot = stream->place[one];
    stream->place[one] = stream->place[other];
    stream->place[other] = slot;
}

/* A store into the next slot that has had none. */
static inline struct op_stream_op op_stream_fill(struct op_stream *stream) {
    const struct op_stream_op op = {op_stream_store, stream->place[stream->live++]};
    return op;
}

static inline struct op_stream_op op_stream_next(struct op_stream *stream) {
    const uint64_t drawn = op_stream_random(stream);
    const uint32_t percent = (uint32_t)((drawn >> 32) * 100 >> 32), low = (uint32_t)drawn, slots = stream->slots;
    const uint32_t live = stream->live;
    struct op_stream_op op;
    if (live == 0 || (percent >= 14 && percent < 37 && live < slots)) {
        const uint32_t at = live + (uint32_t)((uint64_t)low * (slots - live) >> 32);
        op.kind = op_stream_store;
        op.offset = stream->place[at];
        op_stream_swap(stream, at, stream->live++);
        return op;
    }
    const uint32_t at = (uint32_t)((uint64_t)low * live >> 32);
    op.offset = stream->place[at];
    op.kind = percent < 37 ? op_stream_store : percent < 77 ? op_stream_load : op_stream_invalidate;
    if (op.kind == op_stream_invalidate) op_stream_swap(stream, at, --stream->live);
    return op;
}

/* What the number-th store of the stream puts into the slot: aligned to 64 as a struct page, never 0. */
static inline uint64_t op_stream_word(uint64_t number) { return (number + 1) << 6; }

#endif
