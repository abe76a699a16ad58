#include "index/rbtree.hpp"

#include "index/broken.hpp"
#include "index/rbtree_change.hpp"
#include "index/rbtree_check.hpp"
#include "index/rbtree_look.hpp"

namespace zreplay {

template <class Nodes, class Shortcuts>
auto Rbtree<Nodes, Shortcuts>::descend(Tree& tree, uint64_t offset) -> Place {
    Place place{tree.root};
    if constexpr (keeps) {
        const uint64_t bucket = tree.shortcuts.bucket(offset), word = *tree.shortcuts.place(offset);
        if (const Ref start = tree.shortcuts.entry_of(word)) {
            place = {start, tree.shortcuts.depth_of(word)};
        } else if (place.at) {
            while (tree.shortcuts.bucket(nodes_[place.at].offset) != bucket) {
                const Ref next = nodes_[place.at].towards(offset);
                if (!next) {
                    place.is_alone = true;
                    return place;
                }
                place.at = next;
                ++place.depth;
            }
            tree.shortcuts.learn(bucket, place.at, place.depth);
        }
    }
    if (!place.at) return place;
    for (;;) {
        const auto& here = nodes_[place.at];
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

// Whether what was found for the lane's entry is so still.
template <class Nodes, class Shortcuts>
bool Rbtree<Nodes, Shortcuts>::holds(Tree& tree, const Lane& lane, uint64_t offset) const {
    if (!lane.is_kept || lane.state != tree.shortcuts.state(offset) || lane.version != nodes_[lane.place.at].version) return false;
    return lane.place.is_hit || !nodes_[lane.place.at].towards(offset);
}

template <class Nodes, class Shortcuts>
auto Rbtree<Nodes, Shortcuts>::place_of(Tree& tree, SwapEntry entry) -> Place {
    if constexpr (keeps)
        if (const Lane& lane = lanes_[expected_]; lane.word == entry.word && holds(tree, lane, entry.offset())) return lane.place;
    return descend(tree, entry.offset());
}

template <class Nodes, class Shortcuts>
Location Rbtree<Nodes, Shortcuts>::find(SwapEntry entry) {
    const Place place = place_of(trees_[entry.type()], entry);
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    return place.is_hit ? Location::from_word(nodes_[place.at].handle) : Location();
}

template <class Nodes, class Shortcuts>
Location Rbtree<Nodes, Shortcuts>::insert(SwapEntry entry, Location location) {
    Tree& tree = trees_[entry.type()];
    RbtreeChange<Nodes, Shortcuts> change{nodes_, tree.root, tree.shortcuts};
    Place place = place_of(tree, entry);
    uint64_t visited = place.visited();
    Location old;
    if (place.is_hit) {
        old = Location::from_word(nodes_[place.at].handle);
        visited += change.unlink(place.at, place.depth);
        nodes_.release(place.at);
        ++cost_->nodes_freed;
        place = descend(tree, entry.offset());
        visited += place.visited();
    } else {
        ++tree.entries;
    }
    const Ref fresh = nodes_.make(entry.offset(), location.word());
    const auto depth = static_cast<uint32_t>(place.visited());
    if constexpr (keeps)
        if (place.is_alone) tree.shortcuts.learn(tree.shortcuts.bucket(entry.offset()), fresh, depth);
    change.hang(fresh, place.at, depth);
    if constexpr (keeps) tree.shortcuts.inserted(nodes_, entry.offset(), tree.entries);
    ++cost_->nodes_allocated;
    cost_->nodes_visited += visited;
    cost_->cache_lines += visited + change.lines + 1;
    cost_->slots_written += change.writes + 2;  // the handle, and the link to the new entry
    return old;
}

template <class Nodes, class Shortcuts>
Location Rbtree<Nodes, Shortcuts>::erase(SwapEntry entry) {
    Tree& tree = trees_[entry.type()];
    RbtreeChange<Nodes, Shortcuts> change{nodes_, tree.root, tree.shortcuts};
    const Place place = place_of(tree, entry);
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    if (!place.is_hit) return {};
    const Location old = Location::from_word(nodes_[place.at].handle);
    const uint64_t steps = change.unlink(place.at, place.depth);
    nodes_.release(place.at);
    --tree.entries;
    if constexpr (keeps) tree.shortcuts.erased(tree.entries);
    ++cost_->nodes_freed;
    cost_->nodes_visited += steps;
    cost_->cache_lines += steps + change.lines;
    cost_->slots_written += change.writes;
    return old;
}

template <class Nodes, class Shortcuts>
Location Rbtree<Nodes, Shortcuts>::update(SwapEntry entry, Location moved) {
    const Place place = place_of(trees_[entry.type()], entry);
    cost_->nodes_visited += place.visited();
    cost_->cache_lines += place.visited();
    ++cost_->slots_written;
    const Location old = Location::from_word(nodes_[place.at].handle);
    nodes_[place.at].handle = moved.word();
    return old;
}

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const {
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

template <class Nodes, class Shortcuts>
void Rbtree<Nodes, Shortcuts>::check() const {
    uint64_t entries = 0;
    for (uint32_t type = 0; type < swap_types; ++type) {
        const Tree& tree = trees_[type];
        RbtreeCheck<Nodes> checked(nodes_, type, tree.root);
        entries += checked.entries;
        if constexpr (keeps)
            tree.shortcuts.for_each([&](Ref start, uint32_t depth, uint64_t first, uint64_t last) {
                check_shortcut(nodes_, type, tree.root, start, depth, first, last);
            });
    }
    require(entries == nodes_.live(), "rbtree entries allocated but not in a tree", nodes_.live(), entries);
}

namespace {

template <ShortcutSizes sizes>
std::unique_ptr<SwapIndex> make(IndexOptions options) {
    if (options.kernels_layout) return std::make_unique<Rbtree<KernelNodes, NoShortcuts>>(options);
    return std::make_unique<Rbtree<CompactNodes, Shortcuts<sizes>>>(options);
}

}  // namespace

std::unique_ptr<SwapIndex> make_rbtree(IndexOptions options) { return make<{.least_entries = 256, .per_bucket = 4}>(options); }
std::unique_ptr<SwapIndex> make_small_rbtree(IndexOptions options) { return make<{.least_entries = 2, .per_bucket = 1}>(options); }

}  // namespace zreplay
