// A node of 6.1's xarray as it lies in memory, and which cache lines of it an access touches.
//
//      byte  0       1        2       3           8        16      24            40                        552         576  584
//            | shift | offset | count | nr_values | parent | array | list or RCU | slot 0 … slot 63        | mark 0 1 2 |    |
//      line  |-- 0, with slots 0 to 2 -----------------------------------|-- 1 … 7 --|-- 8, with slots 59 to 63 -|     |
//
// `offset` is the node's slot in its parent, `shift` 6 × the levels below it, `array` the head of its tree, `nr_values` how
// many of its `count` used slots hold a value: a word with bit 0 set, so a pointer of tag 1 or 3 as well. The list (shadow
// nodes are kept on one) stays empty. The slab's object is 584 bytes.
//
// The low bits of a slot: ..10 a node; ..00, ..01 and ..11 the user's, a pointer with tag 0, 1 or 3, or a value.
//
// The head knows no height: the top node's shift says it, and each node's shift says what its slots are, so a walk reads
// line 0 of every node it visits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "index/broken.hpp"

namespace zreplay {

template <int Bits>
struct XaNode;

// struct xarray.
template <int Bits>
struct XaRoot {
    uint32_t lock = 0;
    uint32_t tags = 0;  // the marks, in the flags' word; no index sets one
    uint64_t first = 0;

    uint32_t height() const;
    void set_height(uint32_t) {}  // the top node's shift is the height
};
static_assert(sizeof(XaRoot<6>) == 16);

template <int Bits>
struct XaNode {
    using Root = XaRoot<Bits>;
    static constexpr int bits = Bits;
    static constexpr uint32_t fan_out = 1u << Bits;
    static constexpr uint64_t mark_mask = 0b11;
    static constexpr uint64_t node_mark = 0b10;
    static constexpr uint64_t value_bit = 1;
    static constexpr bool has_position_tags = false;
    static constexpr bool walk_reads_head = true;

    uint8_t shift;
    uint8_t offset;
    uint8_t count;
    uint8_t nr_values;
    XaNode* parent;
    const void* array;
    std::array<uint64_t, 2> list;
    std::array<uint64_t, fan_out> slots;
    std::array<uint64_t, 3> tags;  // the marks

    void begin(uint32_t level, XaNode* above, uint32_t index_in_parent, const void* head) {
        shift = static_cast<uint8_t>(level * Bits);
        offset = static_cast<uint8_t>(index_in_parent);
        parent = above;
        array = head;
    }
    uint32_t level() const { return shift / Bits; }  // 0: a leaf
    uint32_t index_of(uint64_t key) const { return static_cast<uint32_t>(key >> shift) & (fan_out - 1); }

    // fill: the slot was empty. replace: it was not and will not be. empty: it was not; gives how many are left in use.
    void fill(uint32_t index, uint64_t word) {
        slots[index] = word;
        ++count;
        nr_values += word & value_bit;
    }
    void replace(uint32_t index, uint64_t word) {
        nr_values += (word & value_bit) - (slots[index] & value_bit);
        slots[index] = word;
    }
    uint32_t empty(uint32_t index) {
        nr_values -= slots[index] & value_bit;
        slots[index] = 0;
        return --count;
    }
    // Growing puts a new top above this one, whose slot 0 it is; shrinking makes this one the top.
    void adopt(XaNode* above) {
        parent = above;
        offset = 0;
    }

    static uint64_t mark(XaNode* node) { return reinterpret_cast<uint64_t>(node) | node_mark; }
    static XaNode* unmark(uint64_t word) { return reinterpret_cast<XaNode*>(word - node_mark); }
    static bool is_node(uint64_t word) { return (word & mark_mask) == node_mark; }
    static constexpr const char* mark_rule = "assertion 5: xarray slot's low bits 10 mark a node";

    static uint32_t index_at(uint64_t key, uint32_t level) {
        return static_cast<uint32_t>(key >> level * Bits) & (fan_out - 1);
    }
    static uint64_t max_offset(uint32_t height) { return (uint64_t{1} << height * Bits) - 1; }
    static uint32_t leaf_tags(const XaNode*, uint32_t) { return 0; }  // no mark says a position

    static constexpr uint32_t head_line = 0;
    static constexpr uint32_t tag_line = (40 + 8 * fan_out) / 64;

    // Distinct lines, given the slot used and whether the head and the marks are used too.
    static uint32_t lines_of(uint32_t index, bool head, bool tags) {
        uint32_t slot_line = (40 + index * 8) / 64;
        bool more_head = head && slot_line != head_line;
        bool more_tags = tags && slot_line != tag_line && !(head && tag_line == head_line);
        return 1 + more_head + more_tags;
    }

    // An erase looks at the slot behind, which might be a sibling, and takes away all three marks, set or not.
    static constexpr uint64_t last_of_lines = [] {  // bit i: behind slot i another line begins that is not the marks'
        uint64_t slots = 0;
        for (uint32_t i = 0; i + 1 < fan_out; ++i) {
            const uint32_t behind = 40 + 8 * (i + 1);
            slots |= uint64_t{behind % 64 == 0 && behind / 64 != tag_line} << i;
        }
        return slots;
    }();
    static constexpr uint32_t lines_behind(uint32_t index) { return last_of_lines >> index & 1; }
    static constexpr uint32_t tag_words_of_erase = 3;
    // The same where it is timed. Whether they were set is still to be asked: what is written is what was there.
    void touch_of_erase(uint32_t index) {
        if (index + 1 < fan_out) asm volatile("" : : "r"(slots[index + 1]));
        for (uint64_t& mark : tags) {
            uint64_t word = mark;
            asm volatile("" : "+r"(word));
            mark = word;
        }
    }

    // What a node knows beside the rules of the tree.
    void check(uint32_t type, uint64_t first_offset, uint32_t index_in_parent, const void* head) const {
        uint32_t values = 0;
        for (uint64_t word : slots) values += word & value_bit;
        require_at(type, first_offset, nr_values == values, "xarray node's nr_values", nr_values, values);
        require_at(type, first_offset, offset == index_in_parent, "xarray node's offset", offset, index_in_parent);
        require_at(type, first_offset, array == head, "xarray node's array", reinterpret_cast<uint64_t>(array),
                   reinterpret_cast<uint64_t>(head));
    }
};
static_assert(sizeof(XaNode<6>) == 576);
static_assert(offsetof(XaNode<6>, parent) == 8 && offsetof(XaNode<6>, slots) == 40 && offsetof(XaNode<6>, tags) == 552);

template <int Bits>
uint32_t XaRoot<Bits>::height() const {
    using Node = XaNode<Bits>;
    return Node::is_node(first) ? Node::unmark(first)->level() + 1 : 0;
}

}  // namespace zreplay
