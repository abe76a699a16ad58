// One bit for every slot of every swap area: which slots a layer in front of zswap knows to be its own.
//
// frontswap (3.5 to 6.5): the bit says whether zswap was given the page. Load: bit clear → the device is read without
// asking zswap. Writeback leaves the bit set; a later load asks zswap, misses, and reads the device. zeromap (since
// 2024): the bit says the page is zeroes, and neither zswap nor the device is asked.
#pragma once

#include <array>
#include <cstdint>

#include "pieces.hpp"
#include "prefetch.hpp"
#include "types.hpp"

namespace zreplay {

class SlotBits {
    static constexpr int piece_bits = 15;
    using Piece = std::array<uint64_t, (1 << piece_bits) / 64>;

  public:
    // One slot's bit, to be asked and changed without being looked for again. Good until clear_type().
    class Bit {
      public:
        Bit(uint64_t& word, uint64_t mask) : word_(word), mask_(mask) {}
        void set() { word_ |= mask_; }
        // Gives whether the bit was set.
        bool clear() {
            const bool was_set = word_ & mask_;
            word_ &= ~mask_;
            return was_set;
        }

      private:
        uint64_t& word_;
        uint64_t mask_;
    };
    Bit bit(SwapEntry entry) { return {pieces_.make(entry)[word_of(entry)], bit_of(entry)}; }

    bool test(SwapEntry entry) const {
        const Piece* piece = pieces_.find(entry);
        return piece && (*piece)[word_of(entry)] & bit_of(entry);
    }

    void set(SwapEntry entry) { bit(entry).set(); }

    // Gives whether the bit was set.
    bool clear(SwapEntry entry) {
        Piece* piece = pieces_.find(entry);
        return piece && Bit((*piece)[word_of(entry)], bit_of(entry)).clear();
    }

    // Whether all bits together are more than a cache holds beside other things.
    bool are_many() const { return pieces_.made() > 32; }
    void warm(SwapEntry entry) const {
        if (const Piece* piece = pieces_.find(entry)) prefetch_to_write(&(*piece)[word_of(entry)]);
    }

    void clear_type(uint32_t type) { pieces_.clear_type(type); }

  private:
    static size_t word_of(SwapEntry entry) { return decltype(pieces_)::within(entry) >> 6; }
    static uint64_t bit_of(SwapEntry entry) { return uint64_t{1} << (entry.offset() & 63); }

    Pieces<Piece, piece_bits, 31> pieces_;
};

}  // namespace zreplay
