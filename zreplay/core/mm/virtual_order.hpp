// Reclaim orders reached through virtual calls: those of no kernel, and what users plug in. Each says which of zswap's entries goes next.
// 6.12's own (entry_lru.hpp) is compiled into its model; all of these share one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "mm/entry_lru.hpp"

namespace zreplay {

// What ZswapFolio asks of a reclaim order; entry_lru.hpp has the words.
class OrderInterface {
  public:
    using Visit = std::function<void(const CompressedEntry*)>;

    OrderInterface() = default;
    OrderInterface(const OrderInterface&) = delete;
    OrderInterface& operator=(const OrderInterface&) = delete;
    virtual ~OrderInterface() = default;

    virtual bool makes_room() const = 0;       // a store evicts what it needs the room of, whatever the threshold
    virtual bool knows_the_future() const { return false; }
    virtual uint64_t next_load(const CompressedEntry*) const { return 0; }

    virtual CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t group) = 0;
    virtual void release(CompressedEntry* entry) = 0;
    virtual void loaded(CompressedEntry* entry, uint64_t next_load) = 0;
    virtual CompressedEntry* oldest(uint64_t group) const = 0;
    virtual void rotate(CompressedEntry* entry) = 0;

    virtual void add_group(uint64_t) {}
    virtual size_t groups() const { return 1; }
    virtual CompressedEntry* oldest_of_nth(size_t) const { return oldest(0); }
    virtual size_t place_of(uint64_t) const { return 0; }

    virtual uint64_t entries() const = 0;
    virtual uint64_t bytes() const = 0;
    virtual void for_each(const Visit& visit) const = 0;
    virtual void check() const = 0;
};

// A class of mm/ as one of these.
template <class Order>
class OrderBehind final : public OrderInterface {
  public:
    bool makes_room() const override { return Order::makes_room(); }
    bool knows_the_future() const override { return Order::knows_the_future(); }
    uint64_t next_load(const CompressedEntry* entry) const override { return Order::next_load(entry); }
    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t group) override {
        return order_.make(slot, object, length_bytes, next_load, group);
    }
    void release(CompressedEntry* entry) override { order_.release(entry); }
    void loaded(CompressedEntry* entry, uint64_t next_load) override { order_.loaded(entry, next_load); }
    CompressedEntry* oldest(uint64_t group) const override { return order_.oldest(group); }
    void rotate(CompressedEntry* entry) override { order_.rotate(entry); }
    void add_group(uint64_t group) override { order_.add_group(group); }
    size_t groups() const override { return order_.groups(); }
    CompressedEntry* oldest_of_nth(size_t n) const override { return order_.oldest_of_nth(n); }
    size_t place_of(uint64_t group) const override { return order_.place_of(group); }
    uint64_t entries() const override { return order_.entries(); }
    uint64_t bytes() const override { return order_.bytes(); }
    void for_each(const Visit& visit) const override { order_.for_each(visit); }
    void check() const override { order_.check(); }

  private:
    Order order_;
};

class VirtualOrder {
  public:
    explicit VirtualOrder(std::unique_ptr<OrderInterface> order) : order_(std::move(order)) {}

    static CompressedEntry* entry_of(Location location) { return EntryLru::entry_of(location); }
    static Location location_of(const CompressedEntry* entry) { return EntryLru::location_of(entry); }

    bool makes_room() const { return order_->makes_room(); }
    bool knows_the_future() const { return order_->knows_the_future(); }
    uint64_t next_load(const CompressedEntry* entry) const { return order_->next_load(entry); }
    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t group) {
        return order_->make(slot, object, length_bytes, next_load, group);
    }
    void release(CompressedEntry* entry) { order_->release(entry); }
    void loaded(CompressedEntry* entry, uint64_t next_load) { order_->loaded(entry, next_load); }
    CompressedEntry* oldest(uint64_t group) const { return order_->oldest(group); }
    void rotate(CompressedEntry* entry) { order_->rotate(entry); }
    void add_group(uint64_t group) { order_->add_group(group); }
    size_t groups() const { return order_->groups(); }
    CompressedEntry* oldest_of_nth(size_t n) const { return order_->oldest_of_nth(n); }
    size_t place_of(uint64_t group) const { return order_->place_of(group); }
    uint64_t entries() const { return order_->entries(); }
    uint64_t bytes() const { return order_->bytes(); }
    template <class Visit>
    void for_each(Visit&& visit) const {
        order_->for_each(std::ref(visit));
    }
    void check() const { order_->check(); }

    static constexpr int warm_steps = 1;
    static void warm(const CompressedEntry* entry, int) { prefetch_to_write(entry); }

  private:
    std::unique_ptr<OrderInterface> order_;
};

}  // namespace zreplay
