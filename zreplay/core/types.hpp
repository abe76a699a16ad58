// Words every part of the core uses: what happened, to which slot, and where its compressed copy is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace zreplay {

inline constexpr uint32_t page_bytes = 4096;
inline constexpr uint32_t swap_types = 32;  // MAX_SWAPFILES_SHIFT is 5

// Errors the way the kernel returns them, negated at the point of use.
enum Errno : int { e_noent = 2, e_io = 5, e_again = 11, e_nomem = 12, e_busy = 16, e_exist = 17, e_nodev = 19, e_inval = 22, e_nospc = 28, e_inprogress = 115 };

// What a visit of an entry came to: the kernel's `enum lru_status`, in its numbers.
enum LruStatus : int { lru_removed, lru_removed_retry, lru_rotate, lru_skip, lru_retry, lru_stop };

// Who wanted entries evicted: zswap's worker, since the pool is at its limit; the memory manager, under pressure; a store,
// since its cgroup is at its own limit; the user, of zram.
enum class Asker : uint8_t { limit, pressure, cgroup, user };

// One row of a trace. The order is that of docs/trace-format.md; the names are the words in its `op` column.
enum class Op : uint8_t { store, load, invalidate, invalidate_area, writeback, shrink, compact, migrate, cma, visit };
inline constexpr std::array<std::string_view, 10> op_names{
    "store", "load", "invalidate", "invalidate_area", "writeback", "shrink", "compact", "migrate", "cma", "visit"};
inline constexpr size_t op_count = op_names.size();

// A swap entry as 6.1 packs it: the type from bit 58 up, the offset below.
struct SwapEntry {
    static constexpr int type_shift = 58;
    static constexpr uint64_t offset_mask = (uint64_t{1} << type_shift) - 1;

    uint64_t word = 0;

    SwapEntry() = default;
    constexpr SwapEntry(uint32_t type, uint64_t offset) : word(uint64_t{type} << type_shift | offset) {}
    static constexpr SwapEntry from_word(uint64_t word) { return {static_cast<uint32_t>(word >> type_shift), word & offset_mask}; }
    constexpr uint32_t type() const { return static_cast<uint32_t>(word >> type_shift); }
    constexpr uint64_t offset() const { return word & offset_mask; }
    friend constexpr bool operator==(SwapEntry, SwapEntry) = default;
};

// Where the compressed copy of a slot is: one machine word, as a slot of the kernel's index would hold it.
//
//      63 ............................ 4 | 3           | 2  1     | 0
//      descriptor (aligned to 16)        | same-filled | position | always 0
//
// The descriptor is the pool's page (zbud: first or last in it) or its handle cell (z3fold and zsmalloc, where objects
// move; position 0). Bit 0 stays clear because a radix tree marks its inner nodes with it; bit 1 alone is the
// `last ? 2 : 0` of the 2013 proposal. A same-filled page has no object: only bit 3 is set.
//
// A struct page lies on a multiple of 64 in practice, which leaves room for the index of an object among those of a page.
// Such a wide location says a position of 0 to 63, rotated so that bit 0 stays clear below 32:
//
//      63 ............................ 6 | 5 ........... 1 | 0
//      descriptor (aligned to 64)        | position % 32   | position / 32
//
// A word does not say whether it is wide; whoever made it knows. The same-filled page's word is 8 there too, but then bit 3
// is also part of a position, so ask for equality with same_filled() instead of is_same_filled().
class Location {
  public:
    static constexpr uint64_t position_mask = 0b0110;
    static constexpr uint64_t same_filled_bit = 0b1000;
    static constexpr uint64_t low_bits = 0b1111;
    static constexpr uint64_t wide_low_bits = 0b11'1111;
    static constexpr uint32_t wide_positions = 64;

    constexpr Location() = default;
    Location(const void* descriptor, uint32_t position)
        : word_(reinterpret_cast<uint64_t>(descriptor) | uint64_t{position} << 1) {}
    static Location wide(const void* descriptor, uint32_t position) {
        return Location(reinterpret_cast<uint64_t>(descriptor) | wide_bits(position));
    }
    static constexpr Location from_word(uint64_t word) { return Location(word); }
    static constexpr Location same_filled() { return Location(same_filled_bit); }

    constexpr explicit operator bool() const { return word_ != 0; }
    constexpr uint64_t word() const { return word_; }
    constexpr bool is_same_filled() const { return word_ & same_filled_bit; }
    constexpr uint32_t position() const { return static_cast<uint32_t>(word_ & position_mask) >> 1; }
    template <class Descriptor>
    Descriptor* descriptor() const {
        return reinterpret_cast<Descriptor*>(word_ & ~low_bits);
    }
    static constexpr uint64_t wide_bits(uint32_t position) { return uint64_t{position & 31} << 1 | position >> 5; }
    constexpr uint32_t wide_position() const {
        return static_cast<uint32_t>((word_ & wide_low_bits) >> 1 | (word_ & 1) << 5);
    }
    template <class Descriptor>
    Descriptor* wide_descriptor() const {
        return reinterpret_cast<Descriptor*>(word_ & ~wide_low_bits);
    }
    friend constexpr bool operator==(Location, Location) = default;

  private:
    constexpr explicit Location(uint64_t word) : word_(word) {}
    uint64_t word_ = 0;
};

// What a pool answers to an allocation: a location, or the kernel's negative errno.
struct Allocation {
    Location location;
    int error = 0;
};

// What an allocation was given when it asked, before the row of its store: an object, or a page of its own to come.
struct Reservation {
    Location object;
};

// A swap area in which the kernel's search finds no slot.
struct NoFreeSlot : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A structure found broken by its own check(); the message names the assertion and the values.
struct CheckFailed : std::logic_error {
    using std::logic_error::logic_error;
};

inline void require(bool holds, const char* assertion, uint64_t found = 0, uint64_t expected = 0) {
    if (!holds)
        throw CheckFailed(std::string(assertion) + ": found " + std::to_string(found) + ", expected " +
                          std::to_string(expected));
}

// One of the assertions of kernel-model 7.9 broken, and where.
[[noreturn]] inline void assertion_failed(int number, const char* assertion, uint64_t page, SwapEntry entry, uint64_t found,
                                          uint64_t expected) {
    throw CheckFailed("assertion " + std::to_string(number) + ": " + assertion + ": page " + std::to_string(page) + ", type " +
                      std::to_string(entry.type()) + ", offset " + std::to_string(entry.offset()) + ": found " +
                      std::to_string(found) + ", expected " + std::to_string(expected));
}

}  // namespace zreplay
