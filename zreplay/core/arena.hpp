// Memory for one kind of descriptor: chunks of 2 MiB that never move, so addresses are stable and bits can hide in
// them.
//
// Freed places go on a stack beside the chunks instead of a list threaded through them: the next place to hand out is
// then known without touching cold memory, and the place eight pops ahead can be prefetched. The contents of a freed
// place stay mapped; whoever follows a stale pointer as a prefetch hint reads old bytes, never a fault.
#pragma once

#include <sys/mman.h>

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

    const uint64_t& live() const { return live_; }
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

}  // namespace zreplay
