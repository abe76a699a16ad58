// A swap index against a std::map of slot to location.
#include <algorithm>
#include <cstring>
#include <map>

#include "index/registry.hpp"
#include "plugin/conformance.hpp"
#include "plugin/plugin_index.hpp"

namespace zreplay::conformance {

namespace {

using enum Property;

enum Op : uint8_t { renew = op_renew, insert, find, erase, move_to, walk_type, check_all, look_at, insert_failing, create_failing };

// Keys as they come up: few and close together, in runs, all over the space, and at its edges, where trees change their height.
class Keys {
  public:
    void begin(bool large, bool all_types, Random& random) {
        way_ = large ? 2 + random.below(2) : random.below(2);
        limit_ = 4u << random.below(13);
        types_ = large || all_types ? swap_types : 1 + random.below(2);
        next_ = random.below(limit_);
    }
    SwapEntry draw(Random& random) {
        // One bit from the last: a bit that an index does not look at shows.
        if (way_ > 1 && random.below(8) == 0) return SwapEntry::from_word((last_.word ^ uint64_t{1} << random.below(63)) & all_bits);
        return last_ = draw_afresh(random);
    }
    size_t most() const { return way_ < 2 ? 40000 : 3000; }

  private:
    static constexpr uint64_t all_bits = SwapEntry(swap_types - 1, SwapEntry::offset_mask).word;

    SwapEntry draw_afresh(Random& random) {
        const uint32_t type = random.below(types_);
        if (way_ == 0) return {type, random.below(limit_)};
        if (way_ == 1) {
            next_ = random.below(48) ? next_ + 1 : random.below(8 * limit_);
            return {type, next_};
        }
        if (way_ == 2) return {type, random.next() >> (64 - 1 - random.below(SwapEntry::type_shift))};
        const uint64_t near = (uint64_t{1} << random.below(SwapEntry::type_shift + 1)) + random.below(5) - 2;
        return {type, near & SwapEntry::offset_mask};
    }

    SwapEntry last_;
    uint32_t way_ = 0, limit_ = 16, types_ = 1;
    uint64_t next_ = 0;
};

class IndexInstance final : public Instance {
    struct Look {
        Ahead ahead;
        int step = -1;  // the last that was made; −1: none is under way
        std::array<std::array<uint64_t, Ahead::lanes>, Ahead::groups> there;  // at each step, what was where it looks
    };

  public:
    IndexInstance(const Setup& setup, Account& account)
        : Instance(account), kind_(index_kind(setup.name)), words_(static_cast<SlotWords>(setup.words)) {
        auto made = [&](const IndexKind& kind) {
            const IndexOptions options{.words = words_};
            return setup.small ? kind.make_small(options) : kind.make(options);
        };
        index_ = made(kind_);
        index_->charge(cost_);
        plugin_ = dynamic_cast<PluginIndex*>(index_.get());
        if (!setup.like.empty()) {
            like_ = made(index_kind(setup.like));
            like_->charge(like_cost_);
        }
        looks_ = !plugin_ || plugin_->ops().look;
        if (!looks_) account.cannot(look, "it has no look()");
        if (!plugin_) {
            account.cannot(out_of_memory, "built in");
            account.cannot(leaks, "built in");
        }
        account.calls("memory()");
        start_nodes_ = index_->nodes();
        start_bytes_ = index_->bytes();
        if (plugin_) start_live_ = plugin_->host().live();
    }

    void begin(const Draw& draw, Random& random) override {
        draw_ = draw;
        keys_.begin(draw.large_keys, draw.renews && random.below(2), random);  // each type is something to destroy
    }

    Step draw(Random& random) override {
        if (random.below(300) == 0 || reference_.size() > keys_.most())
            filling_ = reference_.size() < 4 || (!filling_ && reference_.size() < keys_.most() / 2);
        const SwapEntry slot = random.below(5) < 3 ? some(random) : keys_.draw(random);
        Step step{.type = static_cast<uint16_t>(slot.type()), .key = slot.offset()};
        const uint32_t chance = random.below(64);
        if (draw_.out_of_memory && random.below(100) == 0) return {.op = create_failing};
        if (random.below(static_cast<uint32_t>(16 + reference_.size() / 4)) == 0) step.op = check_all;
        else if (random.below(static_cast<uint32_t>(24 + reference_.size())) == 0) step.op = walk_type;
        else if (chance < 6) step.op = looks_ ? look_at : find;
        else if (chance < 20) step.op = find;
        else if (chance < 26) step.op = move_to;
        else step.op = (chance < 54) == filling_ ? insert : erase;
        if (step.op == insert || step.op == move_to) step.value = word(random);
        if (step.op == look_at) step.value = random.next();
        if (step.op == insert) {  // elsewhere than what is there already, mostly
            const SwapEntry other = keys_.draw(random);
            if (random.below(4)) step.type = static_cast<uint16_t>(other.type()), step.key = other.offset();
            if (draw_.out_of_memory && random.below(2)) step.op = insert_failing;
        }
        return step;
    }

    void apply(const Step& step) override {
        const SwapEntry slot(step.type % swap_types, step.key & SwapEntry::offset_mask);
        const Cost before = cost_;
        switch (static_cast<Op>(step.op)) {
            case insert: put(slot, step.value); break;
            case find: get(slot, before); break;
            case erase: take(slot); break;
            case move_to: displace(slot, step.value); break;
            case walk_type: walk_one(walk, slot.type()); break;
            case check_all: check_now(); break;
            case look_at: look_further(slot, step.value); break;
            case insert_failing: put_without_memory(slot, step.value); break;
            case create_failing: without_memory(); break;
            case renew: break;
        }
        after(before);
    }

    void finish() override {
        check_now();
        for (uint32_t type = 0; type < swap_types; ++type)
            if (type < 2 || has(type)) walk_one(walk, type);
        drain();
        check_now();
        for (uint32_t type : {0u, 1u, 31u}) walk_one(walk, type);
        if (plugin_) expect_no_leak(plugin_->host(), start_live_);
        abandon();
    }

    void drain() override {
        size_t turn = 0;
        while (!reference_.empty()) {
            const Cost before = cost_;
            // From both ends and the middle, so that trees are taken apart in other ways than by their order.
            auto entry = ++turn % 3 == 0 ? reference_.begin() : std::prev(reference_.end());
            if (turn % 3 == 1) entry = reference_.lower_bound(entry->first / 2);  // it is there, or one before it
            take(SwapEntry::from_word(entry->first));
            after(before);
        }
    }

    void abandon() override {
        if (!plugin_) return;
        account_.calls("destroy()");
        plugin_->destroy();
        expect_all_returned(plugin_->host());
    }

  private:
    bool has(uint32_t type) const {
        auto entry = reference_.lower_bound(SwapEntry(type, 0).word);
        return entry != reference_.end() && SwapEntry::from_word(entry->first).type() == type;
    }
    SwapEntry some(Random& random) {
        const SwapEntry drawn = keys_.draw(random);
        if (reference_.empty()) return drawn;
        auto entry = reference_.lower_bound(drawn.word);
        return SwapEntry::from_word(entry == reference_.end() ? reference_.begin()->first : entry->first);
    }

    uint64_t word(Random& random) const {
        if (random.below(50) == 0) return Location::same_filled().word();
        const uint64_t address = (1 + (random.next() >> 20)) << 6;
        if (words_ == SlotWords::narrow) return address | (random.below(4) << 4) | (random.below(4) << 1);
        if (words_ == SlotWords::wide) return address | Location::wide_bits(random.below(kind_.positions_64 ? kind_.positions_64 : 32));
        return random.below(2) ? address : address | 1;
    }

    uint64_t expected(SwapEntry slot) const {
        auto entry = reference_.find(slot.word);
        return entry == reference_.end() ? 0 : entry->second;
    }
    void expect_answer(Property property, const char* call, SwapEntry slot, Location found, uint64_t wanted) {
        expect(property, found.word() == wanted, [&] {
            return said(call, " of ", of_slot(slot), " gave location ", found.word(), ", expected ", wanted);
        });
    }

    // The calls, with everything that can be said of one.
    void put(SwapEntry slot, uint64_t location) {
        const Location old = guarded(answers, "insert()", [&] { return index_->insert(slot, Location::from_word(location)); });
        expect_answer(answers, "insert()", slot, old, expected(slot));
        if (like_) expect_answer(Property::like, "insert()", slot, old, like_->insert(slot, Location::from_word(location)).word());
        reference_[slot.word] = location;
        expect_answer(answers, "find() after insert()", slot, peek(slot), location);
    }
    void get(SwapEntry slot, const Cost& before) {
        const Location found = guarded(answers, "find()", [&] { return index_->find(slot); });
        expect_answer(answers, "find()", slot, found, expected(slot));
        if (like_) expect_answer(Property::like, "find()", slot, found, like_->find(slot).word());
        expect(costs, cost_.nodes_allocated == before.nodes_allocated && cost_.nodes_freed == before.nodes_freed,
               [&] { return said("find() of ", of_slot(slot), " allocated or freed nodes, expected none"); });
        // A tree may keep the first slot of a range in its root, as the xarray.
        expect(costs, !found || (slot.offset() & 15) == 0 || cost_.nodes_visited > before.nodes_visited ||
                          cost_.cache_lines > before.cache_lines,
               [&] { return said("find() of ", of_slot(slot), ", which is there, counted no node visited and no line touched"); });
    }
    void take(SwapEntry slot) {
        const Location old = guarded(answers, "erase()", [&] { return index_->erase(slot); });
        expect_answer(answers, "erase()", slot, old, expected(slot));
        if (like_) expect_answer(Property::like, "erase()", slot, old, like_->erase(slot).word());
        reference_.erase(slot.word);
        expect_answer(answers, "find() after erase()", slot, peek(slot), 0);
    }
    void displace(SwapEntry slot, uint64_t location) {
        const uint64_t there = expected(slot);
        if (there) {
            const Location old = guarded(Property::move, "move()", [&] { return index_->update(slot, Location::from_word(location)); });
            expect_answer(Property::move, "move()", slot, old, there);
            if (like_) expect_answer(Property::like, "move()", slot, old, like_->update(slot, Location::from_word(location)).word());
            reference_[slot.word] = location;
        } else if (plugin_) {
            uint64_t old = 0;
            Cost uncounted;
            const int error = guarded(Property::move, "move()", [&] {
                return plugin_->ops().move(plugin_->state(), slot.type(), slot.offset(), location, &old, as_c(&uncounted));
            });
            expect(Property::move, error == -e_noent, [&] {
                return said("move() of ", of_slot(slot), ", which is not there, gave ", of_errno(error), ", expected −ENOENT");
            });
        }
        const Location now = peek(slot);
        expect_answer(Property::move, "find() after move()", slot, now, expected(slot));
    }
    Location peek(SwapEntry slot) {
        Cost uncounted;
        index_->charge(uncounted);
        const Location found = guarded(answers, "find()", [&] { return index_->find(slot); });
        index_->charge(cost_);
        return found;
    }

    void walk_one(Property property, uint32_t type) {
        auto entry = reference_.lower_bound(SwapEntry(type, 0).word);
        auto is_next = [&] { return entry != reference_.end() && SwapEntry::from_word(entry->first).type() == type; };
        guarded(property, "for_each()", [&] {
            index_->for_each(type, [&](uint64_t offset, Location location) {
                auto met = [&] {
                    return said("for_each() of type ", type, " met offset ", offset, " with location ", location.word());
                };
                expect(property, is_next(), [&] { return said(met(), ", expected its end"); });
                const SwapEntry wanted = SwapEntry::from_word(entry->first);
                expect(property, offset == wanted.offset() && location.word() == entry->second, [&] {
                    return said(met(), ", expected offset ", wanted.offset(), " with location ", entry->second);
                });
                ++entry;
            });
        });
        expect(property, !is_next(), [&] {
            return said("for_each() of type ", type, " ended before offset ", SwapEntry::from_word(entry->first).offset());
        });
    }
    void check_now() {
        guarded(check, "check()", [&] { index_->check(); });
        ++account_.tested[static_cast<size_t>(check)];
    }

    // One step of a group that may be under way since other calls were made.
    void look_further(SwapEntry slot, uint64_t seed) {
        if (!looks_) return;
        const auto group = static_cast<uint32_t>(seed % Ahead::numbers);
        Look& under_way = lookings_[group];
        const Cost before = cost_;
        account_.calls("memory()");
        const uint64_t nodes = index_->nodes(), bytes = index_->bytes();
        if (under_way.step < 0) {
            Random random(seed);
            under_way.ahead = {};
            under_way.ahead.count = 1 + random.below(Ahead::lanes);
            under_way.ahead.changing = static_cast<uint32_t>(random.next()) & ((1u << under_way.ahead.count) - 1);
            for (uint32_t i = 0; i < under_way.ahead.count; ++i) {
                const SwapEntry near = SwapEntry(slot.type(), (slot.offset() + i) & SwapEntry::offset_mask);
                auto entry = reference_.lower_bound(near.word);
                const bool as_it_comes = random.below(3) == 0 || entry == reference_.end();
                under_way.ahead.entries[i] = as_it_comes ? near : SwapEntry::from_word(entry->first);
            }
        }
        guarded(look, "look()", [&] { index_->look(++under_way.step, group, under_way.ahead); });
        const Ahead& ahead = under_way.ahead;
        const bool last = under_way.step == index_->look_steps() - 1;
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const uint64_t there = expected(ahead.entries[i]);
            under_way.there[static_cast<size_t>(under_way.step)][i] = there;
            if (last) expect_found(under_way, i);
            const Location now = peek(ahead.entries[i]);
            expect(look, now.word() == there, [&] {
                return said("after look() find() of ", of_slot(ahead.entries[i]), " gave location ", now.word(), ", expected ", there);
            });
        }
        if (last && seed >> 61 == 0) guarded(look, "check()", [&] { index_->check(); });
        expect(look, nodes == index_->nodes() && bytes == index_->bytes() && index_->entries() == reference_.size(), [&] {
            return "memory() is another after look()";
        });
        expect(look, std::memcmp(&before, &cost_, sizeof(Cost)) == 0,
               [&] { return "look() counted costs, expected none"; });
        if (last) under_way.step = -1;
    }

    // Calls may have come between the steps: what was so at one of them is right.
    void expect_found(const Look& look_done, uint32_t i) {
        const uint64_t found = look_done.ahead.found[i].word();
        bool was_so = found == 0;
        for (int step = 0; step <= look_done.step; ++step) was_so |= look_done.there[static_cast<size_t>(step)][i] == found;
        expect(look, was_so, [&] {
            const SwapEntry slot = look_done.ahead.entries[i];
            return said("look() found location ", found, " for ", of_slot(slot), ", expected ", expected(slot), ", or 0");
        });
    }

    void put_without_memory(SwapEntry slot, uint64_t location) {
        if (!plugin_) return put(slot, location);
        const uint64_t there = expected(slot);
        each_allocation_fails(
            plugin_->host(),
            [&] {
                return guarded(out_of_memory, "insert()", [&] {
                    try {
                        const Location old = index_->insert(slot, Location::from_word(location));
                        expect_answer(out_of_memory, "insert()", slot, old, there);
                        reference_[slot.word] = location;
                        return false;
                    } catch (const PluginOutOfMemory&) {
                        return true;
                    }
                });
            },
            [&] {
                const Location now = peek(slot);
                expect(out_of_memory, now.word() == there, [&] {
                    return said("after insert() of ", of_slot(slot), " gave −ENOMEM find() gave location ", now.word(), ", expected ",
                                there, " as before");
                });
                guarded(out_of_memory, "check()", [&] { index_->check(); });
                walk_one(out_of_memory, slot.type());
                expect_equal(out_of_memory, index_->entries(), reference_.size(), "entries after insert() gave −ENOMEM");
                expect_equal(out_of_memory, index_->nodes() - start_nodes_, cost_.nodes_allocated - cost_.nodes_freed,
                            "nodes after insert() gave −ENOMEM, which were counted as allocated and not as freed");
            });
        note_whether_it_allocates(plugin_->host());
    }

    void without_memory() {
        if (!plugin_) return;
        create_without_memory(plugin_->host(), plugin_->ops(), zr_index_options{.size = sizeof(zr_index_options),
                    .words = static_cast<zr_words>(words_),
                                                               .entry_bytes = 64, .small = 1, .timing = 0, .reserved = 0});
    }

    void after(const Cost& before) {
        expect_costs_grow(before, cost_);
        expect_equal(memory, guarded(memory, "memory()", [&] { return index_->entries(); }), reference_.size(), "memory(): entries");
        const uint64_t nodes = index_->nodes(), bytes = index_->bytes();
        expect_equal(memory, nodes - start_nodes_, cost_.nodes_allocated - cost_.nodes_freed,
                     "memory(): nodes beyond those of the beginning, which were counted as allocated and not as freed");
        if (reference_.empty()) {
            expect_equal(memory, nodes, start_nodes_, "memory(): nodes when emptied");
            expect_equal(memory, bytes, start_bytes_, "memory(): bytes when emptied");
        } else {
            // An entry may be in a root; of 32 types, beside as many ranges.
            expect(memory, bytes > start_bytes_ || reference_.size() < 64, [&] {
                return said("memory(): ", bytes, " bytes for ", reference_.size(), " entries, as for none");
            });
        }
        if (!like_) return;
        expect_costs_alike(cost_, like_cost_);
        expect_equal(Property::like, nodes, like_->nodes(), "memory(): nodes");
        expect_equal(Property::like, bytes, like_->bytes(), "memory(): bytes");
    }

    const IndexKind& kind_;
    const SlotWords words_;
    std::unique_ptr<SwapIndex> index_, like_;
    PluginIndex* plugin_ = nullptr;
    Cost cost_, like_cost_;
    std::map<uint64_t, uint64_t> reference_;  // slots and locations as words: by type, then by offset
    uint64_t start_nodes_ = 0, start_bytes_ = 0, start_live_ = 0;
    bool looks_ = false, filling_ = true;
    std::array<Look, Ahead::numbers> lookings_;
    Draw draw_{};
    Keys keys_;
};

}  // namespace

std::unique_ptr<Instance> make_index(const Setup& setup, Account& account) { return std::make_unique<IndexInstance>(setup, account); }

std::span<const Word> index_words() {
    static constexpr Word words[] = {{"renew", ""}, {"insert", "tkv"}, {"find", "tk"}, {"erase", "tk"}, {"move", "tkv"},
                {"for_each", "t"},
                                     {"check", ""}, {"look", "tkv"}, {"insert_without_memory", "tkv"}, {"create_without_memory", ""}};
    return words;
}

}  // namespace zreplay::conformance
