// zswap as Linux 3.12 had it (kernel-model 2.8): what differs from 6.1.
//
//   * One pool per swap type. The limit is checked against one global number, which every store and every freed entry
//     overwrites with the size of the pool it touched: with several types the check sees the last pool touched.
//   * A full pool makes room inside the store, from the pool of the store's own type: one page is evicted (or the store is
//     refused) and the store goes on without another look. There is no threshold for accepting again.
//   * frontswap offers an overwriting store without invalidating first. If zswap takes it, the old entry is replaced
//     (duplicate_entry). If it does not, frontswap clears its bit and zswap keeps the old entry: nobody can load it or
//     invalidate it any more, until a later store replaces it, writeback takes it, or the area goes.
//   * Same-filled pages are compressed like any other. The header is 8 bytes whatever the allocator. Entries are 48 bytes.
#pragma once

#include "swap/per_type.hpp"
#include "swap/zswap_under_frontswap.hpp"

namespace zreplay {

template <Pool P>
class Zswap312 : public ZswapUnderFrontswap<PerType<P>> {
    using Base = ZswapUnderFrontswap<PerType<P>>;

  public:
    Zswap312(PerType<P>& pool, const ModelParts& parts) : Base(pool, parts, Base::header_bytes_3_12(parts.policy)) {}
    using PoolType = PerType<P>;
    static constexpr uint32_t index_entry_bytes = 48;

    int predicted(const Event& event) {
        charge(event.op);
        switch (event.op) {
            case Op::store: return store(event, [&] { return make_room(event.entry); });
            case Op::writeback:
            case Op::shrink: return 0;
            default: return Base::common(event);
        }
    }

    int driven(const Event& event) {
        charge(event.op);
        if (event.op == Op::store) return store(event, [&] { return Base::admit_as_recorded(event); });
        return Base::common_driven(event);
    }

  private:
    using Base::charge, Base::counters_;

    template <class Admit>
    int store(const Event& event, Admit&& admit) {
        ++counters_.stores;
        return Base::keep_as_3_12(event, admit());
    }

    int make_room(SwapEntry entry) {
        if (!Base::policy_.limits.full(Base::total_pages())) return 0;
        ++counters_.pool_limit_hit;
        int result = Base::reclaim(entry) ? -e_nomem : 0;
        charge(Op::store);
        return result;
    }
};

}  // namespace zreplay
