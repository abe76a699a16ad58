// zswap with two index engines (kernel-model 7.7, design d): slots of the swap index lead to objects, and the memory manager
// has its own index of the pages they are in and reclaims them among ordinary pages (mm/inactive_lru.hpp). The pool has no
// limit. Everything else is 3.12's, on whose development tree the thread was held.
//
// When the memory manager reclaims is read off the trace. It stores page P: so its reclaim had reached P at the tail of the
// list, and every zpool page older than P was reached before. Those are written back now, oldest first:
//
//      isolate ─▶ first buddy, last buddy: a free page each, decompress, write, drop ─▶ both gone: the page is free
//                     │ its slot's page is in memory (−EEXIST): back to the head of the list, and on
//
// A page is known by its slot, from its load to the slot's next store. 6.1 frees most slots soon after a load, when the page
// in memory is written to; the page stays, so that ends nothing here. The slot's next store may then be of another page, which
// a trace cannot tell: it is taken for the one that was loaded.
//
// The memory manager sees one page go; it costs up to two page writes and needs up to two free pages at the moment in which
// there are none. (A replay is open-loop: memory freed here would have changed later faults, and so the trace.)
#pragma once

#include "mm/inactive_lru.hpp"
#include "swap/per_type.hpp"
#include "swap/zswap_under_frontswap.hpp"

namespace zreplay {

template <Pool P>
class ZswapTwoIndex : public ZswapUnderFrontswap<PerType<P>, InactiveLru> {
    using Base = ZswapUnderFrontswap<PerType<P>, InactiveLru>;

  public:
    using PoolType = PerType<P>;
    static constexpr uint32_t index_entry_bytes = 48;

    ZswapTwoIndex(PoolType& pool, const ModelParts& parts)
        : Base(pool, parts, Base::header_bytes_3_12(parts.policy), parts.policy.inactive_lru) {}

    int predicted(const Event& event) {
        charge(event.op);
        switch (event.op) {
            case Op::store: return store(event);
            case Op::load: {
                const int result = Base::common(event);
                mm_.ordinary_page_comes(event.entry);  // from the pool or from the device
                return result;
            }
            case Op::invalidate_area: mm_.ordinary_pages_go(event.entry.type()); return Base::common(event);
            case Op::writeback:
            case Op::shrink: return 0;
            default: return Base::common(event);
        }
    }

    // Reclaim is the memory manager's: there are no recorded decisions that could drive it.
    int driven(const Event& event) { return predicted(event); }

  private:
    using Base::charge, Base::counters_, Base::mm_, Base::pool_;

    int store(const Event& event) {
        ++counters_.stores;
        const uint64_t age = mm_.age_of(event.entry);
        while (InactiveLru::Page* page = mm_.isolate_older_than(age)) write_page(page);
        mm_.ordinary_page_goes(event.entry);
        charge(Op::store);
        return Base::keep_as_3_12(event, 0);
    }

    void write_page(InactiveLru::Page* page) {
        charge(Op::shrink);
        ++counters_.shrinks;
        mm_.begin_writeback(page);
        pool_.map(page->object, false);  // the header, for its objects
        Location buddies[] = {page->object, pool_.buddy(page->object)};
        if (buddies[1] && buddies[1].position() < buddies[0].position()) std::swap(buddies[0], buddies[1]);
        uint64_t written = 0;
        bool stays = false;
        for (Location buddy : buddies) {
            if (!buddy) continue;
            stays = !Base::write_back(buddy);
            if (stays) break;
            ++written;
        }
        counters_.temporary_pages += written;
        counters_.temporary_pages_peak = std::max(counters_.temporary_pages_peak, written);
        charge(Op::shrink);
        if (stays) {  // else it went with its last object
            mm_.putback(page);
            ++counters_.pages_rotated;
            return;
        }
        ++counters_.pages_reclaimed;
        counters_.both_buddies_written += written == 2;
    }
};

}  // namespace zreplay
