// Memory for descriptors: a reserved stretch of addresses that is filled from its begin and never moves, so that addresses are
// stable, bits can hide in them, and a descriptor has a number. On huge pages where the kernel grants them (docs/performance.md).
//
// Freed places go on a stack beside them instead of a list threaded through them: the next place to hand out is
// then known without touching cold memory, and the place eight pops ahead can be prefetched. The contents of a freed
// place stay mapped; whoever follows a stale pointer as a prefetch hint reads old bytes, never a fault.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "prefetch.hpp"

namespace zreplay {

// Addresses without memory, of which the first so many bytes have some. Reserving costs nothing but addresses.
class Reserved {
    static constexpr size_t step_bytes = size_t{2} << 20;  // a huge page
    // Asked for first; half as much, and half of that, where addresses are limited (ulimit -v, valgrind).
    static constexpr size_t most_bytes = size_t{1} << 36, least_bytes = size_t{1} << 28;

  public:
    Reserved() = default;
    Reserved(const Reserved&) = delete;
    Reserved& operator=(const Reserved&) = delete;
    ~Reserved() {
        if (mapped_) munmap(mapped_, reserved_bytes_ + step_bytes);
    }

    std::byte* begin() const { return begin_; }
    size_t bytes() const { return bytes_; }

    // The next step of memory, zeroed. Throws std::bad_alloc.
    void grow() {
        if (!mapped_) reserve();
        if (bytes_ == reserved_bytes_ || mprotect(begin_ + bytes_, step_bytes, PROT_READ | PROT_WRITE)) throw std::bad_alloc();
        // A hint. Not for the first step: a small state would have the kernel clear more than it ever touches.
        if (bytes_) madvise(begin_ + bytes_, step_bytes, MADV_HUGEPAGE);
        bytes_ += step_bytes;
    }

  private:
    void reserve() {
        for (reserved_bytes_ = most_bytes; reserved_bytes_ >= least_bytes; reserved_bytes_ /= 2) {
            void* place = mmap(nullptr, reserved_bytes_ + step_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (place == MAP_FAILED) continue;
            mapped_ = place;
            const auto address = reinterpret_cast<uintptr_t>(place);
            begin_ = reinterpret_cast<std::byte*>((address + step_bytes - 1) / step_bytes * step_bytes);
            return;
        }
        throw std::bad_alloc();
    }

    void* mapped_ = nullptr;
    size_t reserved_bytes_ = 0;
    std::byte* begin_ = nullptr;
    size_t bytes_ = 0;
};

// Descriptors of one kind. Stride is the distance between neighbours (the slab's object size where the kernel's differs from
// sizeof).
template <class T, size_t Stride = sizeof(T)>
class Arena {
    static_assert(Stride >= sizeof(T) && Stride % alignof(T) == 0);

  public:
    // The place is value-initialised. Throws std::bad_alloc.
    T* make() {
        ++live_;
        if (!free_.empty()) {
            T* place = free_.back();
            free_.pop_back();
            if (free_.size() >= 8) prefetch_to_write(free_[free_.size() - 8]);
            return new (place) T();
        }
        while ((used_ + 1) * Stride > memory_.bytes()) memory_.grow();
        return new (memory_.begin() + used_++ * Stride) T();
    }

    void release(T* place) {
        free_.push_back(place);
        --live_;
    }

    uint32_t number(const T* place) const {
        return static_cast<uint32_t>(static_cast<size_t>(reinterpret_cast<const std::byte*>(place) - memory_.begin()) / Stride);
    }
    T* at(uint32_t number) const { return reinterpret_cast<T*>(memory_.begin() + size_t{number} * Stride); }

    // Every place ever given out, in order of address, from the number-th on and round, until visit(place) gives false. It has
    // to see for itself which are in use.
    template <class Visit>
    void visit_from(uint64_t number, Visit&& visit) const {
        const uint64_t places = live_ ? used_ : 0;
        for (uint64_t i = 0, k = places ? number % places : 0; i < places; ++i, k = k + 1 == places ? 0 : k + 1)
            if (!visit(reinterpret_cast<T*>(memory_.begin() + k * Stride))) return;
    }

    const uint64_t& live() const { return live_; }

    // Whether it is a place that has ever been given out: of an address from somebody who may be wrong.
    bool holds(const T* place) const {
        const auto offset = static_cast<size_t>(reinterpret_cast<uintptr_t>(place) - reinterpret_cast<uintptr_t>(memory_.begin()));
        return memory_.begin() && offset < used_ * Stride && offset % Stride == 0;
    }

  private:
    Reserved memory_;
    size_t used_ = 0;
    std::vector<T*> free_;
    uint64_t live_ = 0;
};

// The same memory for things of several sizes, which their owner uses again by himself; nothing is given back before
// the end. Each begins a cache line, and is known by that line's number.
class LineArena {
  public:
    static constexpr size_t line_bytes = 64;

    // Zeroed. Throws std::bad_alloc.
    void* take(size_t bytes) {
        const size_t begin = used_;
        used_ += (bytes + line_bytes - 1) / line_bytes * line_bytes;
        while (used_ > memory_.bytes()) memory_.grow();
        return memory_.begin() + begin;
    }

    uint32_t number(const void* place) const {
        return static_cast<uint32_t>(static_cast<size_t>(static_cast<const std::byte*>(place) - memory_.begin()) / line_bytes);
    }
    void* at(uint32_t number) const { return memory_.begin() + size_t{number} * line_bytes; }

  private:
    Reserved memory_;
    size_t used_ = 0;
};

}  // namespace zreplay
