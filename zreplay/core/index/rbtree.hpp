// rbtree: zswap's own index of 3.11 to 6.8, a red-black tree of entries, one tree per swap type, keyed by offset.
//
// The tree's links are inside the entry, so there is no other allocation and a node is an entry. Each level of a descent is a
// dependent load of another entry. Entries are the kernel's, or half as large (rbtree_layouts.hpp); rebalancing is in
// rbtree_change.hpp. Beside compact entries there are shortcuts (rbtree_shortcuts.hpp), and what was found by looking ahead is kept
// for as long as its versions stay. None of it changes the tree, an answer or a count: a descent costs its depth.
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
#include "index/rbtree_layouts.hpp"
#include "index/rbtree_shortcuts.hpp"

namespace zreplay {

template <class Nodes, class Shortcuts>
class Rbtree final : public SwapIndex {
    using Ref = typename Nodes::Ref;
    static constexpr bool keeps = !std::is_same_v<Shortcuts, NoShortcuts>;

  public:
    explicit Rbtree(IndexOptions options = {}) : entry_bytes_(options.entry_bytes) {}
    Location find(SwapEntry entry) override;
    Location insert(SwapEntry entry, Location location) override;
    Location erase(SwapEntry entry) override;
    Location update(SwapEntry entry, Location moved) override;
    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override;
    int look_steps() const override { return keeps ? 5 : 1; }
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
        Shortcuts shortcuts;
        uint64_t entries = 0;
    };

    // Where a key is, or the entry under which it would hang; none in an empty tree.
    struct Place {
        Ref at{};
        uint32_t depth = 0;
        bool is_hit = false;
        bool is_alone = false;  // no entry on the way lies in its bucket: there is none
        uint64_t visited() const { return at ? depth + 1 : 0; }
    };

    // What was found by looking ahead.
    struct Lane {
        uint64_t word = ~uint64_t{0};
        uint64_t state = 0;  // of its bucket's paths
        Place place;
        uint32_t version = 0;  // of the place's entry
        bool is_kept = false;
    };

    Place descend(Tree& tree, uint64_t offset);
    Place place_of(Tree& tree, SwapEntry entry);
    bool holds(Tree& tree, const Lane& lane, uint64_t offset) const;

    void fetch_buckets(Lane* lanes, const Ahead& ahead);
    void fetch_starts(const Ahead& ahead) const;
    void fetch_below_starts(const Ahead& ahead) const;
    void go_down(Lane* lanes, const Ahead& ahead);
    bool go_down_one(Tree& tree, Lane& lane, uint64_t offset);
    void keep(Tree& tree, Lane& lane, uint64_t offset);
    void take(Lane* lanes, Ahead& ahead);
    void fetch_around(const Lane& lane) const;
    void fetch_beyond(const Lane& lane) const;

    std::array<Tree, swap_types> trees_{};
    Nodes nodes_;
    std::array<Lane, keeps ? Ahead::nobody + 1 : 1> lanes_;
    uint64_t entry_bytes_;
};

// In the layout that the options ask for; small: with shortcuts in trees of any size, for tests.
std::unique_ptr<SwapIndex> make_rbtree(IndexOptions options);
std::unique_ptr<SwapIndex> make_small_rbtree(IndexOptions options);

}  // namespace zreplay
