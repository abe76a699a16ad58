// Memory for one large table that is touched at random: on huge pages where the kernel grants them, as a table of 80 MB on
// small ones costs a miss of the TLB at every touch.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

namespace zreplay {

// For a std::vector that does not grow. Tables below one huge page are on small pages.
template <class T>
struct HugePages {
    using value_type = T;

    HugePages() = default;
    template <class U>
    HugePages(const HugePages<U>&) {}  // NOLINT: an allocator converts

    T* allocate(size_t count) {
        constexpr size_t huge_bytes = size_t{2} << 20;
        size_t bytes = count * sizeof(T);
        bool huge = bytes >= huge_bytes;
        size_t alignment = huge ? huge_bytes : 64;
        size_t rounded = (bytes + alignment - 1) / alignment * alignment;
        void* place = std::aligned_alloc(alignment, rounded);
        if (!place) throw std::bad_alloc();
        if (huge) madvise(place, rounded, MADV_HUGEPAGE);  // a hint
        return static_cast<T*>(place);
    }
    void deallocate(T* place, size_t) { std::free(place); }

    friend bool operator==(HugePages, HugePages) { return true; }
};

}  // namespace zreplay
