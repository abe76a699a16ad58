// The reclaim index of kernels to 6.5: the pool's own list of pages, inside the allocator. Nothing is kept beside it, and
// the memory manager knows nothing of the pages.
#pragma once

#include <cstdint>

#include "cost.hpp"
#include "counters.hpp"
#include "types.hpp"

namespace zreplay {

struct PoolLru {
    template <class P>
    void stored(const P&, SwapEntry, Location) {}
    template <class P>
    void freeing(const P&, Location) {}
    void loaded_from(Location) {}
    void migrated(Location, Location) {}
    void charge(Cost&) {}
    void tell(Counters&) const {}
    template <class P>
    void check(const P&) const {}
};

}  // namespace zreplay
