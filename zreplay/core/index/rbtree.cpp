#include "index/rbtree.hpp"

#include <algorithm>

#include "index/broken.hpp"
#include "prefetch.hpp"

namespace zreplay {

namespace {

using Entry = ZswapEntry;

constexpr uint64_t black = 1;

// Sides are indices of Entry::child, so that a comparison is one: key < offset goes left.
constexpr bool right = false;
constexpr bool left = true;

Entry* parent_of(const Entry* entry) { return reinterpret_cast<Entry*>(entry->parent_and_colour & ~black); }
bool is_red(const Entry* entry) { return entry && !(entry->parent_and_colour & black); }
bool is_black(const Entry* entry) { return !is_red(entry); }  // an empty link is black

// One tree while it is being changed, and what that costs: a write is of one link word (a parent's word carries the
// colour), a line is of an entry that the descent did not already touch.
struct Change {
    Entry*& root;
    uint64_t writes = 0;
    uint64_t lines = 0;

    void set_parent(Entry* entry, Entry* parent) {
        entry->parent_and_colour = reinterpret_cast<uint64_t>(parent) | (entry->parent_and_colour & black);
        ++writes;
    }
    void paint(Entry* entry, uint64_t colour) {
        entry->parent_and_colour = (entry->parent_and_colour & ~black) | colour;
        ++writes;
    }
    void set_child(Entry* entry, bool side, Entry* child) {
        entry->child[side] = child;
        ++writes;
    }
    // Whatever named `old` below `parent` (the root, if null) names `entry` now.
    void replace_child(Entry* parent, const Entry* old, Entry* entry) {
        (parent ? parent->child[parent->child[left] == old] : root) = entry;
        ++writes;
    }

    // `top` goes down on `side`; its child of the other side takes its place.
    void rotate(Entry* top, bool side) {
        Entry* rising = top->child[!side];
        Entry* crossing = rising->child[side];
        set_child(top, !side, crossing);
        if (crossing) {
            set_parent(crossing, top);
            ++lines;
        }
        Entry* parent = parent_of(top);
        set_parent(rising, parent);
        replace_child(parent, top, rising);
        set_child(rising, side, top);
        set_parent(top, rising);
    }

    // `entry` is new and red. Either its parent is black, or colours move up, or two rotations end it.
    void rebalance_after_insert(Entry* entry) {
        while (Entry* parent = parent_of(entry)) {
            if (is_black(parent)) return;
            Entry* grandparent = parent_of(parent);  // there is one: the root is black
            bool side = grandparent->child[left] == parent;
            Entry* uncle = grandparent->child[!side];
            lines += uncle != nullptr;
            if (is_red(uncle)) {
                paint(parent, black);
                paint(uncle, black);
                paint(grandparent, 0);
                entry = grandparent;
                continue;
            }
            if (parent->child[!side] == entry) {
                rotate(parent, side);
                parent = entry;
            }
            paint(parent, black);
            paint(grandparent, 0);
            rotate(grandparent, !side);
            return;
        }
        paint(entry, black);
    }

    // Paths through `entry` (which may be empty) under `parent` lack one black.
    void rebalance_after_erase(Entry* entry, Entry* parent) {
        while (parent && is_black(entry)) {
            bool side = parent->child[left] == entry;
            Entry* sibling = parent->child[!side];  // there is one: its paths have a black more
            ++lines;
            if (is_red(sibling)) {
                paint(sibling, black);
                paint(parent, 0);
                rotate(parent, side);
                sibling = parent->child[!side];
            }
            Entry* near = sibling->child[side];
            Entry* far = sibling->child[!side];
            lines += (near != nullptr) + (far != nullptr);
            if (is_black(near) && is_black(far)) {
                paint(sibling, 0);
                entry = parent;
                parent = parent_of(entry);
                continue;
            }
            if (is_black(far)) {
                paint(near, black);
                paint(sibling, 0);
                rotate(sibling, !side);
                far = sibling;
                sibling = near;
            }
            paint(sibling, parent->parent_and_colour & black);
            paint(parent, black);
            paint(far, black);
            rotate(parent, side);
            return;
        }
        if (is_red(entry)) paint(entry, black);
    }

    // Takes `entry` out of the tree; gives the number of entries stepped on to find its successor, if it needed one.
    uint64_t unlink(Entry* entry) {
        uint64_t steps = 0;
        Entry* parent = parent_of(entry);
        Entry* orphan;
        bool lost_black;
        if (!entry->child[left] || !entry->child[right]) {
            orphan = entry->child[entry->child[left] != nullptr];
            lost_black = is_black(entry);
            replace_child(parent, entry, orphan);
            lines += orphan != nullptr;
        } else {
            Entry* successor = entry->child[right];
            for (steps = 1; successor->child[left]; ++steps) successor = successor->child[left];
            orphan = successor->child[right];
            lost_black = is_black(successor);
            Entry* above = parent;
            parent = successor;
            if (successor != entry->child[right]) {
                parent = parent_of(successor);
                set_child(parent, left, orphan);
                set_child(successor, right, entry->child[right]);
                set_parent(entry->child[right], successor);
            }
            lines += (orphan != nullptr) + 1;  // and the left child
            replace_child(above, entry, successor);
            set_child(successor, left, entry->child[left]);
            set_parent(entry->child[left], successor);
            successor->parent_and_colour = entry->parent_and_colour;
            ++writes;
        }
        if (orphan) set_parent(orphan, parent);
        if (lost_black) rebalance_after_erase(orphan, parent);
        return steps;
    }
};

// Both links are loaded along with the offset and one is kept by a mask: a level costs one load's latency, and there is
// no branch to guess, which on random keys would be wrong every other time.
Entry* next_below(const Entry* entry, uint64_t offset) {
    uint64_t to_left = reinterpret_cast<uint64_t>(entry->child[left]);
    uint64_t to_right = reinterpret_cast<uint64_t>(entry->child[right]);
    uint64_t goes_left = -uint64_t{offset < entry->offset};
    return reinterpret_cast<Entry*>(to_right ^ ((to_right ^ to_left) & goes_left));
}

// Where a key is, or where it would hang.
struct Descent {
    Entry* hit = nullptr;
    Entry* parent = nullptr;
    uint64_t visited = 0;
};

Descent descend(Entry* root, uint64_t offset) {
    Descent descent;
    for (Entry* entry = root; entry; entry = next_below(entry, offset)) {
        ++descent.visited;
        if (entry->offset == offset) {
            descent.hit = entry;
            break;
        }
        descent.parent = entry;
    }
    return descent;
}

}  // namespace

Location Rbtree::find(SwapEntry entry) {
    Descent descent = descend(roots_[entry.type()], entry.offset());
    cost_->nodes_visited += descent.visited;
    cost_->cache_lines += descent.visited;
    return descent.hit ? Location::from_word(descent.hit->handle) : Location();
}

Location Rbtree::insert(SwapEntry entry, Location location) {
    Change change{roots_[entry.type()]};
    uint64_t visited = 0;
    Location old;
    Descent place = descend(change.root, entry.offset());
    if (place.hit) {
        old = Location::from_word(place.hit->handle);
        visited = place.visited + change.unlink(place.hit);
        arena_.release(place.hit);
        ++cost_->nodes_freed;
        place = descend(change.root, entry.offset());
    }
    visited += place.visited;

    Entry* fresh = arena_.make();
    fresh->offset = entry.offset();
    fresh->refcount = 1;
    fresh->handle = location.word();
    change.set_parent(fresh, place.parent);
    (place.parent ? place.parent->child[entry.offset() < place.parent->offset] : change.root) = fresh;
    change.rebalance_after_insert(fresh);
    ++cost_->nodes_allocated;
    cost_->nodes_visited += visited;
    cost_->cache_lines += visited + change.lines + 1;
    cost_->slots_written += change.writes + 2;  // the handle, and the link to the new entry
    return old;
}

Location Rbtree::erase(SwapEntry entry) {
    Change change{roots_[entry.type()]};
    Descent place = descend(change.root, entry.offset());
    cost_->nodes_visited += place.visited;
    cost_->cache_lines += place.visited;
    if (!place.hit) return {};
    Location old = Location::from_word(place.hit->handle);
    uint64_t steps = change.unlink(place.hit);
    arena_.release(place.hit);
    ++cost_->nodes_freed;
    cost_->nodes_visited += steps;
    cost_->cache_lines += steps + change.lines;
    cost_->slots_written += change.writes;
    return old;
}

Location Rbtree::update(SwapEntry entry, Location moved) {
    Descent place = descend(roots_[entry.type()], entry.offset());
    cost_->nodes_visited += place.visited;
    cost_->cache_lines += place.visited;
    ++cost_->slots_written;
    Location old = Location::from_word(place.hit->handle);
    place.hit->handle = moved.word();
    return old;
}

void Rbtree::for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const {
    const Entry* entry = roots_[type];
    while (entry && entry->child[left]) entry = entry->child[left];
    while (entry) {
        visit(entry->offset, Location::from_word(entry->handle));
        if (entry->child[right]) {
            entry = entry->child[right];
            while (entry->child[left]) entry = entry->child[left];
        } else {
            const Entry* below = entry;
            entry = parent_of(entry);
            while (entry && entry->child[right] == below) {
                below = entry;
                entry = parent_of(entry);
            }
        }
    }
}

// Sixteen descents side by side: each step loads an entry that was prefetched sixteen steps ago, and a descent that has
// arrived stays where it is. Then what rebalancing would look at: the sibling (a new entry's uncle), the children, and
// the first step to the successor.
void Rbtree::look(int, uint32_t, Ahead& ahead) {
    static const Entry nowhere{};  // stands for the root of an empty tree; its handle is empty
    std::array<const Entry*, Ahead::lanes> at;
    std::array<uint64_t, Ahead::lanes> keys;
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Entry* root = roots_[ahead.entries[i].type()];
        at[i] = root ? root : &nowhere;
        keys[i] = ahead.entries[i].offset();
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Entry* here = at[i];
            const Entry* next = here->child[keys[i] < here->offset];
            next = !next || here->offset == keys[i] ? here : next;
            prefetch(next);
            moved |= next != here;
            at[i] = next;
        }
    }
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Entry* here = at[i];
        ahead.found[i] = here->offset == keys[i] ? Location::from_word(here->handle) : Location();
        if (!(ahead.changing >> i & 1)) continue;
        const Entry* parent = parent_of(here);
        if (parent) prefetch(parent->child[parent->child[right] == here]);
        prefetch(here->child[left]);
        prefetch(here->child[right]);
    }
    for (uint32_t i = 0; i < ahead.count; ++i) {
        const Entry* here = at[i];
        const bool has_successor_below = here->child[left] && here->child[right];
        if (ahead.changing >> i & 1 && ahead.found[i] && has_successor_below) prefetch(here->child[right]->child[left]);
    }
}

namespace {

struct Checker {
    uint32_t type;
    uint64_t entries = 0;
    uint64_t last_offset = 0;

    // Gives the number of black entries on every path down.
    uint64_t below(const Entry* entry, const Entry* parent) {
        if (!entry) return 0;
        uint64_t offset = entry->offset;
        require_at(type, offset, parent_of(entry) == parent, "rbtree entry's parent",
                   reinterpret_cast<uint64_t>(parent_of(entry)), reinterpret_cast<uint64_t>(parent));
        require_at(type, offset, is_black(entry) || is_black(parent), "rbtree red entry has a black parent", 0, 1);
        uint64_t blacks_left = below(entry->child[left], entry);
        require_at(type, offset, !entries || offset > last_offset, "rbtree offsets ascend", last_offset, offset);
        require_at(type, offset, entry->handle && !(entry->handle & 1), "rbtree entry's handle is a location",
                   entry->handle, entry->handle & ~uint64_t{1});
        require_at(type, offset, entry->refcount == 1, "rbtree entry's references are the tree's",
                   static_cast<uint64_t>(entry->refcount), 1);
        ++entries;
        last_offset = offset;
        uint64_t blacks_right = below(entry->child[right], entry);
        require_at(type, offset, blacks_left == blacks_right, "rbtree black height, left against right", blacks_left,
                   blacks_right);
        return blacks_left + is_black(entry);
    }
};

}  // namespace

void Rbtree::check() const {
    uint64_t entries = 0;
    for (uint32_t type = 0; type < swap_types; ++type) {
        const Entry* root = roots_[type];
        if (!root) continue;
        require_at(type, root->offset, is_black(root), "rbtree root is black", 0, 1);
        Checker checker{type};
        checker.below(root, nullptr);
        entries += checker.entries;
    }
    require(entries == arena_.live(), "rbtree entries allocated but not in a tree", arena_.live(), entries);
}

}  // namespace zreplay
