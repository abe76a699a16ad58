// Memory for things named by numbers, which may move when it grows: no address is kept, so a name takes 32 bits.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "prefetch.hpp"

namespace zreplay {

// Zeroed memory that grows as a whole and may move when it does; pages that nobody touched take no memory. From 2 MiB on it
// asks for huge pages, and moving it moves page tables, not bytes.
class GrowingMemory {
    static constexpr size_t huge_page_bytes = size_t{2} << 20;

  public:
    GrowingMemory() = default;
    GrowingMemory(const GrowingMemory&) = delete;
    GrowingMemory& operator=(const GrowingMemory&) = delete;
    ~GrowingMemory() { clear(); }

    std::byte* begin() const { return begin_; }
    size_t bytes() const { return bytes_; }

    // To a power of two of bytes, at least a page. Throws std::bad_alloc.
    void grow(size_t bytes) {
        const size_t alignment = bytes < huge_page_bytes ? 0 : huge_page_bytes;
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* mapped = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (mapped == MAP_FAILED) throw std::bad_alloc();
        auto* moved = static_cast<std::byte*>(mapped);
        if (alignment) {
            const size_t before = -reinterpret_cast<uintptr_t>(moved) & (alignment - 1);
            if (before) munmap(moved, before);
            if (before < alignment) munmap(moved + before + bytes, alignment - before);
            moved += before;
        }
        if (bytes_ && mremap(begin_, bytes_, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == MAP_FAILED) {
            munmap(moved, bytes);
            throw std::bad_alloc();
        }
        if (alignment) madvise(moved, bytes, MADV_HUGEPAGE);
        begin_ = moved;
        bytes_ = bytes;
    }

    void clear() {
        if (bytes_) munmap(begin_, bytes_);
        begin_ = nullptr;
        bytes_ = 0;
    }

  private:
    std::byte* begin_ = nullptr;
    size_t bytes_ = 0;
};

// Things named by numbers of 32 bits from 1 on, which stay when the memory moves; what is freed is used again first.
template <class T>
class NumberedArena {
  public:
    T& operator[](uint32_t number) const { return *at(number); }
    // Where it would be: no memory need be there.
    T* at(uint32_t number) const { return reinterpret_cast<T*>(memory_.begin()) + number; }

    // What was in the place is left as it is. Throws std::bad_alloc.
    uint32_t make() {
        ++live_;
        if (!free_.empty()) {
            const uint32_t number = free_.back();
            free_.pop_back();
            if (free_.size() >= 8) prefetch_to_write(at(free_[free_.size() - 8]));
            return number;
        }
        if ((++last_ + 1) * sizeof(T) > memory_.bytes()) memory_.grow(std::max(memory_.bytes() * 2, size_t{2} << 20));
        if (last_ >> 31) throw std::bad_alloc();
        return static_cast<uint32_t>(last_);
    }

    void release(uint32_t number) {
        free_.push_back(number);
        --live_;
    }

    const uint64_t& live() const { return live_; }

  private:
    GrowingMemory memory_;
    std::vector<uint32_t> free_;
    uint64_t last_ = 0;
    uint64_t live_ = 0;
};

}  // namespace zreplay
