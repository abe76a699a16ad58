// array: one word for every slot, found by its number. No kernel has it: it is the bound no index gets below.
//
//      slot      0      1      2
//            | word | word | word | …
//
// Any index that keeps a word for an entry needs 8 bytes for it, and a call has to touch the line the word is in. So bytes()
// counts the words in use and nothing else, 8 × entries, which a real array could not have unless every slot were used;
// a call is one line and no node. What a design costs above this is the price of being sparse.
#pragma once

#include <array>

#include "index/broken.hpp"
#include "index/index.hpp"
#include "pieces.hpp"
#include "prefetch.hpp"

namespace zreplay {

template <int PieceBits>
class Array final : public SwapIndex {
    static constexpr uint64_t slots = uint64_t{1} << PieceBits;
    using Piece = std::array<uint64_t, slots>;

  public:
    explicit Array(IndexOptions options = {}) : words_(options.words) {}

    Location find(SwapEntry entry) override {
        ++cost_->cache_lines;
        return peek(entry);
    }

    Location insert(SwapEntry entry, Location location) override {
        Location old = write(pieces_.make(entry)[within(entry)], location.word());
        entries_ += !old;
        return old;
    }

    Location erase(SwapEntry entry) override {
        if (!peek(entry)) {
            ++cost_->cache_lines;
            return {};
        }
        --entries_;
        return write((*pieces_.find(entry))[within(entry)], 0);
    }

    Location update(SwapEntry entry, Location moved) override {
        return write((*pieces_.find(entry))[within(entry)], moved.word());
    }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        pieces_.for_each(type, [&](uint64_t first, const Piece& piece) {
            for (uint64_t i = 0; i < slots; ++i)
                if (piece[i]) visit(first + i, Location::from_word(piece[i]));
        });
    }

    int look_steps() const override { return 2; }
    void look(int step, uint32_t, Ahead& ahead) override {
        for (uint32_t i = 0; i < ahead.count; ++i)
            if (step) ahead.found[i] = peek(ahead.entries[i]);
            else if (const Piece* piece = pieces_.find(ahead.entries[i])) prefetch_to_write(&(*piece)[within(ahead.entries[i])]);
    }

    void check() const override {
        uint64_t entries = 0;
        for (uint32_t type = 0; type < swap_types; ++type)
            for_each(type, [&](uint64_t offset, Location location) {
                require_at(type, offset, words_ == SlotWords::value || !(location.word() & 1), "array's word is no value",
                           location.word(), location.word() & ~uint64_t{1});
                ++entries;
            });
        require(entries == entries_, "array entries", entries_, entries);
    }

    uint64_t entries() const override { return entries_; }
    uint64_t nodes() const override { return 0; }
    uint64_t bytes() const override { return entries_ * sizeof(uint64_t); }

    // The words of a type's first slots; null before the first store there.
    const void* root(uint32_t type) const override { return pieces_.find(SwapEntry(type, 0)); }

  private:
    static uint64_t within(SwapEntry entry) { return entry.offset() & (slots - 1); }

    Location peek(SwapEntry entry) const {
        const Piece* piece = pieces_.find(entry);
        return piece ? Location::from_word((*piece)[within(entry)]) : Location();
    }

    Location write(uint64_t& place, uint64_t word) {
        Location old = Location::from_word(place);
        place = word;
        ++cost_->cache_lines;
        ++cost_->slots_written;
        return old;
    }

    Pieces<Piece, PieceBits, PieceBits + 18> pieces_;
    uint64_t entries_ = 0;
    SlotWords words_;
};

}  // namespace zreplay
