/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel's code touches: its file is compiled with -fsanitize=thread, of which only this much is used that each of
 * its accesses to memory becomes a call of a function here. So what is counted is what it does, whatever our own tree may
 * say that it does.
 */
#ifndef ACCESSES_H
#define ACCESSES_H

#include "shim.h"

static void accessed(uintptr_t address, unsigned bytes, bool written); /* to be defined by who includes this */

/* The distinct lines of one operation so far, and its words. */
static _Thread_local struct {
    uintptr_t lines[512];
    unsigned count;
    uint64_t slots_written, tag_words_written;
} touched;

static void touch(uintptr_t address) {
    const uintptr_t line = address & ~63ul;
    for (unsigned i = touched.count; i-- > 0;)
        if (touched.lines[i] == line) return;
    BUG_ON(touched.count == 512); /* no tree of 2^58 offsets is as deep */
    touched.lines[touched.count++] = line;
}

static void charge_touched(struct zr_cost *cost) {
    cost->cache_lines += touched.count;
    cost->slots_written += touched.slots_written;
    cost->tag_words_written += touched.tag_words_written;
    touched.count = 0;
    touched.slots_written = touched.tag_words_written = 0;
}

#define ACCESS_OF(bytes)                                                                                        \
    void __tsan_read##bytes(void *address) { accessed((uintptr_t)address, bytes, false); }                      \
    void __tsan_write##bytes(void *address) { accessed((uintptr_t)address, bytes, true); }
ACCESS_OF(1)
ACCESS_OF(2)
ACCESS_OF(4)
ACCESS_OF(8)
ACCESS_OF(16)
void __tsan_read_range(void *address, long bytes) { accessed((uintptr_t)address, bytes, false); }
void __tsan_write_range(void *address, long bytes) { accessed((uintptr_t)address, bytes, true); }
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}
void __tsan_init(void) {}

#endif
