#include "plugin/conformance_pool.hpp"

#include <algorithm>

namespace zreplay::conformance {

namespace {

using enum Property;

enum Op : uint8_t { renew = op_renew, store, leave, touch, make_room, squeeze, displace, look_round, check_all, store_failing,
            create_failing, insist };

std::unique_ptr<PoolInterface> make_any(const std::string& name) {
    return with_pool(name, [&]<class P>(std::type_identity<P>) -> std::unique_ptr<PoolInterface> {
        if constexpr (std::is_same_v<P, VirtualPool>) return pool_kind(name).make();
        else return std::make_unique<PoolBehind<P>>();
    });
}

}  // namespace

PoolInstance::PoolInstance(const Setup& setup, Account& account) : Instance(account), kind_(pool_kind(setup.name)),
            pool_(make_any(setup.name)) {
    pool_->charge(cost_);
    plugin_ = dynamic_cast<PluginPool*>(pool_.get());
    const uint64_t can = plugin_ ? plugin_->ops().capabilities : 0;
    says_where_ = plugin_ ? plugin_->ops().where != nullptr : !kind_.is_bound;
    spans_ = plugin_ ? can & ZR_POOL_SPANS : setup.name == Zsmalloc::name;
    by_lru_ = says_where_ && (plugin_ ? (can & ZR_POOL_LRU) != 0 : setup.name == Zbud::name);
    compacts_ = plugin_ ? can & ZR_POOL_COMPACTS : setup.name == Zsmalloc::name;
    pool_->on_move([this](SwapEntry entry, Location now) { objects_.at(entry.offset()).location = now; });
    if (!setup.like.empty()) {
        like_ = make_any(setup.like);
        like_->charge(like_cost_);
        like_->on_move([this](SwapEntry entry, Location now) { objects_.at(entry.offset()).like = now; });
    }
    say_what_cannot();
    if (plugin_) start_live_ = plugin_->host().live();
}

void PoolInstance::begin(const Draw& draw, Random& random) {
    draw_ = draw;
    most_ = draw.large_keys ? 1000u << random.below(3) : 2u << random.below(7);
    way_ = random.below(4);
}

Step PoolInstance::draw(Random& random) {
    if (draw_.out_of_memory && random.below(100) == 0) return {.op = create_failing};
    if (random.below(400) == 0 || objects_.size() > most_)
        filling_ = objects_.size() < 4 || (!filling_ && objects_.size() < most_ / 2);
    const auto live = static_cast<uint32_t>(objects_.size());
    if (random.below(16 + live / 2) == 0) return {.op = check_all};
    if (says_where_ && random.below(8 + live) == 0) return {.op = look_round};
    if (pool_->evicts() && random.below(24 + live) == 0) return {.op = insist};
    if (pool_->evicts() && random.below(12 + live / 2) == 0)
        return {.op = make_room, .type = static_cast<uint16_t>(random.below(2) ? 0 : random.below(101)),
                    .size = random.below(2) ? 8 : 1 + random.below(3), .value = random.next()};
    if (compacts_ && random.below(24 + live) == 0) return {.op = squeeze};
    Step step{.key = some(random)};
    const uint32_t chance = random.below(64);
    if (pool_->movable() && random.below(12 + live) == 0) step.op = displace;
    else if (chance < 8) step.op = touch;
    else step.op = (chance < 46) == filling_ ? store : leave;
    if (step.op != store) return step;
    step.key = next_++;
    step.size = size(random);
    if (draw_.out_of_memory && random.below(2)) step.op = store_failing;
    return step;
}

void PoolInstance::apply(const Step& step) {
    const Cost before = cost_;
    const auto object = objects_.find(step.key);
    switch (static_cast<Op>(step.op)) {
        case store: put(step.key, step.size); break;
        case store_failing: put_without_memory(step.key, step.size); break;
        case create_failing:
            if (plugin_) create_without_memory(plugin_->host(), plugin_->ops(), zr_pool_options{.size = sizeof(zr_pool_options), .reserved = 0});
            break;
        case leave:
            if (object != objects_.end()) drop(object);
            break;
        case touch:
            if (object != objects_.end()) look_at(object->second, step.key);
            break;
        case make_room: reclaim_some(step); break;
        case insist: reclaim_beside_one(); break;
        case squeeze: compact_all(); break;
        case displace:
            if (object != objects_.end()) migrate_one(object);
            break;
        case look_round: look_at_places(places); break;
        case check_all: check_now(); break;
        case renew: break;
    }
    after(before);
}

void PoolInstance::finish() {
    check_now();
    look_at_places(places);
    drain();
    check_now();
    if (plugin_) expect_no_leak(plugin_->host(), start_live_);
    abandon();
}

void PoolInstance::drain() {
    while (!objects_.empty()) {
        const Cost before = cost_;
        // There is one: of n numbers the last is n − 1 more than the first, or greater.
        drop(objects_.lower_bound(objects_.size() % 3 ? objects_.begin()->first + objects_.size() / 2 : 0));
        after(before);
    }
}

void PoolInstance::abandon() {
    if (!plugin_) return;
    account_.calls("destroy()");
    plugin_->destroy();
    expect_all_returned(plugin_->host());
}

void PoolInstance::say_what_cannot() {
    if (!says_where_) account_.cannot(places, "it has no where()");
    if (!plugin_) {
        account_.cannot(handles, "built in");
        account_.cannot(out_of_memory, "built in");
        account_.cannot(leaks, "built in");
    }
    if (!pool_->evicts()) account_.cannot(reclaim, "it does not evict");
    if (!by_lru_) account_.cannot(lru, pool_->evicts() ? "it evicts in an order of its own" : "it does not evict");
    if (!compacts_) account_.cannot(compact, "it does not compact");
    if (!pool_->movable()) account_.cannot(migrate, "it does not migrate");
}

uint64_t PoolInstance::some(Random& random) const {
    if (objects_.empty()) return next_;
    auto object = objects_.lower_bound(objects_.begin()->first + random.next() % (next_ - objects_.begin()->first));
    return object == objects_.end() ? objects_.begin()->first : object->first;
}

uint32_t PoolInstance::size(Random& random) const {
    if (random.below(24) == 0) return random.below(2) ? page_bytes + random.below(2) : random.below(2);
    if (way_ == 0) return 1 + random.below(page_bytes);
    if (way_ == 1) return std::min(page_bytes + 1, (1 + random.below(64)) * 64 + random.below(3) - 1);
    if (way_ == 2) return 300 + 700 * random.below(4);
    return 1 + random.below(700);
}

void PoolInstance::put(uint64_t id, uint32_t size_bytes) {
    if (objects_.contains(id)) return;
    const uint64_t pages = pool_->pages();
    const uint64_t told = pool_->moves().handles_rewritten;
    const Allocation made = guarded(answers, "alloc()", [&] { return pool_->alloc(size_bytes, SwapEntry(0, id)); });
    keep(id, size_bytes, made, pages, told);
}

void PoolInstance::keep(uint64_t id, uint32_t size_bytes, Allocation made, uint64_t pages, uint64_t told) {
    auto of = [&] { return said("alloc() of ", size_bytes, " bytes gave ", of_errno(made.error)); };
    if (size_bytes == 0) expect(answers, made.error == -e_inval, [&] { return said(of(), ", expected −EINVAL"); });
    else if (size_bytes > page_bytes) expect(answers, made.error == -e_inval || made.error == -e_nospc, [&] {
        return said(of(), ", expected −EINVAL or −ENOSPC");
    });
    else if (made.error == -e_nospc) least_refused_ = std::min(least_refused_, size_bytes);
    else if (!made.error) most_taken_ = std::max(most_taken_, size_bytes);
    else expect(answers, size_bytes > most_taken_, [&] { return said(of(), ", expected 0 as of ", most_taken_, " bytes"); });
    if (size_bytes && size_bytes <= page_bytes)
        expect(answers, most_taken_ < least_refused_, [&] {
            return said(of(), ", though ", most_taken_, " bytes have been taken and ", least_refused_, " refused");
        });
    Object object{.location = made.location, .like = {}, .size_bytes = size_bytes};
    if (like_) {
        const Allocation twin = like_->alloc(size_bytes, SwapEntry(0, id));
        expect(Property::like, twin.error == made.error, [&] { return said(of(), ", the built-in ", of_errno(twin.error)); });
        object.like = twin.location;
    }
    if (made.error) {
        expect_equal(answers, pool_->pages(), pages, "pages after an allocation was refused");
        return;
    }
    const auto there = objects_.emplace(id, object).first;
    if (plugin_) note_handle(there, told);
    if (!says_where_) return;
    locate(there->second);
    stamps_[there->second.page] = ++stamp_;
    if (like_) compare_places(there->second, id);
}

void PoolInstance::put_without_memory(uint64_t id, uint32_t size_bytes) {
    if (!plugin_) return put(id, size_bytes);
    if (objects_.contains(id)) return;
    const PoolUsage before = pool_->usage();
    const uint64_t told = pool_->moves().handles_rewritten;
    each_allocation_fails(
        plugin_->host(),
        [&] {
            const Allocation made = guarded(out_of_memory, "alloc()", [&] { return pool_->alloc(size_bytes, SwapEntry(0, id)); });
            if (made.error == -e_nomem) return true;
            keep(id, size_bytes, made, before.pages, told);
            return false;
        },
        [&] {
            expect_usage(out_of_memory, before, "after alloc() gave −ENOMEM");
            guarded(out_of_memory, "check()", [&] { pool_->check(); });
        });
    note_whether_it_allocates(plugin_->host());
}

void PoolInstance::expect_usage(Property property, const PoolUsage& before, const std::string& when) {
    const PoolUsage now = pool_->usage();
    expect_equal(property, now.pages, before.pages, ("pages " + when).c_str());
    expect_equal(property, now.objects, before.objects, ("objects " + when).c_str());
    expect_equal(property, now.used_bytes, before.used_bytes, ("used bytes " + when).c_str());
}

void PoolInstance::drop(Objects::iterator object) {
    const uint64_t told = pool_->moves().handles_rewritten;
    has_freed_ = true;
    forget_handle(object->second);
    guarded(answers, "free()", [&] { pool_->free(object->second.location); });
    if (like_) like_->free(object->second.like);
    objects_.erase(object);
    if (plugin_ && pool_->moves().handles_rewritten != told) note_handles();
}

void PoolInstance::look_at(const Object& object, uint64_t id) {
    account_.calls("map()");
    pool_->map(object.location, false);
    if (like_) like_->map(object.like, false);
    expect_equal(answers, pool_->size(object.location), object.size_bytes, ("size of object " + std::to_string(id)).c_str());
    expect_equal(answers, pool_->entry(object.location).offset(), id, "slot of an object");
}

void PoolInstance::note_handle(Objects::iterator object, uint64_t told) {
    if (pool_->moves().handles_rewritten != told) return note_handles();
    object->second.handle = plugin_->handle(object->second.location);
    const auto [other, is_new] = handles_.try_emplace(object->second.handle, object->first);
    expect(handles, is_new, [&] {
        return said("objects ", other->second, " and ", object->first, " have the same handle ", object->second.handle);
    });
}

void PoolInstance::note_handles() {
    handles_.clear();
    for (auto object = objects_.begin(); object != objects_.end(); ++object) note_handle(object, pool_->moves().handles_rewritten);
}

void PoolInstance::forget_handle(const Object& object) {
    if (plugin_) handles_.erase(object.handle);
}

void PoolInstance::check_now() {
    guarded(check, "check()", [&] { pool_->check(); });
    ++account_.tested[static_cast<size_t>(check)];
    look_at_classes();
}

void PoolInstance::after(const Cost& before) {
    expect_costs_grow(before, cost_);
    const PoolUsage usage = pool_->usage();
    expect_equal(memory, usage.objects, objects_.size(), "objects");
    expect(memory, usage.asked_bytes <= usage.used_bytes, [&] {
        return said("memory(): used_bytes of ", usage.used_bytes, ", expected at least the ", usage.asked_bytes, " asked for");
    });
    expect(memory, usage.used_bytes <= usage.pages * page_bytes, [&] {
        return said("memory(): used_bytes of ", usage.used_bytes, " in ", usage.pages, " pages");
    });
    expect(memory, usage.movable_pages <= usage.pages, [&] {
        return said("memory(): ", usage.movable_pages, " movable pages of ", usage.pages);
    });
    if (objects_.empty()) {
        expect_equal(memory, usage.pages, 0, "memory(): pages when emptied");
        expect_equal(memory, usage.used_bytes, 0, "memory(): used_bytes when emptied");
    }
    if (!like_) return;
    expect_costs_alike(cost_, like_cost_);
    const PoolUsage twin = like_->usage();
    expect_equal(Property::like, usage.pages, twin.pages, "pages");
    expect_equal(Property::like, usage.used_bytes, twin.used_bytes, "used bytes");
    expect_equal(Property::like, usage.movable_pages, twin.movable_pages, "movable pages");
}

std::unique_ptr<Instance> make_pool(const Setup& setup, Account& account) { return std::make_unique<PoolInstance>(setup, account); }

std::span<const Word> pool_words() {
    static constexpr Word words[] = {{"renew", ""}, {"alloc", "ks"}, {"free", "k"}, {"map", "k"}, {"reclaim", "tsv"}, {"compact", ""},
                                     {"migrate", "k"}, {"places", ""}, {"check", ""}, {"alloc_without_memory", "ks"},
                                                 {"create_without_memory", ""}, {"reclaim_beside_one", ""}};
    return words;
}

}  // namespace zreplay::conformance
