#include "index/rbtree.hpp"

#include "index/broken.hpp"
#include "index/rbtree_change.hpp"
#include "index/rbtree_check.hpp"
#include "index/rbtree_look.hpp"

namespace zreplay {

// The place is on the way to the offset.
template <class Nodes, class Depths>
auto Rbtree<Nodes, Depths>::descend_from(const Nodes& nodes, Place place, uint64_t offset) -> Place {
    if (!place.at) return place;
    for (;;) {
        const auto& here = nodes[place.at];
        if (here.offset == offset) {
            place.is_hit = true;
            return place;
        }
        const Ref next = here.towards(offset);
        if (!next) return place;
        place.at = next;
        ++place.depth;
    }
}

template <class Nodes, class Depths>
auto Rbtree<Nodes, Depths>::place_of(const Tree& tree, uint64_t offset) const -> Place {
    if constexpr (keeps) {
        const Depths& depths = tree.depths;
        if (!depths.covers(offset)) return descend_from(nodes_, {tree.root}, offset);
        if (depths.has(offset)) return {depths.entry(offset), depths.depth(offset), true};
        const auto link = depths.link_of(offset);
        if (link.offset == Depths::none) return descend_from(nodes_, {tree.root}, offset);
        const Place place{depths.entry(link.offset), depths.depth(link.offset)};
        return link.is_certain ? place : descend_from(nodes_, place, offset);
    }
    return descend_from(nodes_, {tree.root}, offset);
}

// An entry of that offset is about to be inserted.
template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::make_room(Tree& tree, uint64_t offset) {
    if (!tree.depths.make_room(offset, nodes_.live() + 1)) return;
    auto tell = [&](auto&& tell, Ref entry, uint32_t depth) -> void {
        if (!entry) return;
        tell(tell, nodes_[entry].child[rb::left], depth + 1);
        tree.depths.inserts(nodes_[entry].offset, entry, depth);
        tell(tell, nodes_[entry].child[rb::right], depth + 1);
    };
    tell(tell, tree.root, 0);
}

template <class Nodes, class Depths>
Location Rbtree<Nodes, Depths>::find(SwapEntry entry) {
    const Place place = place_of(trees_[entry.type()], entry.offset());
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    return place.is_hit ? Location::from_word(nodes_[place.at].handle) : Location();
}

template <class Nodes, class Depths>
Location Rbtree<Nodes, Depths>::insert(SwapEntry entry, Location location) {
    Tree& tree = trees_[entry.type()];
    RbtreeChange<Nodes, Depths> change{nodes_, tree.root, tree.depths};
    if constexpr (keeps) make_room(tree, entry.offset());
    Place place = place_of(tree, entry.offset());
    uint64_t visited = place.visited();
    Location old;
    if (place.is_hit) {
        old = Location::from_word(nodes_[place.at].handle);
        visited += change.unlink(place.at, place.depth);
        nodes_.release(place.at);
        ++cost_->nodes_freed;
        place = place_of(tree, entry.offset());
        visited += place.visited();
    }
    const Ref fresh = nodes_.make(entry.offset(), location.word());
    const auto depth = static_cast<uint32_t>(place.visited());
    if constexpr (keeps) tree.depths.inserts(entry.offset(), fresh, depth);
    change.hang(fresh, place.at, depth);
    ++cost_->nodes_allocated;
    cost_->nodes_visited += visited;
    cost_->cache_lines += visited + change.lines + 1;
    cost_->slots_written += change.writes + 2;  // the handle, and the link to the new entry
    return old;
}

template <class Nodes, class Depths>
Location Rbtree<Nodes, Depths>::erase(SwapEntry entry) {
    Tree& tree = trees_[entry.type()];
    RbtreeChange<Nodes, Depths> change{nodes_, tree.root, tree.depths};
    const Place place = place_of(tree, entry.offset());
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    if (!place.is_hit) return {};
    const Location old = Location::from_word(nodes_[place.at].handle);
    const uint64_t steps = change.unlink(place.at, place.depth);
    nodes_.release(place.at);
    ++cost_->nodes_freed;
    cost_->nodes_visited += steps;
    cost_->cache_lines += steps + change.lines;
    cost_->slots_written += change.writes;
    return old;
}

template <class Nodes, class Depths>
Location Rbtree<Nodes, Depths>::update(SwapEntry entry, Location moved) {
    const Place place = place_of(trees_[entry.type()], entry.offset());
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    ++cost_->slots_written;
    const Location old = Location::from_word(nodes_[place.at].handle);
    nodes_[place.at].handle = moved.word();
    return old;
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const {
    auto leftmost = [&](Ref entry) {
        while (entry && nodes_[entry].child[rb::left]) entry = nodes_[entry].child[rb::left];
        return entry;
    };
    for (Ref entry = leftmost(trees_[type].root); entry;) {
        visit(nodes_[entry].offset, Location::from_word(nodes_[entry].handle));
        if (nodes_[entry].child[rb::right]) {
            entry = leftmost(nodes_[entry].child[rb::right]);
            continue;
        }
        Ref below;
        do {
            below = entry;
            entry = nodes_[entry].parent();
        } while (entry && nodes_[entry].child[rb::right] == below);
    }
}

template <class Nodes, class Depths>
void Rbtree<Nodes, Depths>::check() const {
    uint64_t entries = 0;
    for (uint32_t type = 0; type < swap_types; ++type) {
        const Tree& tree = trees_[type];
        RbtreeCheck<Nodes> checked(nodes_, type, tree.root);
        entries += checked.entries;
        if constexpr (keeps) check_depths(nodes_, type, tree.root, tree.depths);
    }
    require(entries == nodes_.live(), "rbtree entries allocated but not in a tree", nodes_.live(), entries);
}

namespace {

template <DepthLimits limits>
std::unique_ptr<SwapIndex> make(IndexOptions options) {
    if (options.kernels_layout) return std::make_unique<Rbtree<KernelNodes, NoDepths>>(options);
    return std::make_unique<Rbtree<CompactNodes, Depths<limits>>>(options);
}

}  // namespace

std::unique_ptr<SwapIndex> make_rbtree(IndexOptions options) { return make<{.always = 1 << 22, .per_entry = 32}>(options); }
std::unique_ptr<SwapIndex> make_small_rbtree(IndexOptions options) { return make<{.always = 64, .per_entry = 64}>(options); }

}  // namespace zreplay
