// Pools reached through virtual calls: bounds, and what users plug in. The kernel's allocators are compiled into the loop of each
// model; all of these share one loop, so that another costs no build time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "pool/pool.hpp"
#include "prefetch.hpp"

namespace zreplay {

// What the concept Pool asks for (pool.hpp); what only some can do has the answer of those that cannot.
class PoolInterface {
  public:
    using Visit = std::function<bool(Location)>;

    PoolInterface() = default;
    PoolInterface(const PoolInterface&) = delete;
    PoolInterface& operator=(const PoolInterface&) = delete;
    virtual ~PoolInterface() = default;

    virtual Allocation alloc(uint32_t size_bytes, SwapEntry entry) = 0;
    virtual void free(Location location) = 0;
    virtual uint32_t size(Location location) const = 0;
    virtual void map(Location, bool /*length_known*/) const {}
    virtual SwapEntry entry(Location location) const = 0;
    virtual uint64_t pages() const = 0;
    virtual PoolUsage usage() const = 0;
    virtual std::vector<ClassRow> classes() const { return {}; }
    virtual void objects_from(uint64_t number, const Visit& visit) const = 0;
    virtual void check() const = 0;
    virtual void charge(Cost&) {}

    virtual uint64_t page_id(Location) const { return 0; }  // an object has no page of its own
    virtual int8_t position(Location) const { return 0; }

    virtual bool evicts() const { return false; }
    virtual int reclaim(uint32_t /*retries*/, const Visit& /*evict*/) { return -e_inval; }
    virtual bool is_resident(Location) const { return false; }
    virtual void set_resident(Location, bool) {}

    virtual uint64_t compact() { return 0; }
    virtual Moves moves() const { return {}; }
    virtual bool movable() const { return false; }
    virtual Migration migrate(Location) { return {-e_busy}; }
    virtual void on_move(OnMove) {}
};

// A pool of the concept as one of these.
template <class P>
class PoolBehind final : public PoolInterface {
  public:
    Allocation alloc(uint32_t size_bytes, SwapEntry entry) override { return pool_.alloc(size_bytes, entry); }
    void free(Location location) override { pool_.free(location); }
    uint32_t size(Location location) const override { return pool_.size(location); }
    SwapEntry entry(Location location) const override { return pool_.entry(location); }
    uint64_t pages() const override { return pool_.pages(); }
    PoolUsage usage() const override { return pool_.usage(); }
    void objects_from(uint64_t number, const Visit& visit) const override { pool_.objects_from(number, visit); }
    void check() const override { pool_.check(); }

  private:
    P pool_;
};

class VirtualPool {
  public:
    static constexpr std::string_view name = "virtual";
    static constexpr bool evictable = true;  // perhaps: evicts()
    static constexpr bool locations_move = false;

    explicit VirtualPool(std::unique_ptr<PoolInterface> pool) : pool_(std::move(pool)) {}

    Allocation alloc(uint32_t size_bytes, SwapEntry entry) { return pool_->alloc(size_bytes, entry); }
    void free(Location location) { pool_->free(location); }
    uint32_t size(Location location) const { return pool_->size(location); }
    void map(Location location, bool length_known) const { pool_->map(location, length_known); }
    SwapEntry entry(Location location) const { return pool_->entry(location); }
    uint64_t pages() const { return pool_->pages(); }
    PoolUsage usage() const { return pool_->usage(); }
    std::vector<ClassRow> classes() const { return pool_->classes(); }
    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        pool_->objects_from(number, std::ref(visit));
    }
    void check() const { pool_->check(); }
    void charge(Cost& cost) { pool_->charge(cost); }

    uint64_t page_id(Location location) const { return pool_->page_id(location); }
    int8_t position(Location location) const { return pool_->position(location); }

    // Evictions one by one, as recorded, are not asked of these: what is written back then leaves by its slot.
    struct Reclaim {
        Reclaim(VirtualPool&, uint32_t /*retries*/) {}
        static Location victim() { return {}; }
        static void result(bool) {}
        static int error() { return -e_inval; }
    };
    bool evicts() const { return pool_->evicts(); }
    template <class Evict>
    int reclaim(uint32_t retries, Evict&& evict) {
        return pool_->reclaim(retries, std::ref(evict));
    }
    bool is_resident(Location location) const { return pool_->is_resident(location); }
    void set_resident(Location location, bool resident) { pool_->set_resident(location, resident); }

    uint64_t compact() { return pool_->compact(); }
    Moves moves() const { return pool_->moves(); }
    bool movable() const { return pool_->movable(); }
    Migration migrate(Location location) { return pool_->migrate(location); }
    void on_move(OnMove told) { pool_->on_move(std::move(told)); }

    static constexpr int warm_steps = 1;
    static void warm(Location location, int, bool) { prefetch_to_write(location.descriptor<void>()); }
    static constexpr int warm_alloc_steps = 0;
    static void warm_alloc(uint32_t) {}

  private:
    std::unique_ptr<PoolInterface> pool_;
};
static_assert(Pool<VirtualPool>);

}  // namespace zreplay
