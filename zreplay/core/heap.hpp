// The process's own heap, for whom batches are decoded into memory of the same size over and over.
#pragma once

#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>

namespace zreplay {

// Memory that is given back to the kernel is cleared each time it is asked for again.
inline void keep_freed_memory() {
    constexpr int large = 1 << 30, step = 32 << 20;
    mallopt(M_MMAP_THRESHOLD, large);
    mallopt(M_TRIM_THRESHOLD, large);
    mallopt(M_TOP_PAD, step);
}

// Has the kernel give memory for what a short replay asks of the heap, in a thread beside the imports: a fault for each page
// when it is touched is a sixth of such a replay's time. Nothing depends on whether there is any to be had.
inline void populate_heap() {
#ifdef MADV_POPULATE_WRITE
    constexpr int populate = MADV_POPULATE_WRITE;  // since Linux 5.14
#else
    constexpr int populate = 23;  // older headers
#endif
    constexpr size_t huge_bytes = size_t{2} << 20, bytes = 7 * huge_bytes;
    void* memory = std::malloc(bytes + huge_bytes);
    if (!memory) return;
    try {
        std::thread([memory] {
            void* first = memory;
            size_t space = bytes + huge_bytes;
            if (std::align(huge_bytes, bytes, first, space)) {
                madvise(first, bytes, MADV_HUGEPAGE);
                madvise(first, bytes, populate);
            }
            std::free(memory);  // which keeps it
        }).detach();
    } catch (const std::system_error&) {
        std::free(memory);
    }
}

}  // namespace zreplay
