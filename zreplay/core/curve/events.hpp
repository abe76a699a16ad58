// A trace as replays at many limits see it: read once, and only what no limit can change left out.
//
//      rows ─▶ CurveEvents ─▶ ops ─▶ StackDistances              every limit at once, LRU order (stack_distances.hpp)
//                                ─▶ at_limit(), once a limit      the kernel's list of entries over its pool (at_limit.hpp)
//
// zswap as 6.12 and later have it (swap/zswap_folio.hpp), with exclusive loads: a page is in the pool from its store to its
// load or its end, at the most. So a load of a page that is not there then, since it was loaded before or its store was not
// recorded, reads the device whatever the limit; a page of zeroes never does. Both are counted here and gone. Of what is left
// every page has a number, which another gets when it is gone, so that a replay needs no index.
//
// 20 bytes an op. The sample keeps the slots of trace/slot_sample.hpp, and what stores did before their rows (replay/calls.hpp) only
// where it is the whole.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "events.hpp"
#include "pieces.hpp"
#include "replay/calls.hpp"
#include "swap/missing_size.hpp"
#include "swap/policy.hpp"

namespace zreplay {

struct CurveOp {
    enum What : uint8_t {
        store,    // of `size_bytes`; an older page of that number goes when the new one is in
        refused,  // a store that no limit takes: it asks for room, then an older page of that number goes
        load,
        drop,     // invalidated, or a store of a page of zeroes that was called before its row: `page` or `call` may be none
        compact,
        visit,    // the memory manager has the oldest of a group looked at; if that is `page`, it cannot be evicted
        decide,   // a store is called, which is ops further on
        reserve,  // it asks the allocator for `size_bytes`
    };
    static constexpr uint32_t none = UINT32_MAX;

    uint32_t row;         // of the trace; wraps
    uint32_t page = none;
    uint32_t call = none; // number of a call before its row
    uint16_t size_bytes = 0;
    uint16_t group = 0;   // of a store and a visit: cgroup and node, numbered
    What what;
};

class CurveEvents {
  public:
    struct Options {
        bool same_filled = true;
        bool keeps_incompressible = false;
        std::vector<uint64_t> cgroups;  // those whose lists are there from the begin, in their order
        uint64_t sample_keep = 1, sample_of = 1;
    };

    // Counted over the whole trace, then over the sample.
    uint64_t events = 0, all_stores = 0, all_loads = 0;
    uint64_t stores = 0, loads = 0;
    uint64_t loads_zero = 0;  // answered without zswap: pages of zeroes
    uint64_t loads_cold = 0;  // of a page that no limit has
    uint64_t refused = 0;     // stores that no limit takes
    uint64_t most_pages = 0;  // numbers given at once
    uint64_t most_calls = 0;

    CurveEvents(Options options, MissingSizes missing_sizes);

    // The next batch of the trace, with its calls.
    void add(const EventBatch& batch, std::span<const Call> calls);

    const std::vector<CurveOp>& ops() const { return ops_; }
    size_t groups_at_begin() const { return options_.cgroups.size(); }
    size_t groups() const { return groups_.size(); }

  private:
    // One word a slot: number of its page + 1, or 0; the top bit: it is marked as a page of zeroes.
    static constexpr uint32_t zero_bit = 1u << 31;
    static constexpr int piece_bits = 9;
    using Piece = std::array<uint32_t, 1u << piece_bits>;

    uint32_t& word(SwapEntry slot) { return slots_.make(slot)[slot.offset() & ((1u << piece_bits) - 1)]; }
    uint32_t peek(SwapEntry slot) const {
        const Piece* piece = slots_.find(slot);
        return piece ? (*piece)[slot.offset() & ((1u << piece_bits) - 1)] : 0;
    }
    void store(const Event& event, uint32_t row, uint32_t call);
    void load(SwapEntry slot, uint32_t row);
    void invalidate(SwapEntry slot, uint32_t row);
    void visit(const Event& event, uint32_t row);
    void invalidate_area(uint32_t type, uint32_t row);
    void take_calls(int64_t row, std::span<const Call>& calls);
    uint32_t call_of(int64_t row);
    uint16_t group_of(uint64_t key);
    uint32_t new_page();
    bool is_sampled(SwapEntry slot) const;

    Options options_;
    MissingSizes missing_sizes_;
    std::vector<CurveOp> ops_;
    Pieces<Piece, piece_bits, piece_bits + 18> slots_;
    std::vector<uint32_t> free_pages_;
    std::vector<uint64_t> groups_;
    struct Pending {
        int64_t row;
        uint32_t call;
    };
    std::vector<Pending> pending_;  // calls whose rows are to come
    std::vector<uint32_t> free_calls_;
};

}  // namespace zreplay
