// Memory for one kind of descriptor: chunks of 2 MiB that never move, so addresses are stable and bits can hide in
// them.
//
// Freed places go on a stack beside the chunks instead of a list threaded through them: the next place to hand out is
// then known without touching cold memory, and the place eight pops ahead can be prefetched. The contents of a freed
// place stay mapped; whoever follows a stale pointer as a prefetch hint reads old bytes, never a fault.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "prefetch.hpp"

namespace zreplay {

// Stride is the distance between neighbours (the slab's object size where the kernel's differs from sizeof).
template <class T, size_t Stride = sizeof(T)>
class Arena {
    static_assert(Stride >= sizeof(T) && Stride % alignof(T) == 0);
    static constexpr size_t chunk_bytes = size_t{2} << 20;
    static constexpr size_t per_chunk = chunk_bytes / Stride;

  public:
    Arena() = default;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // The place is value-initialised. Throws std::bad_alloc.
    T* make() {
        if (!free_.empty()) {
            T* place = free_.back();
            free_.pop_back();
            if (free_.size() >= 8) prefetch_to_write(free_[free_.size() - 8]);
            ++live_;
            return new (place) T();
        }
        if (fresh_ == per_chunk || chunks_.empty()) grow();
        std::byte* place = chunks_.back().get() + fresh_++ * Stride;
        ++live_;
        return new (place) T();
    }

    void release(T* place) {
        free_.push_back(place);
        --live_;
    }

    // Every place ever given out, in order of address within a chunk, from the number-th on and round, until
    // visit(place) gives false. It has to see for itself which are in use.
    template <class Visit>
    void visit_from(uint64_t number, Visit&& visit) const {
        const uint64_t places = live_ ? (chunks_.size() - 1) * per_chunk + fresh_ : 0;
        for (uint64_t i = 0, k = places ? number % places : 0; i < places; ++i, k = k + 1 == places ? 0 : k + 1)
            if (!visit(reinterpret_cast<T*>(chunks_[k / per_chunk].get() + k % per_chunk * Stride))) return;
    }

    uint64_t live() const { return live_; }
    uint64_t reserved_bytes() const { return chunks_.size() * chunk_bytes; }

  private:
    struct Unmap {
        void operator()(std::byte* chunk) const { std::free(chunk); }
    };

    void grow() {
        auto* chunk = static_cast<std::byte*>(std::aligned_alloc(chunk_bytes, chunk_bytes));
        if (!chunk) throw std::bad_alloc();
        madvise(chunk, chunk_bytes, MADV_HUGEPAGE);  // a hint: 5 to 25 % on cold descriptors
        chunks_.emplace_back(chunk);
        fresh_ = 0;
    }

    std::vector<std::unique_ptr<std::byte, Unmap>> chunks_;
    std::vector<T*> free_;
    size_t fresh_ = 0;
    uint64_t live_ = 0;
};

// The same memory for things of several sizes, which their owner uses again by himself; nothing is given back before
// the end.
class ByteArena {
    static constexpr size_t chunk_bytes = size_t{2} << 20;

  public:
    // Aligned to 16. At most a chunk at once. Throws std::bad_alloc.
    void* take(size_t bytes) {
        bytes = (bytes + 15) & ~size_t{15};
        if (chunks_.empty() || used_ + bytes > chunk_bytes) {
            auto* chunk = static_cast<std::byte*>(std::aligned_alloc(chunk_bytes, chunk_bytes));
            if (!chunk) throw std::bad_alloc();
            madvise(chunk, chunk_bytes, MADV_HUGEPAGE);
            chunks_.emplace_back(chunk);
            used_ = 0;
        }
        void* place = chunks_.back().get() + used_;
        used_ += bytes;
        return place;
    }

  private:
    struct Unmap {
        void operator()(std::byte* chunk) const { std::free(chunk); }
    };
    std::vector<std::unique_ptr<std::byte, Unmap>> chunks_;
    size_t used_ = 0;
};

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
    T& operator[](uint32_t number) const { return reinterpret_cast<T*>(memory_.begin())[number]; }

    // What was in the place is left as it is. Throws std::bad_alloc.
    uint32_t make() {
        ++live_;
        if (!free_.empty()) {
            const uint32_t number = free_.back();
            free_.pop_back();
            if (free_.size() >= 8) prefetch_to_write(&(*this)[free_[free_.size() - 8]]);
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

    uint64_t live() const { return live_; }

  private:
    GrowingMemory memory_;
    std::vector<uint32_t> free_;
    uint64_t last_ = 0;
    uint64_t live_ = 0;
};

}  // namespace zreplay
