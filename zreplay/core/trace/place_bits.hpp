// Which slots are in which place, a bit each, so that a walk over slots in a row is one over words.
//
//      word 0          word 1               word 2                                   last word
//      –               slots 0 to 63        slots 64 to 127          …               –
//
// The words of all places stand beside each other: what is asked of one slot, in any places, is in one or two cache lines. Those
// at both ends are empty, so that nobody has to ask for the end.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace zreplay {

class PlaceBits {
  public:
    static constexpr uint64_t nowhere = ~uint64_t{0};

    void clear(uint64_t slots) { words_.assign(slots / 64 + 3, {}); }
    void add(uint32_t place, uint64_t slot) { words_[slot / 64 + 1][place] |= uint64_t{1} << slot % 64; }
    void remove(uint32_t place, uint64_t slot) { words_[slot / 64 + 1][place] &= ~(uint64_t{1} << slot % 64); }

    // In all that follows `places` is a set, a bit for each place: slots in any of them are meant.

    // Of those of the slot's 64, that begin at a multiple of it.
    uint64_t group(uint32_t places, uint64_t slot) const { return of(places, slot / 64 + 1); }
    // How many slots in a row, up to 64, stand right below this one, or right above it.
    uint64_t run_below(uint32_t places, uint64_t slot) const {
        return static_cast<uint64_t>(std::countl_one(window(places, slot)));
    }
    uint64_t run_above(uint32_t places, uint64_t slot) const {
        return static_cast<uint64_t>(std::countr_one(window(places, slot + 65)));
    }

    // The nearest one, no further than `reach` away; or nowhere.
    uint64_t at_or_above(uint32_t places, uint64_t slot, uint64_t reach) const {
        if (slot / 64 + 1 >= words_.size()) return nowhere;
        uint64_t word = slot / 64 + 1, bits = of(places, word) & ~uint64_t{0} << slot % 64;
        const uint64_t last = std::min<uint64_t>(words_.size() - 1, (slot + reach) / 64 + 1);
        while (!bits && word < last) bits = of(places, ++word);
        const uint64_t found = (word - 1) * 64 + static_cast<uint64_t>(std::countr_zero(bits));
        return bits && found - slot <= reach ? found : nowhere;
    }
    uint64_t at_or_below(uint32_t places, uint64_t slot, uint64_t reach) const {
        if (slot / 64 + 1 >= words_.size()) {  // below 0, or above the last one
            const uint64_t end = 64 * (words_.size() - 2);
            return slot >= end && slot - end < reach ? at_or_below(places, end - 1, reach - (slot - end) - 1) : nowhere;
        }
        uint64_t word = slot / 64 + 1, bits = of(places, word) & ~uint64_t{0} >> (63 - slot % 64);
        const uint64_t first = (slot - std::min(slot, reach)) / 64 + 1;
        while (!bits && word > first) bits = of(places, --word);
        const uint64_t found = (word - 1) * 64 + 63 - static_cast<uint64_t>(std::countl_zero(bits));
        return bits && slot - found <= reach ? found : nowhere;
    }

  private:
    static constexpr size_t places_kept = 8;

    uint64_t of(uint32_t places, uint64_t word) const {
        uint64_t bits = 0;
        for (; places; places &= places - 1) bits |= words_[word][static_cast<size_t>(std::countr_zero(places))];
        return bits;
    }
    // The 64 slots below this one, the nearest in the upper bit.
    uint64_t window(uint32_t places, uint64_t slot) const {
        const uint64_t word = slot / 64, shift = slot % 64;
        const uint64_t lower = of(places, word);
        return shift ? lower >> shift | of(places, word + 1) << (64 - shift) : lower;
    }

    std::vector<std::array<uint64_t, places_kept>> words_;
};

}  // namespace zreplay
