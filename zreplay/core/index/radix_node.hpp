// A node of 3.12's radix tree as it lies in memory, and which cache lines of it an access touches.
//
//      byte  0        4       8                  24                        536          560   568
//            | height | count | parent | (RCU)   | slot 0 … slot 63        | tag 0 1 2  |     |
//      line  |-- 0, with slots 0 to 4 -----------|-- 1 … 7 --|-- 8, with slots 61 to 63 |     |
//
// The parent shares its place with the RCU head that frees the node. The slab's object is 568 bytes, since the node's
// constructor keeps the slab's free pointer outside it. Lines are those of docs/models.md: the node starts one.
//
// A walk takes the tree's height from the root and counts down, so of an inner node it reads one slot.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace zreplay {

inline constexpr uint32_t radix_tags = 3;

struct RadixRoot {
    uint32_t levels = 0;
    uint32_t tags = 0;  // the kernel keeps them in the allocation flags' word
    uint64_t first = 0;

    uint32_t height() const { return levels; }
    void set_height(uint32_t height) { levels = height; }
};
static_assert(sizeof(RadixRoot) == 16);

// Positions are in no tag, two or, where they are wide, all three.
template <int Bits, uint32_t PositionTags = 2>
struct RadixNode {
    using Root = RadixRoot;
    static constexpr int bits = Bits;
    static constexpr uint32_t fan_out = 1u << Bits;
    static constexpr uint64_t node_mark = 1;
    static constexpr bool has_position_tags = PositionTags != 0;
    static constexpr bool walk_reads_head = false;

    uint32_t height;  // 1: a leaf
    uint32_t count;
    RadixNode* parent;
    uint64_t rcu_second_word;
    std::array<uint64_t, fan_out> slots;
    std::array<uint64_t, radix_tags> tags;

    void begin(uint32_t level, RadixNode* above, uint32_t, const void*) {
        height = level + 1;
        parent = above;
    }
    uint32_t level() const { return height - 1; }  // 0: a leaf

    // fill: the slot was empty. empty: it was not; gives how many are left in use.
    void fill(uint32_t index, uint64_t word) {
        slots[index] = word;
        ++count;
    }
    uint32_t empty(uint32_t index) {
        slots[index] = 0;
        return --count;
    }
    void adopt(RadixNode* above) { parent = above; }

    static uint64_t mark(RadixNode* node) { return reinterpret_cast<uint64_t>(node) | node_mark; }
    static RadixNode* unmark(uint64_t word) { return reinterpret_cast<RadixNode*>(word & ~node_mark); }
    static bool is_node(uint64_t word) { return word & node_mark; }
    static constexpr const char* mark_rule = "assertion 5: radix slot's bit 0 marks a node";

    // Level 0 is the leaf's.
    static uint32_t index_at(uint64_t offset, uint32_t level) {
        return static_cast<uint32_t>(offset >> level * Bits) & (fan_out - 1);
    }
    static uint64_t max_offset(uint32_t height) { return (uint64_t{1} << height * Bits) - 1; }

    // Tags of a slot that say a position.
    static uint32_t leaf_tags(const RadixNode* leaf, uint32_t index) {
        if constexpr (PositionTags == 0) return 0;
        uint64_t tags = (leaf->tags[0] >> index & 1) | (leaf->tags[1] >> index & 1) << 1;
        if constexpr (PositionTags == 3) tags |= (leaf->tags[2] >> index & 1) << 2;
        return static_cast<uint32_t>(tags);
    }

    bool has_tags(uint32_t index) const { return ((tags[0] | tags[1] | tags[2]) >> index & 1) != 0; }

    static constexpr uint32_t head_line = 0;
    static constexpr uint32_t tag_line = (24 + 8 * fan_out) / 64;

    // Distinct lines, given the slot used and whether the head (count, parent) and the tags are used too.
    static uint32_t lines_of(uint32_t index, bool head, bool tags) {
        uint32_t slot_line = (24 + index * 8) / 64;
        bool more_head = head && slot_line != head_line;
        bool more_tags = tags && slot_line != tag_line && !(head && tag_line == head_line);
        return 1 + more_head + more_tags;
    }

    // What an erase touches and writes beyond its rules, as the xarray's does.
    static constexpr uint32_t lines_behind(uint32_t) { return 0; }
    static constexpr uint32_t tag_words_of_erase = 0;
    void touch_of_erase(uint32_t) {}
};
static_assert(sizeof(RadixNode<6>) == 560);
static_assert(offsetof(RadixNode<6>, slots) == 24 && offsetof(RadixNode<6>, tags) == 536);

}  // namespace zreplay
