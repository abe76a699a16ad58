// Something for every slot of every swap area, where nobody says how large an area is: pieces of 2^piece_bits slots, made
// when first needed and kept. The kernel has one flat array per area. Pieces of offsets below 2^near_bits are found by
// their number, others through a hash map.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "types.hpp"

namespace zreplay {

template <class Piece, int piece_bits, int near_bits>
class Pieces {
  public:
    static constexpr uint64_t slots = uint64_t{1} << piece_bits;
    static uint64_t within(SwapEntry entry) { return entry.offset() & (slots - 1); }

    // Nullptr: no such piece.
    const Piece* find(SwapEntry entry) const {
        const uint64_t number = entry.offset() >> piece_bits;
        const Near& near = near_[entry.type()];
        if (number < near.count) [[likely]] return near.pieces[number].get();
        return number < near_pieces ? nullptr : find_far(entry);
    }
    Piece* find(SwapEntry entry) { return const_cast<Piece*>(std::as_const(*this).find(entry)); }

    // The piece, made (value-initialised) if need be.
    Piece& make(SwapEntry entry) {
        if (Piece* piece = find(entry)) [[likely]] return *piece;
        return make_new(entry);
    }

    uint64_t made() const { return made_; }  // ever

    void clear_type(uint32_t type) {
        near_[type] = {};
        numbers_[type].clear();
        std::erase_if(far_, [type](const auto& item) { return item.first.type() == type; });
    }

    // In ascending order of offset: visit(offset of the piece's first slot, piece).
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        std::vector<uint64_t> numbers = numbers_[type];
        for (const auto& [key, piece] : far_)
            if (key.type() == type) numbers.push_back(key.offset());
        std::ranges::sort(numbers);
        for (uint64_t number : numbers) visit(number << piece_bits, *find({type, number << piece_bits}));
    }

    // Where a type's pieces begin.
    const void* root(uint32_t type) const { return near_[type].pieces.get(); }

  private:
    static constexpr uint64_t near_pieces = uint64_t{1} << (near_bits - piece_bits);

    // A vector with its length in a word: it is asked for at every event.
    struct Near {
        std::unique_ptr<std::unique_ptr<Piece>[]> pieces;
        uint64_t count = 0;

        void grow(uint64_t least) {
            const uint64_t more = std::min(std::max(least, 2 * count), near_pieces);  // beyond, nobody looks here
            auto moved = std::make_unique<std::unique_ptr<Piece>[]>(more);
            std::move(pieces.get(), pieces.get() + count, moved.get());
            pieces = std::move(moved);
            count = more;
        }
    };

    static SwapEntry far_key(SwapEntry entry) { return {entry.type(), entry.offset() >> piece_bits}; }

    [[gnu::noinline]] const Piece* find_far(SwapEntry entry) const {
        auto place = far_.find(far_key(entry));
        return place == far_.end() ? nullptr : place->second.get();
    }

    [[gnu::noinline]] Piece& make_new(SwapEntry entry) {
        const uint64_t number = entry.offset() >> piece_bits;
        Near& near = near_[entry.type()];
        if (number < near_pieces && number >= near.count) near.grow(number + 1);
        auto piece = std::make_unique<Piece>();
        Piece& made = *piece;
        if (number < near_pieces) {
            numbers_[entry.type()].push_back(number);
            near.pieces[number] = std::move(piece);
        } else {
            far_[far_key(entry)] = std::move(piece);
        }
        ++made_;
        return made;
    }

    struct Hash {
        size_t operator()(SwapEntry entry) const { return std::hash<uint64_t>()(entry.word * 0x9E3779B97F4A7C15u); }
    };

    std::array<Near, swap_types> near_;
    std::array<std::vector<uint64_t>, swap_types> numbers_;  // of those that are near: few of many, where all are walked
    std::unordered_map<SwapEntry, std::unique_ptr<Piece>, Hash> far_;
    uint64_t made_ = 0;
};

}  // namespace zreplay
