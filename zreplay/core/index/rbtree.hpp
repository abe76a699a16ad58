// rbtree: zswap's own index of 3.11 to 6.8, a red-black tree of entries, one tree per swap type, keyed by offset.
//
// The tree's links are inside the entry, so there is no other allocation and a node is an entry. In the kernel's layout
// each level of a descent is a dependent load of another entry. Entries are the kernel's, or half as large
// (rbtree_layouts.hpp); rebalancing is in rbtree_change.hpp. Beside the small ones it is written down where each is and how
// deep (rbtree_depths.hpp), so that there is nothing to descend for. None of it changes the tree, an answer or a count: a
// descent costs the depth it would end at.
//
// Invariants, which check() walks:
//   * offsets ascend from left to right; each child's parent is the entry that names it;
//   * the root is black; a red entry has no red child; every path down to an empty link passes as many black entries.
// So the height is at most 2·log2(n + 1). An insert makes at most two rotations, an erase at most three.
//
// A store of an offset already there does what zswap 6.1 does: collide, erase the old entry, descend again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "index/index.hpp"
#include "index/rbtree_depths.hpp"
#include "index/rbtree_layouts.hpp"

namespace zreplay {

template <class Nodes, class Depths>
class Rbtree final : public SwapIndex {
    using Ref = typename Nodes::Ref;
    static constexpr bool keeps = !std::is_same_v<Depths, NoDepths>;

  public:
    explicit Rbtree(IndexOptions options = {}) : entry_bytes_(options.entry_bytes) { node_count_ = &nodes_.live(); }
    Location find(SwapEntry entry) override;
    Location insert(SwapEntry entry, Location location) override;
    Location erase(SwapEntry entry) override;
    Location update(SwapEntry entry, Location moved) override;
    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override;
    int look_steps() const override { return keeps ? 4 : 1; }
    void look(int step, uint32_t group, Ahead& ahead) override;
    void check() const override;
    uint64_t entries() const override { return nodes_.live(); }
    uint64_t nodes() const override { return nodes_.live(); }
    uint64_t bytes() const override { return nodes_.live() * entry_bytes_; }
    bool has_entries() const override { return true; }
    const void* root(uint32_t type) const override { return &trees_[type].root; }

  private:
    struct Tree {
        Ref root{};
        Depths depths;
    };

    // Where a key is, or the entry under which it would hang; none in an empty tree.
    struct Place {
        Ref at{};
        uint32_t depth = 0;
        bool is_hit = false;
        uint64_t visited() const { return at ? depth + 1 : 0; }
    };

    // Entries that calls to come will come by; in memory, if no longer in the tree.
    struct Hints {
        std::array<Ref, Ahead::lanes> at{};
        uint32_t successors = 0;  // bit i: at[i] is to take the place of the entry itself
    };

    static Place descend_from(const Nodes& nodes, Place place, uint64_t offset);
    Place place_of(const Tree& tree, uint64_t offset) const;
    void make_room(Tree& tree, uint64_t offset);

    void fetch_words(const Ahead& ahead) const;
    void fetch_entries(Hints& hints, const Ahead& ahead) const;
    void fetch_uncovered(Hints& hints, const Ahead& ahead, uint32_t lanes) const;
    void find_and_fetch_around(Hints& hints, Ahead& ahead) const;
    void fetch_beyond(const Hints& hints, const Ahead& ahead) const;

    std::array<Tree, swap_types> trees_{};
    Nodes nodes_;
    std::array<Hints, keeps ? Ahead::groups + 1 : 1> hints_;
    uint64_t entry_bytes_;
};

// In the layout that the options ask for; small: few offsets are covered, for tests.
std::unique_ptr<SwapIndex> make_rbtree(IndexOptions options);
std::unique_ptr<SwapIndex> make_small_rbtree(IndexOptions options);

}  // namespace zreplay
