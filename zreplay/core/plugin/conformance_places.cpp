#include <algorithm>
#include <optional>

#include "plugin/conformance_pool.hpp"

namespace zreplay::conformance {

namespace {

using enum Property;

}  // namespace

// The step's seed says who refuses to be evicted, of a hundred as many as its type says.
void PoolInstance::reclaim_some(const Step& step) {
    if (!pool_->evicts()) return;
    reclaim_once(std::max(step.size, 1u),
                 [&](uint64_t id) { return Random(step.value ^ (id << 20)).below(100) < step.type; });
}

// One object is not to be evicted, and everybody else is: a page that it is not in has to go, some time. One that was tried in vain waits for the
// others (zbud and z3fold put it at the LRU's head, so two retries in one call do it). The object is the first that is asked for: then
// nothing of its page has been freed when another one is tried. What a pool chooses at random is given many times as many tries as there are pages.
void PoolInstance::reclaim_beside_one() {
    if (!pool_->evicts() || has_freed_) return;  // of an LRU more is asked, at any moment: expect_oldest()
    const uint64_t pages = pool_->pages(), calls = 4 * pages + 8;
    if (pages < (spans_ ? 3 : 2)) return;  // an object may lie in two
    std::optional<uint64_t> one;
    const Refuses refuses = [&](uint64_t id) { return id == *(one ? one : one = id); };
    for (uint64_t n = 0; n < calls; ++n)
        if (!reclaim_once(2, refuses)) return;
    expect(reclaim, false, [&] {
        return said("reclaim() of 2 retries, ", calls, " times, freed none of ", pages, " pages, though nobody but object ", one.value_or(0),
                    " refused to be evicted");
    });
}

int PoolInstance::reclaim_once(uint32_t retries, const Refuses& refuses) {
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
    const int error = guarded(reclaim, "reclaim()", [&] {
        return pool_->reclaim(retries, [&](Location victim) {
            const auto id = ids.find(victim.word());
            expect(reclaim, id != ids.end() && objects_.contains(id->second), [&] {
                return std::string("evict() of an object that is gone");
            });
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
            if (refuses(id->second)) {
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
    auto gave = [&] { return said("reclaim() of ", retries, (retries == 1 ? " retry" : " retries"), " gave ", of_errno(error)); };
    const bool any_refused = std::any_of(victims.begin(), victims.end(), [&](uint64_t id) { return refuses(id); });
    if (error == 0) {
        expect(reclaim, pool_->pages() == pages - 1, [&] {
            return said(gave(), " and the pages went from ", pages, " to ", pool_->pages(), ", expected one less");
        });
        expect(reclaim, !says_where_ || (!attempts.empty() && attempts.back().left.empty()), [&] {
            return said(gave(), ", but objects of the page it took were not evicted");
        });
    } else {
        expect(reclaim, pool_->pages() == pages, [&] {
            return said(gave(), " and the pages went from ", pages, " to ", pool_->pages(), ", expected the same");
        });
        expect(reclaim, error != -e_inval || was_empty, [&] {
            return said(gave(), " with ", pages, " pages, expected 0 or −EAGAIN");
        });
        expect(reclaim, error != -e_again || any_refused || !must_find_room, [&] {
            return said(gave(), ", though nobody refused to be evicted");
        });
    }
    expect(reclaim, !says_where_ || attempts.size() <= retries, [&] {
        return said(gave(), " after it had tried ", attempts.size(), " pages");
    });
    if (!attempts.empty()) end_attempt(attempts.back().page, error == 0, attempts.back().refused);
    if (like_) reclaim_alike(retries, refuses, error, victims);
    freed_.clear();
    if (says_where_) look_at_places(places);
    return error;
}

void PoolInstance::expect_oldest(uint64_t page) {
    if (!by_lru_) return;
    const auto stamp = stamps_.find(page);
    if (stamp == stamps_.end()) return;
    for (const auto& [id, object] : objects_) {
        const auto other = stamps_.find(object.page);
        if (other == stamps_.end()) continue;  // moved or compacted: z3fold lets those be
        expect(lru, other->second >= stamp->second, [&] {
            return said("reclaim() takes page ", page, ", expected page ", object.page, ", whose latest allocation is older");
        });
    }
}

void PoolInstance::end_attempt(uint64_t page, bool freed, bool refused) {
    if (freed && !refused) stamps_.erase(page);
    else stamps_[page] = ++stamp_;
}

void PoolInstance::reclaim_alike(uint32_t retries, const Refuses& refuses, int error, const std::vector<uint64_t>& victims) {
    std::unordered_map<uint64_t, uint64_t> ids;
    for (const auto& [id, object] : objects_) ids[object.like.word()] = id;
    for (const auto& [id, object] : freed_) ids[object.like.word()] = id;
    size_t turn = 0;
    const int twin = like_->reclaim(retries, [&](Location victim) {
        const uint64_t id = ids.at(victim.word());
        expect(Property::like, turn < victims.size() && victims[turn] == id, [&] {
            return said("evict() number ", turn + 1, " is of ",
                        (turn < victims.size() ? "object " + std::to_string(victims[turn]) : "nobody"),
                        ", the built-in's of object ", id);
        });
        ++turn;
        if (refuses(id)) return false;
        like_->free(victim);
        return true;
    });
    expect(Property::like, twin == error && turn == victims.size(), [&] {
        return said("reclaim() gave ", of_errno(error), " after ", victims.size(), " objects, the built-in ", of_errno(twin), " after ", turn);
    });
}

void PoolInstance::compact_all() {
    if (!compacts_) return;
    const PoolUsage before = pool_->usage();
    const uint64_t freed = guarded(compact, "compact()", [&] { return pool_->compact(); });
    const PoolUsage now = pool_->usage();
    expect_equal(compact, before.pages - now.pages, freed, "pages that compact() freed, against what it gave");
    expect_equal(compact, now.objects, before.objects, "objects after compact()");
    expect_equal(compact, now.used_bytes, before.used_bytes, "used bytes after compact()");
    if (like_) expect_equal(Property::like, freed, like_->compact(), "compact()");
    if (plugin_) note_handles();
    guarded(compact, "check()", [&] { pool_->check(); });
    look_at_places(compact);
    stamps_.clear();
}

void PoolInstance::migrate_one(Objects::iterator object) {
    if (!pool_->movable()) return;
    look_at_places(places);
    const std::map<uint64_t, std::set<uint64_t>> before = pages_now();
    const PoolUsage usage = pool_->usage();
    const uint64_t id = object->first, page = object->second.page;
    const Objects were = objects_;
    const Migration done = guarded(migrate, "migrate()", [&] { return pool_->migrate(object->second.location); });
    expect_usage(migrate, usage, "after migrate()");
    if (like_) {
        const Migration twin = like_->migrate(object->second.like);
        expect(Property::like, twin.error == done.error && twin.objects == done.objects, [&] {
            return said("migrate() gave ", of_errno(done.error), " with ", done.objects, " objects, the built-in ", of_errno(twin.error), " with ",
                        twin.objects);
        });
    }
    if (plugin_) note_handles();
    guarded(migrate, "check()", [&] { pool_->check(); });
    if (!says_where_) return;
    for (auto& [number, other] : objects_) locate(other);
    const uint64_t now = objects_.at(id).page;
    has_freed_ = true;
    if (!done.error) {
        if (!spans_) expect_equal(migrate, done.objects, before.at(page).size(), "objects that migrate() moved");
        expect(migrate, !before.contains(now), [&] {
            return said("migrate() of object ", id, " put it in page ", now, ", expected one that was not there");
        });
        stamps_.erase(page);
    }
    for (const auto& [number, other] : objects_) {
        const Object& was = were.at(number);
        const bool moved = !done.error && was.page == page;
        expect(migrate, other.page == (moved ? now : was.page) && other.position == was.position, [&] {
            return said("after migrate() of object ", id, " from page ", page, " to ", now, " object ", number, " is in page ", other.page,
                        ", position ", other.position, ", expected page ", moved ? now : was.page, ", position ", was.position);
        });
    }
    look_at_places(migrate);
}

void PoolInstance::locate(Object& object) {
    guarded(places, "where()", [&] { object.page = pool_->page_id(object.location); });
    guarded(places, "where()", [&] { object.position = pool_->position(object.location); });
}

std::map<uint64_t, std::set<uint64_t>> PoolInstance::pages_now() const {
    std::map<uint64_t, std::set<uint64_t>> pages;
    for (const auto& [id, object] : objects_) pages[object.page].insert(id);
    return pages;
}

void PoolInstance::look_at_places(Property property) {
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
            expect(property, page.bytes <= page_bytes, [&] {
                return said("page ", object.page, " holds ", page.bytes, " bytes or more, expected at most 4096");
            });
            if (plugin_ || like_) expect(property, page.positions.insert(object.position).second, [&] {
                return said("two objects at position ", object.position, " of page ", object.page);
            });
        }
        if (like_) compare_places(object, id);
    }
    expect(property, pages.size() <= pool_->pages(), [&] {
        return said("objects are in ", pages.size(), " pages, and there are ", pool_->pages());
    });
    if (!spans_) expect_equal(property, pool_->pages(), pages.size(), "pages, against those that objects are in");
}

void PoolInstance::compare_places(const Object& object, uint64_t id) {
    const uint64_t twin = like_->page_id(object.like);
    const auto [to, is_new] = twins_.try_emplace(object.page, twin);
    const auto [from, was_new] = twins_back_.try_emplace(twin, object.page);
    expect(Property::like, to->second == twin && from->second == object.page, [&] {
        return said("object ", id, " is in page ", object.page, ", the built-in's in the page of others");
    });
    if (!spans_) expect_equal(Property::like, static_cast<uint64_t>(object.position),
                static_cast<uint64_t>(like_->position(object.like)), "position of an object");
}

void PoolInstance::look_at_classes() {
    const std::vector<ClassRow> rows = guarded(classes, "classes()", [&] { return pool_->classes(); });
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
        expect(Property::like, rows[i].class_size == twins[i].class_size && rows[i].free_chunks == twins[i].free_chunks &&
                    rows[i].pages == twins[i].pages && rows[i].objects_used == twins[i].objects_used,
               [&] { return said("row ", i, " of classes() is not the built-in's"); });
}

}  // namespace zreplay::conformance
