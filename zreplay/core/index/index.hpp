// Engine one: swap entry → location of the compressed object. One object is all the trees of a kind, one tree per type.
//
// What an index must do is what kernel-model 7.2 lists; what it may cost is its own affair and is counted. A call from
// the replay loop is virtual: at one to two nanoseconds it is a small part of a tree walk, and it keeps the number of
// compiled loops at pools × models instead of indexes × pools × models.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "cost.hpp"
#include "index/ahead.hpp"
#include "types.hpp"

namespace zreplay {

// What the location words given to an index may be. A same-filled page is the word 8 in all three.
//
//      narrow  | descriptor, aligned to 16            | 0 | p1 p0 | 0 |         position 0 to 3
//      wide    | descriptor, aligned to 64    | p4 p3 p2 p1 p0 | p5 |           position 0 to 63
//      value   | pointer, aligned to 64               | 0  0  0  0  0  0 |      an even word: no position
//              | payload of 63 bits, not 0                           | 1 |      an odd word: xa_mk_value(payload)
//
// How many positions an index has room for is in its registry line, and so is whether it takes values. Payload 0 is
// kept for the same-filled page, which an xarray stores as that value.
enum class SlotWords : uint8_t { narrow, wide, value };

struct IndexOptions {
    uint32_t entry_bytes = 64;  // of the kernel's entry that has the tree's links in it (rbtree); 64 is 6.1's
    SlotWords words = SlotWords::narrow;
    // Memory laid out and walked as the kernel does it, to be timed; else an index may come by the same in other ways.
    bool kernels_layout = false;
};

class SwapIndex {
  public:
    SwapIndex() = default;
    SwapIndex(const SwapIndex&) = delete;
    SwapIndex& operator=(const SwapIndex&) = delete;
    virtual ~SwapIndex() = default;

    // An empty Location means: not there.
    virtual Location find(SwapEntry entry) = 0;
    virtual Location insert(SwapEntry entry, Location location) = 0;  // replaces; gives the old one
    virtual Location erase(SwapEntry entry) = 0;                      // gives what was there
    virtual Location update(SwapEntry entry, Location moved) = 0;     // the object moved; must be there; gives the old one

    // In ascending order of offset. The callback must not change the index.
    virtual void for_each(uint32_t type, const std::function<void(uint64_t offset, Location)>& visit) const = 0;

    // Fetches what the calls of a group of events to come will touch. In steps: each reads what the step before
    // it has fetched, so that between two steps of one group there is time for other groups' steps and calls. Several groups
    // are under way at once, each with a number of its own (Ahead). Changes nothing and costs nothing that is
    // counted, and calls may change anything meanwhile.
    virtual int look_steps() const { return 1; }
    virtual void look(int step, uint32_t group, Ahead& ahead) = 0;

    // Walks everything; throws CheckFailed.
    virtual void check() const = 0;

    virtual uint64_t entries() const = 0;
    virtual uint64_t nodes() const = 0;  // separately allocated nodes; an rbtree's are its entries
    virtual uint64_t bytes() const = 0;  // by the kernel's sizes, docs/models.md
    // nodes(), of an index that counts them in one place without a call: it is asked after every store.
    uint64_t nodes_now() const { return node_count_ ? *node_count_ : nodes(); }

    // Whether what a slot names is an entry of zswap's or zram's own, which has the length of the object.
    virtual bool has_entries() const { return false; }
    // Whether the position is in tags of the tree rather than in the slot.
    virtual bool positions_in_tags() const { return false; }

    // Whether find() and check() may be called at the same time.
    virtual bool reads_together() const { return true; }

    // Where a type's tree begins, laid out as the index's file draws it: for a debugger, and for tests that break it.
    virtual const void* root(uint32_t type) const = 0;

    // Whose account the next calls are charged to.
    void charge(Cost& cost) { cost_ = &cost; }
    // Gives who was charged till now.
    Cost& charge_nobody() { return *std::exchange(cost_, &nowhere_); }

  protected:
    const uint64_t* node_count_ = nullptr;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

}  // namespace zreplay
