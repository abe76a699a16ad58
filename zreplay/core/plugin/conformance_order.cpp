// A reclaim order against the entries there are: whose turn it is has to be one of them, of the group, and others' turn afterwards.
#include <map>
#include <set>

#include "mm/registry.hpp"
#include "plugin/conformance.hpp"
#include "plugin/plugin_order.hpp"

namespace zreplay::conformance {

namespace {

using enum Property;

enum Op : uint8_t { renew = op_renew, store, leave, load, ask, pass, evict, check_all, store_failing, create_failing };

class OrderInstance final : public Instance {
    struct Entry {
        CompressedEntry *entry, *like;
        uint16_t group;
        bool passed;
    };

  public:
    OrderInstance(const Setup& setup, Account& account) : Instance(account) {
        const OrderKind& kind = *find_order_kind(setup.name);
        order_ = kind.make();
        plugin_ = dynamic_cast<PluginOrder*>(order_.get());
        in_groups_ = plugin_ && plugin_->ops().capabilities & ZR_MM_GROUPS;
        if (!setup.like.empty()) like_ = find_order_kind(setup.like)->make();
        if (!plugin_) {
            account.cannot(out_of_memory, "built in");
            account.cannot(leaks, "built in");
        }
        account.calls("memory()");
        start_bytes_ = order_->bytes();
        if (plugin_) start_live_ = plugin_->host().live();
    }

    void begin(const Draw& draw, Random& random) override {
        draw_ = draw;
        most_ = draw.large_keys ? 4000 : 2u << random.below(6);
        groups_ = 1 + random.below(4);
    }

    Step draw(Random& random) override {
        Step step{.type = static_cast<uint16_t>(random.below(groups_))};
        if (draw_.out_of_memory && random.below(100) == 0) return {.op = create_failing};
        if (entries_.size() < most_ && random.below(100) < 36) {
            step.op = draw_.out_of_memory && random.below(2) ? store_failing : store;
            step.key = next_++;
            step.size = 1 + random.below(page_bytes - 1);
            step.value = 1 + random.below(100000);
            return step;
        }
        if (random.below(static_cast<uint32_t>(24 + entries_.size())) == 0) return {.op = check_all};
        const uint32_t chance = random.below(64);
        step.op = chance < 20 ? leave : chance < 32 ? load : chance < 44 ? ask : chance < 56 ? pass : evict;
        if (step.op == leave || step.op == load) {
            auto entry = entries_.lower_bound(next_ ? random.next() % next_ : 0);
            step.key = entry == entries_.end() ? next_ : entry->first;
            step.value = 1 + random.below(100000);
        }
        return step;
    }

    void apply(const Step& step) override {
        auto entry = entries_.find(step.key);
        switch (static_cast<Op>(step.op)) {
            case store: put(step); break;
            case store_failing: put_without_memory(step); break;
            case create_failing:
                if (plugin_) create_without_memory(plugin_->host(), plugin_->ops(), zr_mm_options{.size = sizeof(zr_mm_options), .reserved = 0});
                break;
            case leave:
                if (entry != entries_.end()) drop(entry);
                break;
            case load:
                if (entry == entries_.end()) break;
                guarded(next, "loaded()", [&] { order_->loaded(entry->second.entry, step.value); });
                if (like_) like_->loaded(entry->second.like, step.value);
                entry->second.passed = false;
                break;
            case ask: turn(step.type); break;
            case pass: pass_by(step.type); break;
            case evict:
                if (auto oldest = turn(step.type); oldest != entries_.end()) drop(oldest);
                break;
            case check_all: check_now(); break;
            case renew: break;
        }
        after();
    }

    void finish() override {
        check_now();
        drain();
        expect(next, entries_.empty(), [&] { return said("next(): nobody's turn, with ", entries_.size(), " entries left"); });
        check_now();
        if (plugin_) expect_no_leak(plugin_->host(), start_live_);
        abandon();
    }

    void drain() override {
        for (uint16_t group = 0; group < 8; ++group)
            for (auto oldest = turn(group); oldest != entries_.end(); oldest = turn(group)) {
                drop(oldest);
                after();
            }
    }

    void abandon() override {
        if (!plugin_) return;
        account_.calls("destroy()");
        plugin_->destroy();
        expect_all_returned(plugin_->host());
    }

  private:
    using Place = std::map<uint64_t, Entry>::iterator;

    static uint64_t group_key(uint16_t group) { return uint64_t{group} << 16; }
    bool together(const Entry& entry, uint16_t group) const { return !in_groups_ || entry.group == group; }

    CompressedEntry* make(OrderInterface& order, const Step& step) {
        const SwapEntry slot(static_cast<uint32_t>(step.key % swap_types), step.key);
        return order.make(slot, Location::from_word((step.key + 1) << 6), step.size, step.value, group_key(step.type));
    }
    void keep(const Step& step, CompressedEntry* entry) {
        CompressedEntry* twin = like_ ? make(*like_, step) : nullptr;
        entries_[step.key] = {entry, twin, step.type, false};
        by_entry_[entry] = step.key;
        count(step.type) += 1;
    }
    void put(const Step& step) {
        if (entries_.contains(step.key)) return;
        keep(step, guarded(next, "stored()", [&] { return make(*order_, step); }));
    }
    void put_without_memory(const Step& step) {
        if (!plugin_) return put(step);
        if (entries_.contains(step.key)) return;
        each_allocation_fails(
            plugin_->host(),
            [&] {
                return guarded(out_of_memory, "stored()", [&] {
                    try {
                        keep(step, make(*order_, step));
                        return false;
                    } catch (const PluginOutOfMemory&) {
                        return true;
                    }
                });
            },
            [&] {
                guarded(out_of_memory, "check()", [&] { order_->check(); });
                turn(step.type);
            });
        note_whether_it_allocates(plugin_->host());
    }
    void drop(Place entry) {
        guarded(next, "gone()", [&] { order_->release(entry->second.entry); });
        if (like_) like_->release(entry->second.like);
        by_entry_.erase(entry->second.entry);
        count(entry->second.group) -= 1;
        entries_.erase(entry);
    }

    // Whose turn it is in the group, by the order and by all that can be known of it.
    Place turn(uint16_t group) {
        CompressedEntry* oldest = guarded(next, "next()", [&] { return order_->oldest(group_key(group)); });
        expect(next, (oldest != nullptr) == (count(group) != 0), [&] {
            return said("next() of group ", group, (oldest ? " gave an entry" : " gave nobody"), ", expected ", count(group),
                        " to choose from");
        });
        if (like_) {
            const CompressedEntry* twin = like_->oldest(group_key(group));
            expect(Property::like, (twin != nullptr) == (oldest != nullptr) && (!oldest ||
                        twin == entries_.at(by_entry_.at(oldest)).like),
                   [&] { return said("next() of group ", group, " is ", named(oldest), ", another entry than the built-in's"); });
        }
        if (!oldest) return entries_.end();
        const auto id = by_entry_.find(oldest);
        expect(next, id != by_entry_.end(), [&] { return std::string("next() gave an entry that is gone"); });
        const Place entry = entries_.find(id->second);
        expect(next, together(entry->second, group), [&] {
            return said("next() of group ", group, " gave ", named(oldest), ", of group ", entry->second.group);
        });
        const CompressedEntry* again = guarded(next, "next()", [&] { return order_->oldest(group_key(group)); });
        expect(next, again == oldest, [&] { return said("next() gave ", named(oldest), ", and asked again ", named(again)); });
        return entry;
    }
    std::string named(const CompressedEntry* entry) const {
        const auto id = by_entry_.find(entry);
        if (id == by_entry_.end()) return "nobody that is known";
        return "entry " + std::to_string(id->second);
    }

    void pass_by(uint16_t group) {
        const Place entry = turn(group);
        if (entry == entries_.end()) return;
        bool others = false;
        for (const auto& [id, other] : entries_) others |= id != entry->first && together(other, group) && !other.passed;
        // A clock passes by those that have been loaded, once, and may come round to the same one.
        for (int times = 1;; ++times) {
            guarded(visited, "visited()", [&] { order_->rotate(entry->second.entry); });
            if (like_) like_->rotate(entry->second.like);
            entry->second.passed = true;
            if (turn(group) != entry || !others) break;
            expect(visited, times == 1, [&] {
                return said("after visited(), twice, next() is ", named(entry->second.entry),
                            " again, though there are others whose turn has not been");
            });
        }
        ++account_.tested[static_cast<size_t>(visited)];
    }

    uint64_t& count(uint16_t group) { return counts_[in_groups_ ? group : 0]; }
    void check_now() {
        guarded(check, "check()", [&] { order_->check(); });
        ++account_.tested[static_cast<size_t>(check)];
    }
    void after() {
        account_.calls("memory()");
        expect_equal(memory, order_->entries(), entries_.size(), "memory(): entries");
        if (entries_.empty()) {
            const uint64_t bytes = guarded(memory, "memory()", [&] { return order_->bytes(); });
            expect_equal(memory, bytes, start_bytes_, "memory(): bytes when emptied");
        }
    }

    std::unique_ptr<OrderInterface> order_, like_;
    PluginOrder* plugin_ = nullptr;
    bool in_groups_ = false;
    std::map<uint64_t, Entry> entries_;
    std::map<const CompressedEntry*, uint64_t> by_entry_;
    std::map<uint16_t, uint64_t> counts_;
    uint64_t start_bytes_ = 0, start_live_ = 0, next_ = 0;
    size_t most_ = 0;
    uint32_t groups_ = 1;
    Draw draw_{};
};

}  // namespace

std::unique_ptr<Instance> make_order(const Setup& setup, Account& account) { return std::make_unique<OrderInstance>(setup, account); }

std::span<const Word> order_words() {
    static constexpr Word words[] = {{"renew", ""}, {"stored", "tksv"}, {"gone", "k"}, {"loaded", "kv"}, {"next", "t"},
                {"visited", "t"},
                                     {"evict", "t"}, {"check", ""}, {"stored_without_memory", "tksv"}, {"create_without_memory", ""}};
    return words;
}

}  // namespace zreplay::conformance
