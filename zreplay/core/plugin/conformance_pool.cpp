// A pool against a list of the objects that are in it.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "plugin/conformance.hpp"
#include "plugin/plugin_pool.hpp"
#include "pool/registry.hpp"

namespace zreplay::conformance {

namespace {

using enum Property;

enum Op : uint8_t { renew = op_renew, store, leave, read, make_room, squeeze, displace, look_round, check_all, store_failing, create_failing };

std::unique_ptr<PoolInterface> make_any(const std::string& name) {
    return with_pool(name, [&]<class P>(std::type_identity<P>) -> std::unique_ptr<PoolInterface> {
        if constexpr (std::is_same_v<P, VirtualPool>) return pool_kind(name).make();
        else return std::make_unique<PoolBehind<P>>();
    });
}

// Whether the step's seed has the object refuse to be evicted.
bool refuses(const Step& step, uint64_t id) { return Random(step.value ^ (id << 20)).below(100) < step.type; }

class PoolInstance final : public Instance {
    struct Object {
        Location location, like;
        uint32_t size_bytes;
        uint64_t page = 0, handle = 0;
        int8_t position = 0;
    };
    using Objects = std::map<uint64_t, Object>;  // by number

  public:
    PoolInstance(const Setup& setup, Account& account) : Instance(account), kind_(pool_kind(setup.name)), pool_(make_any(setup.name)) {
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

    void begin(const Draw& draw, Random& random) override {
        draw_ = draw;
        most_ = draw.large_keys ? 1000u << random.below(3) : 2u << random.below(7);
        way_ = random.below(4);
    }

    Step draw(Random& random) override {
        if (draw_.out_of_memory && random.below(100) == 0) return {.op = create_failing};
        if (random.below(400) == 0 || objects_.size() > most_) filling_ = objects_.size() < 4 || (!filling_ && objects_.size() < most_ / 2);
        const auto live = static_cast<uint32_t>(objects_.size());
        if (random.below(16 + live / 2) == 0) return {.op = check_all};
        if (says_where_ && random.below(8 + live) == 0) return {.op = look_round};
        if (pool_->evicts() && random.below(12 + live / 2) == 0)
            return {.op = make_room, .type = static_cast<uint16_t>(random.below(2) ? 0 : random.below(101)), .size = random.below(2) ? 8 : random.below(4), .value = random.next()};
        if (compacts_ && random.below(24 + live) == 0) return {.op = squeeze};
        Step step{.key = some(random)};
        const uint32_t chance = random.below(64);
        if (pool_->movable() && random.below(12 + live) == 0) step.op = displace;
        else if (chance < 8) step.op = read;
        else step.op = (chance < 46) == filling_ ? store : leave;
        if (step.op != store) return step;
        step.key = next_++;
        step.size = size(random);
        if (draw_.out_of_memory && random.below(2)) step.op = store_failing;
        return step;
    }

    void apply(const Step& step) override {
        const Cost before = cost_;
        const auto object = objects_.find(step.key);
        switch (static_cast<Op>(step.op)) {
            case store: put(step.key, step.size); break;
            case store_failing: put_without_memory(step.key, step.size); break;
            case create_failing:
                if (plugin_) create_without_memory(plugin_->ops(), zr_pool_options{.size = sizeof(zr_pool_options), .reserved = 0});
                break;
            case leave:
                if (object != objects_.end()) drop(object);
                break;
            case read:
                if (object != objects_.end()) look_at(object->second, step.key);
                break;
            case make_room: reclaim_one(step); break;
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

    void finish() override {
        check_now();
        look_at_places(places);
        drain();
        check_now();
        if (plugin_) expect_no_leak(plugin_->host(), start_live_);
        abandon();
    }

    void drain() override {
        while (!objects_.empty()) {
            const Cost before = cost_;
            auto object = objects_.lower_bound(objects_.size() % 3 ? objects_.begin()->first + objects_.size() / 2 : 0);
            drop(object == objects_.end() ? objects_.begin() : object);
            after(before);
        }
    }

    void abandon() override {
        if (!plugin_) return;
        plugin_->destroy();
        expect_all_returned(plugin_->host());
    }

  private:
    void say_what_cannot() {
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

    uint64_t some(Random& random) const {
        if (objects_.empty()) return next_;
        auto object = objects_.lower_bound(objects_.begin()->first + random.next() % (next_ - objects_.begin()->first));
        return object == objects_.end() ? objects_.begin()->first : object->first;
    }
    // Of all sizes; around those of chunks and pages; a few alike; small ones.
    uint32_t size(Random& random) const {
        if (random.below(24) == 0) return random.below(2) ? page_bytes + random.below(2) : random.below(2);
        if (way_ == 0) return 1 + random.below(page_bytes);
        if (way_ == 1) return std::min(page_bytes + 1, (1 + random.below(64)) * 64 + random.below(3) - 1);
        if (way_ == 2) return 300 + 700 * random.below(4);
        return 1 + random.below(700);
    }

    // ---- the calls ----

    void put(uint64_t id, uint32_t size_bytes) {
        if (objects_.contains(id)) return;
        const uint64_t pages = pool_->pages();
        const uint64_t told = pool_->moves().handles_rewritten;
        const Allocation made = guarded(answers, [&] { return pool_->alloc(size_bytes, SwapEntry(0, id)); });
        keep(id, size_bytes, made, pages, told);
    }
    void keep(uint64_t id, uint32_t size_bytes, Allocation made, uint64_t pages, uint64_t told) {
        auto of = [&] { return "alloc() of " + std::to_string(size_bytes) + " bytes gave " + std::to_string(made.error); };
        if (size_bytes == 0) expect(answers, made.error == -e_inval, [&] { return of() + ", expected −22"; });
        else if (size_bytes > page_bytes) expect(answers, made.error == -e_inval || made.error == -e_nospc, [&] { return of() + ", expected −22 or −28"; });
        else if (made.error == -e_nospc) least_refused_ = std::min(least_refused_, size_bytes);
        else if (!made.error) most_taken_ = std::max(most_taken_, size_bytes);
        else expect(answers, size_bytes > most_taken_, [&] { return of() + ", expected 0 as of " + std::to_string(most_taken_) + " bytes"; });
        if (size_bytes && size_bytes <= page_bytes)
            expect(answers, most_taken_ < least_refused_, [&] {
                return of() + ", though " + std::to_string(most_taken_) + " bytes have been taken and " + std::to_string(least_refused_) + " refused";
            });
        Object object{.location = made.location, .like = {}, .size_bytes = size_bytes};
        if (like_) {
            const Allocation twin = like_->alloc(size_bytes, SwapEntry(0, id));
            expect(Property::like, twin.error == made.error, [&] { return of() + ", the built-in " + std::to_string(twin.error); });
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
    void put_without_memory(uint64_t id, uint32_t size_bytes) {
        if (!plugin_) return put(id, size_bytes);
        if (objects_.contains(id)) return;
        const PoolUsage before = pool_->usage();
        const uint64_t told = pool_->moves().handles_rewritten;
        each_allocation_fails(
            plugin_->host(),
            [&] {
                const Allocation made = guarded(out_of_memory, [&] { return pool_->alloc(size_bytes, SwapEntry(0, id)); });
                if (made.error == -e_nomem) return true;
                keep(id, size_bytes, made, before.pages, told);
                return false;
            },
            [&] {
                expect_usage(out_of_memory, before, "after alloc() gave −12");
                guarded(out_of_memory, [&] { pool_->check(); });
            });
        if (plugin_->host().allocations() == 0) account_.cannot(out_of_memory, "it does not allocate through its host");
    }
    void expect_usage(Property property, const PoolUsage& before, const std::string& when) {
        const PoolUsage now = pool_->usage();
        expect_equal(property, now.pages, before.pages, ("pages " + when).c_str());
        expect_equal(property, now.objects, before.objects, ("objects " + when).c_str());
        expect_equal(property, now.used_bytes, before.used_bytes, ("used bytes " + when).c_str());
    }

    void drop(Objects::iterator object) {
        const uint64_t told = pool_->moves().handles_rewritten;
        has_freed_ = true;
        forget_handle(object->second);
        guarded(answers, [&] { pool_->free(object->second.location); });
        if (like_) like_->free(object->second.like);
        objects_.erase(object);
        if (plugin_ && pool_->moves().handles_rewritten != told) note_handles();
    }

    void look_at(const Object& object, uint64_t id) {
        pool_->map(object.location, false);
        if (like_) like_->map(object.like, false);
        expect_equal(answers, pool_->size(object.location), object.size_bytes, ("size of object " + std::to_string(id)).c_str());
        expect_equal(answers, pool_->entry(object.location).offset(), id, "slot of an object");
    }

    void reclaim_one(const Step& step) {
        if (!pool_->evicts()) return;
        look_at_places(places);
        const uint64_t pages = pool_->pages();
        const bool was_empty = objects_.empty();
        struct Attempt {
            uint64_t page;
            std::set<uint64_t> left;  // objects of the page that have not been evicted
            std::set<uint64_t> asked;
            bool refused;
        };
        std::vector<Attempt> attempts;
        std::map<uint64_t, std::set<uint64_t>> by_page = pages_now();
        std::unordered_map<uint64_t, uint64_t> ids;
        for (const auto& [id, object] : objects_) ids[object.location.word()] = id;
        std::vector<uint64_t> victims;
        const bool must_find_room = by_lru_ || !has_freed_;
        const int error = guarded(reclaim, [&] {
            return pool_->reclaim(step.size, [&](Location victim) {
                const auto id = ids.find(victim.word());
                expect(reclaim, id != ids.end() && objects_.contains(id->second), [&] { return std::string("evict() of an object that is gone"); });
                const auto object = objects_.find(id->second);
                victims.push_back(id->second);
                if (says_where_) {
                    if (attempts.empty() || attempts.back().page != object->second.page || attempts.back().asked.contains(id->second)) {
                        if (!attempts.empty()) end_attempt(attempts.back().page, attempts.back().left.empty(), attempts.back().refused);
                        expect_oldest(object->second.page);
                        attempts.push_back({object->second.page, by_page[object->second.page], {}, false});
                    }
                    attempts.back().asked.insert(id->second);
                }
                if (refuses(step, id->second)) {
                    if (says_where_) attempts.back().refused = true;
                    return false;
                }
                if (says_where_) {
                    attempts.back().left.erase(id->second);
                    by_page[object->second.page].erase(id->second);
                }
                forget_handle(object->second);
                pool_->free(object->second.location);
                freed_[id->second] = object->second;
                has_freed_ = true;
                objects_.erase(object);
                return true;
            });
        });
        if (plugin_) note_handles();
        auto gave = [&] { return "reclaim() of " + std::to_string(step.size) + " retries gave " + std::to_string(error); };
        const bool any_refused = std::any_of(victims.begin(), victims.end(), [&](uint64_t id) { return refuses(step, id); });
        if (error == 0) {
            expect(reclaim, pool_->pages() == pages - 1, [&] { return gave() + " and the pages went from " + std::to_string(pages) + " to " + std::to_string(pool_->pages()) + ", expected one less"; });
            expect(reclaim, !says_where_ || (!attempts.empty() && attempts.back().left.empty()), [&] { return gave() + ", but objects of the page it took were not evicted"; });
        } else {
            expect(reclaim, pool_->pages() == pages, [&] { return gave() + " and the pages went from " + std::to_string(pages) + " to " + std::to_string(pool_->pages()) + ", expected the same"; });
            expect(reclaim, error != -e_inval || was_empty || step.size == 0, [&] { return gave() + " with " + std::to_string(pages) + " pages, expected 0 or −11"; });
            expect(reclaim, error != -e_again || any_refused || !must_find_room, [&] { return gave() + ", though nobody refused to be evicted"; });
        }
        expect(reclaim, !says_where_ || attempts.size() <= std::max(step.size, 1u), [&] { return gave() + " after it had tried " + std::to_string(attempts.size()) + " pages"; });
        if (!attempts.empty()) end_attempt(attempts.back().page, error == 0, attempts.back().refused);
        if (like_) reclaim_alike(step, error, victims);
        freed_.clear();
        if (says_where_) look_at_places(places);
    }
    // Of the pages that could go first the one goes whose latest allocation is the oldest.
    void expect_oldest(uint64_t page) {
        if (!by_lru_) return;
        const auto stamp = stamps_.find(page);
        if (stamp == stamps_.end()) return;
        for (const auto& [id, object] : objects_) {
            const auto other = stamps_.find(object.page);
            if (other == stamps_.end()) continue;  // moved or compacted: z3fold lets those be
            expect(lru, other->second >= stamp->second, [&] {
                return "reclaim() takes page " + std::to_string(page) + ", expected page " + std::to_string(object.page) + ", whose latest allocation is older";
            });
        }
    }
    // A page that could not be freed is the youngest again.
    void end_attempt(uint64_t page, bool freed, bool refused) {
        if (freed && !refused) stamps_.erase(page);
        else stamps_[page] = ++stamp_;
    }
    void reclaim_alike(const Step& step, int error, const std::vector<uint64_t>& victims) {
        std::unordered_map<uint64_t, uint64_t> ids;
        for (const auto& [id, object] : objects_) ids[object.like.word()] = id;
        for (const auto& [id, object] : freed_) ids[object.like.word()] = id;
        size_t turn = 0;
        const int twin = like_->reclaim(step.size, [&](Location victim) {
            const uint64_t id = ids.at(victim.word());
            expect(Property::like, turn < victims.size() && victims[turn] == id, [&] {
                return "evict() number " + std::to_string(turn + 1) + " is of " + (turn < victims.size() ? "object " + std::to_string(victims[turn]) : "nobody") + ", the built-in's of object " + std::to_string(id);
            });
            ++turn;
            if (refuses(step, id)) return false;
            like_->free(victim);
            return true;
        });
        expect(Property::like, twin == error && turn == victims.size(), [&] {
            return "reclaim() gave " + std::to_string(error) + " after " + std::to_string(victims.size()) + " objects, the built-in " + std::to_string(twin) + " after " + std::to_string(turn);
        });
    }

    void compact_all() {
        if (!compacts_) return;
        const PoolUsage before = pool_->usage();
        const uint64_t freed = guarded(compact, [&] { return pool_->compact(); });
        const PoolUsage now = pool_->usage();
        expect_equal(compact, before.pages - now.pages, freed, "pages that compact() freed, against what it gave");
        expect_equal(compact, now.objects, before.objects, "objects after compact()");
        expect_equal(compact, now.used_bytes, before.used_bytes, "used bytes after compact()");
        if (like_) expect_equal(Property::like, freed, like_->compact(), "compact()");
        if (plugin_) note_handles();
        guarded(compact, [&] { pool_->check(); });
        look_at_places(compact);
        stamps_.clear();
    }

    void migrate_one(Objects::iterator object) {
        if (!pool_->movable()) return;
        look_at_places(places);
        const std::map<uint64_t, std::set<uint64_t>> before = pages_now();
        const PoolUsage usage = pool_->usage();
        const uint64_t id = object->first, page = object->second.page;
        const Objects were = objects_;
        const Migration done = guarded(migrate, [&] { return pool_->migrate(object->second.location); });
        expect_usage(migrate, usage, "after migrate()");
        if (like_) {
            const Migration twin = like_->migrate(object->second.like);
            expect(Property::like, twin.error == done.error && twin.objects == done.objects, [&] {
                return "migrate() gave " + std::to_string(done.error) + " with " + std::to_string(done.objects) + " objects, the built-in " + std::to_string(twin.error) + " with " + std::to_string(twin.objects);
            });
        }
        if (plugin_) note_handles();
        guarded(migrate, [&] { pool_->check(); });
        if (!says_where_) return;
        for (auto& [number, other] : objects_) locate(other);
        const uint64_t now = objects_.at(id).page;
        has_freed_ = true;
        if (!done.error) {
            if (!spans_) expect_equal(migrate, done.objects, before.at(page).size(), "objects that migrate() moved");
            expect(migrate, !before.contains(now), [&] { return "migrate() of object " + std::to_string(id) + " put it in page " + std::to_string(now) + ", expected one that was not there"; });
            stamps_.erase(page);
        }
        for (const auto& [number, other] : objects_) {
            const Object& was = were.at(number);
            const bool moved = !done.error && was.page == page;
            expect(migrate, other.page == (moved ? now : was.page) && other.position == was.position, [&] {
                return "after migrate() of object " + std::to_string(id) + " from page " + std::to_string(page) + " to " + std::to_string(now) + " object " + std::to_string(number) + " is in page " +
                       std::to_string(other.page) + ", position " + std::to_string(other.position) + ", expected page " + std::to_string(moved ? now : was.page) + ", position " + std::to_string(was.position);
            });
        }
        look_at_places(migrate);
    }

    // ---- where objects are ----

    void locate(Object& object) {
        object.page = pool_->page_id(object.location);
        object.position = pool_->position(object.location);
    }
    std::map<uint64_t, std::set<uint64_t>> pages_now() const {
        std::map<uint64_t, std::set<uint64_t>> pages;
        for (const auto& [id, object] : objects_) pages[object.page].insert(id);
        return pages;
    }
    void look_at_places(Property property) {
        look_at_classes();
        if (!says_where_) return;
        struct Page {
            uint64_t bytes = 0;
            std::set<int8_t> positions;
        };
        std::map<uint64_t, Page> pages;
        for (auto& [id, object] : objects_) {
            locate(object);
            Page& page = pages[object.page];
            page.bytes += object.size_bytes;
            if (!spans_) {
                expect(property, page.bytes <= page_bytes, [&] { return "page " + std::to_string(object.page) + " holds " + std::to_string(page.bytes) + " bytes or more, expected at most 4096"; });
                if (plugin_ || like_) expect(property, page.positions.insert(object.position).second, [&] { return "two objects at position " + std::to_string(object.position) + " of page " + std::to_string(object.page); });
            }
            if (like_) compare_places(object, id);
        }
        expect(property, pages.size() <= pool_->pages(), [&] { return "objects are in " + std::to_string(pages.size()) + " pages, and there are " + std::to_string(pool_->pages()); });
        if (!spans_) expect_equal(property, pool_->pages(), pages.size(), "pages, against those that objects are in");
    }
    // Page numbers are the pool's own: alike is who shares one.
    void compare_places(const Object& object, uint64_t id) {
        const uint64_t twin = like_->page_id(object.like);
        const auto [to, is_new] = twins_.try_emplace(object.page, twin);
        const auto [from, was_new] = twins_back_.try_emplace(twin, object.page);
        expect(Property::like, to->second == twin && from->second == object.page, [&] {
            return "object " + std::to_string(id) + " is in page " + std::to_string(object.page) + ", the built-in's in the page of others";
        });
        if (!spans_) expect_equal(Property::like, static_cast<uint64_t>(object.position), static_cast<uint64_t>(like_->position(object.like)), "position of an object");
    }
    void look_at_classes() {
        const std::vector<ClassRow> rows = pool_->classes();
        if (rows.empty()) {
            if (!objects_.empty()) account_.cannot(classes, "it has no classes()");
            return;
        }
        uint64_t pages = 0, objects = 0;
        for (const ClassRow& row : rows) pages += row.pages, objects += row.objects_used;
        expect_equal(classes, pages, pool_->pages(), "pages of all classes()");
        expect_equal(classes, objects, objects_.size(), "objects of all classes()");
        if (!like_) return;
        const std::vector<ClassRow> twins = like_->classes();
        expect_equal(Property::like, rows.size(), twins.size(), "classes()");
        for (size_t i = 0; i < rows.size(); ++i)
            expect(Property::like, rows[i].class_size == twins[i].class_size && rows[i].free_chunks == twins[i].free_chunks && rows[i].pages == twins[i].pages && rows[i].objects_used == twins[i].objects_used,
                   [&] { return "row " + std::to_string(i) + " of classes() is not the built-in's"; });
    }

    // ---- the plugin's handles ----

    void note_handle(Objects::iterator object, uint64_t told) {
        if (pool_->moves().handles_rewritten != told) return note_handles();
        object->second.handle = plugin_->handle(object->second.location);
        const auto [other, is_new] = handles_.try_emplace(object->second.handle, object->first);
        expect(handles, is_new, [&] { return "objects " + std::to_string(other->second) + " and " + std::to_string(object->first) + " have the same handle " + std::to_string(object->second.handle); });
    }
    void note_handles() {
        handles_.clear();
        for (auto object = objects_.begin(); object != objects_.end(); ++object) note_handle(object, pool_->moves().handles_rewritten);
    }
    void forget_handle(const Object& object) {
        if (plugin_) handles_.erase(object.handle);
    }

    void check_now() {
        guarded(check, [&] { pool_->check(); });
        ++account_.tested[static_cast<size_t>(check)];
        look_at_classes();
    }

    void after(const Cost& before) {
        expect_costs_grow(before, cost_);
        const PoolUsage usage = pool_->usage();
        expect_equal(memory, usage.objects, objects_.size(), "objects");
        expect(memory, usage.asked_bytes <= usage.used_bytes, [&] { return "memory(): used_bytes of " + std::to_string(usage.used_bytes) + ", expected at least the " + std::to_string(usage.asked_bytes) + " asked for"; });
        expect(memory, usage.used_bytes <= usage.pages * page_bytes, [&] { return "memory(): used_bytes of " + std::to_string(usage.used_bytes) + " in " + std::to_string(usage.pages) + " pages"; });
        expect(memory, usage.movable_pages <= usage.pages, [&] { return "memory(): " + std::to_string(usage.movable_pages) + " movable pages of " + std::to_string(usage.pages); });
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

    const PoolKind& kind_;
    std::unique_ptr<PoolInterface> pool_, like_;
    PluginPool* plugin_ = nullptr;
    bool says_where_, spans_, by_lru_, compacts_, filling_ = true;
    bool has_freed_ = false;  // objects may have been moved since: z3fold then lets pages be, as the kernel's does
    Cost cost_, like_cost_;
    Objects objects_, freed_;  // freed_: by the reclaim under way
    std::unordered_map<uint64_t, uint64_t> handles_, stamps_, twins_, twins_back_;  // stamps_: of pages, by their latest allocation
    uint64_t start_live_ = 0, next_ = 0, stamp_ = 0;
    uint32_t most_taken_ = 0, least_refused_ = page_bytes + 1;
    size_t most_ = 0;
    uint32_t way_ = 0;
    Draw draw_{};
};

}  // namespace

std::unique_ptr<Instance> make_pool(const Setup& setup, Account& account) { return std::make_unique<PoolInstance>(setup, account); }

std::span<const Word> pool_words() {
    static constexpr Word words[] = {{"renew", ""}, {"alloc", "ks"}, {"free", "k"}, {"map", "k"}, {"reclaim", "tsv"}, {"compact", ""},
                                     {"migrate", "k"}, {"places", ""}, {"check", ""}, {"alloc_without_memory", "ks"}, {"create_without_memory", ""}};
    return words;
}

}  // namespace zreplay::conformance
