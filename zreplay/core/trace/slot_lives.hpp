// The life of a swap slot as a trace shows it, in the few words that `zreplay synth --fit` counts and draws by.
//
//          store, taken                       load                    load (6.1), again
//   none ───────────────▶ fresh ──────────────────────▶ read ───────────────┐
//     │                     │  writeback ┌──────────────┘ ◀─────────────────┘
//     │                     ▼            ▼
//     │ store, refused    written ───────────▶ back      load since 6.9: fresh ▶ back
//     └──────────────────▶ refused ──────────▶       a load from the device: missed
//
// Refused and written are on the device alike, but one has been there since its store, and one was stored long before.
//
// An invalidate leads from anywhere to none, or to cleared. A store of a slot that is not none leads from there to fresh or refused.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "trace/age_list.hpp"
#include "types.hpp"

namespace zreplay {

enum class SlotPlace : uint8_t {
    none,     // no slot, or one that the trace has not stored to since it was freed
    fresh,    // compressed, and not loaded since its store
    read,     // compressed, and loaded
    refused,  // on the device since its store
    written,  // written back
    back,     // loaded from the device, or taken out by its load: in memory, and in zswap no more
    cleared,  // invalidated, but not free: to 6.5 frontswap drops the copy there is before it stores the page to its slot again
};
inline constexpr size_t place_count = 7;
// In zswap or on the device, and not in memory.
inline bool is_swapped_out(SlotPlace place) {
    return place != SlotPlace::none && place != SlotPlace::back && place != SlotPlace::cleared;
}
// In zswap: what an index has an entry for.
inline bool is_in_pool(SlotPlace place) { return place == SlotPlace::fresh || place == SlotPlace::read; }
// Slots in a group, whose offsets are alike but for these bits: what a leaf of a radix tree has entries for.
inline constexpr uint32_t group_shift = 6;
inline constexpr std::array<std::string_view, place_count> place_names{"none",    "fresh", "read",   "refused",
                                                                       "written", "back",  "cleared"};

// A kind of row: what happened, to a slot from where, what the kernel said. `to` is where the slot is afterwards.
struct RowKind {
    static constexpr int32_t no_result = 1 << 20;
    static constexpr uint8_t nobody = 255;

    Op op = Op::store;
    SlotPlace from = SlotPlace::none, to = SlotPlace::none;
    int32_t result = no_result;
    uint8_t asked_by = nobody;
    bool sized = false;  // of a store
    bool takes = false;  // of a load: the entry, as since 6.9
    friend bool operator==(const RowKind&, const RowKind&) = default;

    bool names_slot() const { return op <= Op::invalidate || op == Op::visit || from != SlotPlace::none; }

    // Whether a row of the other kind may stand here for one of this, if the slot that comes next is of its place: what a load or
    // an invalidate finds is the slot's affair, and all else is as it was.
    bool goes_on_as(const RowKind& other) const {
        if (op != other.op || other.from == SlotPlace::none) return false;
        if (op == Op::invalidate) return (to == SlotPlace::cleared) == (other.to == SlotPlace::cleared);
        return op == Op::load || (result == other.result && sized == other.sized);
    }
};

// So far ahead of the last slot is looked for the next one of its row's kind.
inline constexpr uint64_t slots_ahead = 32;
// A jump is close if it leads no further than this from the last slot of its op.
inline constexpr uint64_t close_slots = 512;
// A jump returns if it leads no further than this from where one of the last jumps of its op left from: who frees or reads
// several ranges by turns goes on in each.
inline constexpr uint64_t return_slots = 64;
struct Departures {
    std::array<uint64_t, 8> slots;
    size_t jumps = 0;
    void left(uint64_t slot) { slots[jumps++ % slots.size()] = slot; }
    size_t size() const { return jumps < slots.size() ? jumps : slots.size(); }
};
// How many rows behind an invalidate its slot is looked for: where it is stored to there, it was cleared.
inline constexpr int64_t cleared_rows = 8;
// How far from a slot the end of those in a row with it is looked for.
inline constexpr uint64_t edge_slots = 512;
// A size that is no further than this from the one the slot had before is near it.
inline constexpr uint32_t near_bytes = 64;
// Sizes in as many groups of equally many stores, the smallest first; a size belongs where the stores below it end.
inline constexpr uint32_t weight_groups = 8;
// What a store to a slot that had a size before may have: the same, one near it, or one of a group.
inline constexpr uint32_t same_size = 0, near_size = 1, size_outcomes = 2 + weight_groups;
// A crumb is what is left of slots in a row: fewer than this, with none of the kind beside them.
inline constexpr uint64_t crumb_slots = 32;

}  // namespace zreplay
