// How many radix trees an index has, and which of them an entry is in. The key in a tree is always the bare offset.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "pieces.hpp"
#include "types.hpp"

namespace zreplay {

// One tree for each swap type.
template <class Root>
class RootPerType {
  public:
    Root* find(SwapEntry entry) { return &roots_[entry.type()]; }
    const Root* find(SwapEntry entry) const { return &roots_[entry.type()]; }
    Root& make(SwapEntry entry) { return roots_[entry.type()]; }

    // visit(root, least and greatest offset of its tree)
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        visit(roots_[type], uint64_t{0}, std::numeric_limits<uint64_t>::max());
    }
    const Root* first(uint32_t type) const { return &roots_[type]; }

  private:
    std::array<Root, swap_types> roots_;
};

// One tree for each 2^RangeBits slots of a type: the kernel's array of tree heads, allocated at swapon. Here a range's head
// is made when first stored in, as a trace does not say how large an area is.
template <class Root, int RangeBits, int near_bits>
class RootPerRange {
  public:
    Root* find(SwapEntry entry) { return roots_.find(entry); }  // nullptr: nobody has stored in the range
    const Root* find(SwapEntry entry) const { return roots_.find(entry); }
    Root& make(SwapEntry entry) { return roots_.make(entry); }

    // visit(root, least and greatest offset of its tree), in ascending order
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        roots_.for_each(type, [&](uint64_t first, const Root& root) {
            visit(root, first, first + (uint64_t{1} << RangeBits) - 1);
        });
    }
    // Of the range that begins at offset 0; null if there is none yet.
    const Root* first(uint32_t type) const { return roots_.find(SwapEntry(type, 0)); }

  private:
    Pieces<Root, RangeBits, near_bits> roots_;
};

}  // namespace zreplay
