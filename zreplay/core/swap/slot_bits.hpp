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
    bool test(SwapEntry entry) const {
        const Piece* piece = pieces_.find(entry);
        return piece && (*piece)[word_of(entry)] & bit_of(entry);
    }

    void set(SwapEntry entry) { pieces_.make(entry)[word_of(entry)] |= bit_of(entry); }

    // Gives whether the bit was set.
    bool clear(SwapEntry entry) {
        Piece* piece = pieces_.find(entry);
        if (!piece) return false;
        uint64_t& word = (*piece)[word_of(entry)];
        bool was_set = word & bit_of(entry);
        word &= ~bit_of(entry);
        return was_set;
    }

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
