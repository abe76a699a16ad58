// A directory of a radix tree's leaves, by offset, which no kernel has: where only the answer counts (radix_tree.hpp) it leads
// to a leaf at once.
//
//      piece of 512 leaves   | leaf 0 | leaf 1 | … | leaf 511 |        made when the first of them is
//      a leaf's word         | used slots: 8 bits | the node's address: 56 bits |        0: there is none
//
// It keeps how many slots of a leaf are used, since in a 3.12 node that is on a line that nothing else needs (`counts`).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "index/ahead.hpp"
#include "pieces.hpp"
#include "prefetch.hpp"
#include "types.hpp"

namespace zreplay {

template <class Node>
class RadixLeaves {
    static constexpr int piece_bits = 9;

  public:
    // A walk of an xarray reads a node's head anyway, and there is more in it to be kept.
    static constexpr bool counts = !Node::walk_reads_head;

    class Leaf {
        static constexpr int count_bit = 56;

      public:
        Leaf() = default;
        Leaf(Node* node, uint64_t count) : word_(reinterpret_cast<uint64_t>(node) | count << count_bit) {}
        Node* node() const { return reinterpret_cast<Node*>(word_ & ((uint64_t{1} << count_bit) - 1)); }
        uint32_t count() const { return static_cast<uint32_t>(word_ >> count_bit); }
        void add(int64_t more) { word_ += static_cast<uint64_t>(more) << count_bit; }

      private:
        uint64_t word_ = 0;
    };

    // Null: there is none, or nothing has been noted.
    Node* find(SwapEntry entry) const {
        const Piece* piece = pieces_.find(entry);
        return piece ? (*piece)[place_of(entry)].node() : nullptr;
    }
    // The entry's leaf has been noted.
    Leaf& at(SwapEntry entry) { return (*pieces_.find(entry))[place_of(entry)]; }
    void note(SwapEntry entry, Leaf leaf) { pieces_.make(entry)[place_of(entry)] = leaf; }

    // visit(offset of the leaf's first slot, leaf), of those that are there.
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        pieces_.for_each(type, [&](uint64_t first_offset, const Piece& piece) {
            for (uint64_t i = 0; i < piece.size(); ++i)
                if (piece[i].node()) visit(first_offset + (i << Node::bits), piece[i]);
        });
    }

    // Looking ahead (index.hpp): the directory, then what a lookup and a tag get would read, and what a change would write.
    void look_up(uint32_t group, const Ahead& ahead) {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Piece* piece = pieces_.find(ahead.entries[i]);
            places_[group][i] = piece ? &(*piece)[place_of(ahead.entries[i])] : &nowhere_;
            prefetch(places_[group][i]);
        }
    }
    void fetch(uint32_t group, const Ahead& ahead) const {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Node* leaf = looked_up(group, i);
            if (!leaf) continue;
            prefetch_to_write(&leaf->slots[Node::index_at(ahead.entries[i].offset(), 0)]);
            if constexpr (!counts) prefetch_to_write(&leaf->count);
            if constexpr (Node::has_position_tags) prefetch(&leaf->tags);
        }
    }
    const Node* looked_up(uint32_t group, uint32_t i) const { return places_[group][i]->node(); }

  private:
    using Piece = std::array<Leaf, size_t{1} << piece_bits>;
    static size_t place_of(SwapEntry entry) { return entry.offset() >> Node::bits & ((size_t{1} << piece_bits) - 1); }

    Pieces<Piece, Node::bits + piece_bits, 31> pieces_;
    std::array<std::array<const Leaf*, Ahead::lanes>, Ahead::numbers> places_;  // of groups looked at
    inline static const Leaf nowhere_{};
};

}  // namespace zreplay
