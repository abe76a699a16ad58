// A reclaim order beside the set of live entries: it may name only these, of the group that was asked for, some as long as there are any,
// and the same one until something changes.
#include "plugin/verified.hpp"

#include <map>
#include <unordered_map>
#include <utility>

#include "plugin/wrong_answer.hpp"

namespace zreplay {

namespace {

class VerifiedOrder final : public OrderInterface {
  public:
    VerifiedOrder(std::unique_ptr<OrderInterface> order, std::string name) : order_(std::move(order)), name_(std::move(name)) {}

    bool makes_room() const override { return order_->makes_room(); }
    bool knows_the_future() const override { return order_->knows_the_future(); }
    uint64_t next_load(const CompressedEntry* entry) const override { return order_->next_load(entry); }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t next_load, uint64_t group) override {
        CompressedEntry* entry = order_->make(slot, object, length_bytes, next_load, group);
        changed();
        const uint64_t of = has_groups() ? group : 0;
        group_of_[entry] = of;
        ++live_[of];
        require_answer(name_, "entries after stored()", order_->entries(), group_of_.size());
        return entry;
    }
    void release(CompressedEntry* entry) override {
        changed();
        if (const auto place = group_of_.find(entry); place != group_of_.end()) {
            --live_[place->second];
            group_of_.erase(place);
        }
        order_->release(entry);
        require_answer(name_, "entries after gone()", order_->entries(), group_of_.size());
    }
    void loaded(CompressedEntry* entry, uint64_t next_load) override {
        changed();
        order_->loaded(entry, next_load);
    }
    void rotate(CompressedEntry* entry) override {
        changed();
        order_->rotate(entry);
    }

    CompressedEntry* oldest(uint64_t group) const override {
        const uint64_t of = has_groups() ? group : 0;
        compared(of, order_->oldest(group));
        return compared(of, order_->oldest(group));  // asking changes nothing
    }
    CompressedEntry* oldest_of_nth(size_t n) const override {
        CompressedEntry* entry = order_->oldest_of_nth(n);
        if (!has_groups()) return compared(0, entry);
        for (const auto& [group, entries] : live_)
            if (place_of(group) == n) return compared(group, entry);
        if (entry) wrong_answer(name_, "next() of a group that never had an entry", "the entry of " + of_slot(entry->slot), "nothing");
        return nullptr;
    }

    bool has_groups() const override { return order_->has_groups(); }
    void add_group(uint64_t group) override { order_->add_group(group); }
    size_t groups() const override { return order_->groups(); }
    size_t place_of(uint64_t group) const override { return order_->place_of(group); }
    uint64_t entries() const override { return order_->entries(); }
    uint64_t bytes() const override { return order_->bytes(); }
    void for_each(const Visit& visit) const override { order_->for_each(visit); }
    void check() const override { order_->check(); }

  private:
    CompressedEntry* compared(uint64_t group, CompressedEntry* entry) const {
        const std::string call = "next() of group " + std::to_string(group);
        const auto live = live_.find(group);
        const uint64_t entries = live == live_.end() ? 0 : live->second;
        if (!entry) {
            if (entries) wrong_answer(name_, call, "nothing", "one of " + std::to_string(entries) + " entries");
            return nullptr;
        }
        const auto place = group_of_.find(entry);
        if (place == group_of_.end()) wrong_answer(name_, call, "an entry that is gone", "a live one");
        if (place->second != group)
            wrong_answer(name_, call, "the entry of " + of_slot(entry->slot) + " in group " + std::to_string(place->second),
                         "one of its own");
        const auto [before, is_new] = asked_.emplace(group, entry);
        if (!is_new && before->second != entry)
            wrong_answer(name_, call, "the entry of " + of_slot(entry->slot),
                         "that of " + of_slot(before->second->slot) + " as before, since nothing has changed");
        return entry;
    }
    void changed() { asked_.clear(); }

    std::unique_ptr<OrderInterface> order_;
    const std::string name_;
    std::unordered_map<const CompressedEntry*, uint64_t> group_of_;
    std::map<uint64_t, uint64_t> live_;                              // group → entries
    mutable std::map<uint64_t, const CompressedEntry*> asked_;  // group → the answer since the last change
};

}  // namespace

std::unique_ptr<OrderInterface> verified(std::unique_ptr<OrderInterface> order, const std::string& name) {
    return std::make_unique<VerifiedOrder>(std::move(order), name);
}

}  // namespace zreplay
