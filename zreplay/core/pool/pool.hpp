// What every allocator can say about itself. Pools share no base class: a model of swap is compiled for each pool, so
// that an allocation is inlined into the replay loop; the concept below is what it may rely on.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include "cost.hpp"
#include "types.hpp"

namespace zreplay {

// Bytes are those of live objects. pages × 4096 = used_bytes + external fragmentation; used_bytes = asked_bytes +
// internal fragmentation.
struct PoolUsage {
    uint64_t pages = 0;
    uint64_t objects = 0;
    uint64_t asked_bytes = 0;  // what alloc() was asked for
    uint64_t used_bytes = 0;   // after rounding up to chunks or to the class
    uint64_t movable_pages = 0;  // the memory manager could move these now
};

// One row of classes.parquet. Members that do not apply to a pool stay empty and become nulls.
struct ClassRow {
    std::optional<uint32_t> class_size;   // zsmalloc
    std::optional<uint32_t> free_chunks;  // zbud, z3fold
    uint64_t pages = 0;
    uint64_t objects_used = 0;
    std::optional<uint64_t> objects_allocated;  // zsmalloc: room for this many
    std::optional<uint64_t> almost_empty, almost_full, full;  // zsmalloc: zspages by fullness group
};

// What a pool whose objects move has moved so far.
struct Moves {
    uint64_t pages_compacted = 0;    // given back because their objects were moved away
    uint64_t objects_copied = 0;     // by compaction; migration copies pages
    uint64_t handles_rewritten = 0;  // cells that now name another page or object
    uint64_t pages_migrated = 0;
};

// The memory manager's attempt to move one page. Refused with −EAGAIN where trying again may help (somebody is at work in
// the page), with −EBUSY where it won't.
struct Migration {
    int error = 0;
    uint32_t objects = 0;  // that were in it, whose places somebody has to be told
    Location now;          // of the object it was asked for, where locations move with pages
};

// Told of each object that now is in another page, or elsewhere in its page. `now` is what alloc() would give for it.
using OnMove = std::function<void(SwapEntry entry, Location now)>;

template <class P>
concept Pool = requires(P pool, const P& view, Location location, SwapEntry entry, uint32_t size, Cost& cost) {
    { P::name } -> std::convertible_to<std::string_view>;
    { P::evictable } -> std::convertible_to<bool>;  // has an LRU and can reclaim a page on 6.1
    { pool.alloc(size, entry) } -> std::same_as<Allocation>;
    pool.free(location);
    { view.size(location) } -> std::same_as<uint32_t>;  // as asked
    { view.entry(location) } -> std::same_as<SwapEntry>;
    view.map(location, bool{});  // the object is read; true: its length is known without the pool
    { view.pages() } -> std::same_as<uint64_t>;
    { view.usage() } -> std::same_as<PoolUsage>;
    { view.classes() } -> std::same_as<std::vector<ClassRow>>;
    // Prefetch what free(location) and size(location), or alloc(size), will touch. A step reads what the step before it
    // fetched, so a caller takes each step for many objects before the next; hints, never counted.
    { P::warm_steps } -> std::convertible_to<int>;
    view.warm(location, int{}, bool{});  // true: it will be freed, not only read
    { P::warm_alloc_steps } -> std::convertible_to<int>;
    view.warm_alloc(size);
    view.check();         // throws CheckFailed
    pool.charge(cost);
    // visit(Location) for each object, in order of address from the number-th place on and round, until it gives false.
    view.objects_from(uint64_t{}, [](Location) { return true; });
    { view.page_id(location) } -> std::convertible_to<uint64_t>;  // given when the page was taken, never again
    // Moving the page an object is in: migrate(location) where movable() says so.
    { view.movable() } -> std::same_as<bool>;
    { pool.migrate(location) } -> std::same_as<Migration>;
    pool.on_move(OnMove());
    { P::locations_move } -> std::convertible_to<bool>;  // a location names a page, not a handle cell
};

// Whether it can reclaim a page: known of a kind, or of one that is plugged in.
template <class P>
bool evicts(const P& pool) {
    if constexpr (requires { pool.evicts(); }) return pool.evicts();
    else return P::evictable;
}

// A pool's reclaim attempt in steps, for the pools that have one.
template <class P, bool = P::evictable>
struct ReclaimOf {
    using type = typename P::Reclaim;
};
template <class P>
struct ReclaimOf<P, false> {
    using type = std::monostate;
};

// A compaction in steps, likewise.
template <class P>
struct CompactionOf {
    using type = std::monostate;
};
template <class P>
    requires requires { typename P::Compaction; }
struct CompactionOf<P> {
    using type = typename P::Compaction;
};

}  // namespace zreplay
