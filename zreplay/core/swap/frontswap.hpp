// The frontswap layer around zswap (3.5 to 6.5): one bit per slot that says whether zswap was given the page.
//
// Store: a set bit is cleared and the backend told to invalidate before the new page is offered, so a store that fails
// leaves no stale copy behind and `duplicate_entry` stays 0. Load: bit clear → the device is read without asking zswap.
// Writeback leaves the bit set; a later load asks zswap, misses, and reads the device.
//
// The kernel has one flat bitmap per swap area. A trace does not say how large the area was, so the bitmap here grows
// in pieces of 32,768 slots; offsets above 2^31 (8 TiB of swap) are found through a hash map.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "types.hpp"

namespace zreplay {

class Frontswap {
  public:
    bool test(SwapEntry entry) const {
        const Piece* piece = find(entry);
        return piece && (*piece)[word_of(entry)] & bit_of(entry);
    }

    void set(SwapEntry entry) { make(entry)[word_of(entry)] |= bit_of(entry); }

    // Gives whether the bit was set.
    bool clear(SwapEntry entry) {
        Piece* piece = find(entry);
        if (!piece) return false;
        uint64_t& word = (*piece)[word_of(entry)];
        bool was_set = word & bit_of(entry);
        word &= ~bit_of(entry);
        return was_set;
    }

    void warm(SwapEntry entry) const {
        if (const Piece* piece = find(entry)) __builtin_prefetch(&(*piece)[word_of(entry)], 1);
    }

    void clear_type(uint32_t type) {
        near_[type].clear();
        std::erase_if(far_, [type](const auto& item) { return item.first.type() == type; });
    }

  private:
    static constexpr int piece_bits = 15;
    static constexpr uint64_t near_pieces = uint64_t{1} << 16;
    using Piece = std::array<uint64_t, (1 << piece_bits) / 64>;

    static size_t word_of(SwapEntry entry) { return (entry.offset() >> 6) & ((1 << (piece_bits - 6)) - 1); }
    static uint64_t bit_of(SwapEntry entry) { return uint64_t{1} << (entry.offset() & 63); }
    static SwapEntry far_key(SwapEntry entry) { return {entry.type(), entry.offset() >> piece_bits}; }

    const Piece* find(SwapEntry entry) const {
        uint64_t number = entry.offset() >> piece_bits;
        if (number < near_pieces) {
            const auto& pieces = near_[entry.type()];
            return number < pieces.size() ? pieces[number].get() : nullptr;
        }
        auto place = far_.find(far_key(entry));
        return place == far_.end() ? nullptr : place->second.get();
    }
    Piece* find(SwapEntry entry) { return const_cast<Piece*>(std::as_const(*this).find(entry)); }

    Piece& make(SwapEntry entry) {
        uint64_t number = entry.offset() >> piece_bits;
        auto& pieces = near_[entry.type()];
        if (number < near_pieces && number >= pieces.size()) pieces.resize(number + 1);
        auto& piece = number < near_pieces ? pieces[number] : far_[far_key(entry)];
        if (!piece) piece = std::make_unique<Piece>();
        return *piece;
    }

    struct Hash {
        size_t operator()(SwapEntry entry) const { return std::hash<uint64_t>()(entry.word * 0x9E3779B97F4A7C15u); }
    };

    std::array<std::vector<std::unique_ptr<Piece>>, swap_types> near_;
    std::unordered_map<SwapEntry, std::unique_ptr<Piece>, Hash> far_;
};

}  // namespace zreplay
