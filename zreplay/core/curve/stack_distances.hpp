// Every limit of the pool in one pass, in LRU order: what is evicted is the oldest, by the store that needs its room (mm/lru.hpp),
// and the pool takes what the compressed bytes fill (pool/ideal.hpp).
//
// Stack distances (Mattson et al., Evaluation techniques for storage hierarchies, IBM Systems Journal 9, 1970) in bytes. Before
// a store the pool of a limit of L pages evicts the oldest until (L−1)·4096 bytes or fewer are left. So of all pages that an endless
// pool would hold it has the youngest, and a page is still there at its load exactly if at no store since its own there was more
// than that in the pages at least as young as it:
//
//      distance(page) = max over those stores of  Σ bytes of the page and of all younger ones        least L = ⌈distance / 4096⌉ + 1
//
// What has been evicted is older than what stays, so it is in no sum that matters.
//
//      pages in the order of their stores       1      2      3      4 …
//      a store of s bytes                      +s     +s     +s      s     a page that goes: −s for all older
//      before a store, for all                 distance = max(distance, sum)
//
// Both are done in O(log n) in a tree over the pages: a node has what is still to be told to all below it, the bytes to add, and the
// greatest that these ever came to before a store. Pages that are gone leave holes at the tree's bottom; when there is no place left
// the tree is made anew of those that are there.
#pragma once

#include <cstdint>
#include <vector>

#include "curve/events.hpp"

namespace zreplay {

class StackDistances {
  public:
    // At index L: pages that stay until they go by themselves at limits of L pages and more, and are written back below; and how
    // many of them go by being loaded. Of a sample of `keep` of `of` slots, limits are the machine's.
    std::vector<uint64_t> pages, hits;
    uint64_t peak_bytes = 0;  // in an endless pool; of the sample

    StackDistances(uint64_t sample_keep, uint64_t sample_of) : keep_(sample_keep), of_(sample_of), tree_(2 * least) {}

    // All of it.
    void replay(const CurveEvents& events);

  private:
    static constexpr uint32_t least = 1024;
    static constexpr uint32_t nowhere = UINT32_MAX;
    static constexpr int64_t never = INT64_MIN / 4;

    struct Node {
        int64_t add = 0;        // at the bottom: the sum
        int64_t most = never;   // at the bottom: the distance
    };
    struct Page {
        uint32_t place = nowhere, size_bytes = 0;
    };

    uint32_t places() const { return static_cast<uint32_t>(tree_.size() / 2); }
    void look() { tree_[1].most = std::max(tree_[1].most, tree_[1].add); }
    void insert(uint32_t page, uint32_t size_bytes);
    int64_t remove(Page& page);
    void leave(Page& page, bool is_loaded);
    uint32_t walk(uint32_t place, int64_t change);
    void push(uint32_t node);
    void rebuild();
    uint64_t least_limit(int64_t distance_bytes) const;

    uint64_t keep_, of_;
    std::vector<Node> tree_;  // node n over 2n and 2n + 1; the bottom is the second half
    std::vector<uint32_t> page_at_;
    std::vector<Page> held_;
    std::vector<uint8_t> looked_;  // of a call: it has asked for room
    uint32_t next_ = 0;
    uint64_t bytes_ = 0;
};

}  // namespace zreplay
