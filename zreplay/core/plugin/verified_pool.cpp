// A pool beside books of its live objects: what it says of each of them, of their pages and of all together is compared after every
// call. Where an object lies is only known of a pool that says so (where()) and keeps each within one page.
#include "plugin/verified.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "plugin/wrong_answer.hpp"

namespace zreplay {

namespace {

class VerifiedPool final : public PoolInterface {
  public:
    VerifiedPool(std::unique_ptr<PoolInterface> pool, std::string name) : pool_(std::move(pool)), name_(std::move(name)) {
        compare_usage("an empty pool");
    }

    Allocation alloc(uint32_t size_bytes, SwapEntry entry) override {
        const Allocation made = pool_->alloc(size_bytes, entry);
        const std::string call = "alloc() of " + std::to_string(size_bytes) + " bytes";
        if (!made.error) {
            if (!size_bytes || size_bytes > page_bytes) wrong_answer(name_, call, "an object", std::to_string(-e_inval));
            if (objects_.contains(made.location.word()))
                wrong_answer(name_, call, "location " + std::to_string(made.location.word()), "one no live object has");
            Object& object = objects_[made.location.word()];
            object = {entry, size_bytes, 0, 0};
            bytes_ += size_bytes;
            ++changes_;
            compare_handle(call, made.location, object);
            compare_page(call, made.location, object);
        }
        if (!under_way_) compare_usage(call);
        return made;
    }

    void free(Location location) override {
        const auto place = objects_.find(location.word());
        if (place == objects_.end()) return pool_->free(location);  // the model's mistake, and its checks' to find
        const Object object = place->second;
        forget(location, object);
        bytes_ -= object.size_bytes;
        ++changes_;
        objects_.erase(place);
        pool_->free(location);
        if (!under_way_) compare_usage("free() of the object of " + of_slot(object.entry));
    }

    uint32_t size(Location location) const override { return pool_->size(location); }
    void map(Location location, bool length_known) const override { pool_->map(location, length_known); }
    SwapEntry entry(Location location) const override { return pool_->entry(location); }
    uint64_t pages() const override { return pool_->pages(); }
    PoolUsage usage() const override { return pool_->usage(); }
    std::vector<ClassRow> classes() const override { return pool_->classes(); }
    void objects_from(uint64_t number, const Visit& visit) const override { pool_->objects_from(number, visit); }

    void check() const override {
        pool_->check();
        for (const auto& [word, object] : objects_) {
            const Location location = Location::from_word(word);
            const std::string of = " of the object of " + of_slot(object.entry);
            require_answer(name_, ("size()" + of).c_str(), pool_->size(location), object.size_bytes);
            if (pool_->entry(location) != object.entry)
                wrong_answer(name_, "entry()" + of, of_slot(pool_->entry(location)), of_slot(object.entry));
        }
        look_again("check()");
        compare_usage("check()");
    }

    void charge(Cost& cost) override { pool_->charge(cost); }
    uint64_t handle(Location location) const override { return pool_->handle(location); }
    bool has_pages() const override { return pool_->has_pages(); }
    uint64_t page_id(Location location) const override { return pool_->page_id(location); }
    int8_t position(Location location) const override { return pool_->position(location); }

    bool evicts() const override { return pool_->evicts(); }
    int reclaim(uint32_t retries, const Visit& evict) override {
        const uint64_t pages_before = pool_->pages();
        under_way_ = true;  // what it evicts is freed while it is at work
        const int error = pool_->reclaim(retries, evict);
        under_way_ = false;
        compare_moved("reclaim()");
        if (!error && pool_->pages() >= pages_before)
            wrong_answer(name_, "reclaim()", "0 and " + std::to_string(pool_->pages()) + " pages",
                         "fewer than the " + std::to_string(pages_before) + " before");
        return error;
    }
    bool is_resident(Location location) const override { return pool_->is_resident(location); }
    void set_resident(Location location, bool resident) override { pool_->set_resident(location, resident); }

    uint64_t compact() override {
        const uint64_t freed = pool_->compact();
        compare_moved("compact()");
        return freed;
    }
    Moves moves() const override { return pool_->moves(); }
    bool movable() const override { return pool_->movable(); }
    Migration migrate(Location location) override {
        const Migration migration = pool_->migrate(location);
        compare_moved("migrate()");
        return migration;
    }
    void on_move(OnMove told) override { pool_->on_move(std::move(told)); }

  private:
    struct Object {
        SwapEntry entry;
        uint32_t size_bytes = 0;
        uint64_t handle = 0, page = 0;  // as last seen: it may have moved since
    };

    // Objects may be elsewhere. Looking at all of them after each of many calls would be quadratic; a check() does it anyway.
    void compare_moved(const std::string& call) {
        if (changes_ >= objects_.size() / 8) look_again(call);
        compare_usage(call);
    }

    void compare_usage(const std::string& call) const {
        const PoolUsage usage = pool_->usage();
        const auto require_usage = [&](const char* what, uint64_t found, uint64_t expected) {
            if (found != expected) [[unlikely]] wrong_answer(name_, "memory() after " + call + ": " + what, std::to_string(found),
                                                             std::to_string(expected));
        };
        require_usage("objects", usage.objects, objects_.size());
        require_usage("bytes asked for", usage.asked_bytes, bytes_);
        if (usage.used_bytes < bytes_)
            wrong_answer(name_, "memory() after " + call + ": used_bytes", std::to_string(usage.used_bytes),
                         "at least the " + std::to_string(bytes_) + " asked for");
        const uint64_t least = std::max<uint64_t>((usage.used_bytes + page_bytes - 1) / page_bytes, pages_.size());
        if (usage.pages < least) {
            look_again(call);  // objects may have moved together
            if (usage.pages < pages_.size() || usage.pages * page_bytes < usage.used_bytes)
                wrong_answer(name_, "memory() after " + call + ": pages", std::to_string(usage.pages),
                             "at least " + std::to_string(least) + " for " + std::to_string(bytes_) + " bytes in " +
                                 std::to_string(objects_.size()) + " objects");
        }
    }

    void compare_handle(const std::string& call, Location location, Object& object) const {
        object.handle = pool_->handle(location);
        const auto [place, is_new] = by_handle_.emplace(object.handle, location.word());
        if (is_new || place->second == location.word()) return;
        const auto other = objects_.find(place->second);
        // One that has another by now was told so by moved().
        if (other != objects_.end() && pool_->handle(Location::from_word(other->first)) == object.handle)
            wrong_answer(name_, call, "handle " + std::to_string(object.handle),
                         "one no live object has; that of " + of_slot(other->second.entry) + " has it");
        place->second = location.word();
    }

    void compare_page(const std::string& call, Location location, Object& object) const {
        if (!has_pages()) return;
        object.page = pool_->page_id(location);
        if ((pages_[object.page] += object.size_bytes) > page_bytes) look_again(call);
    }

    void forget(Location location, const Object& object) const {
        const auto handle = by_handle_.find(object.handle);
        if (handle != by_handle_.end() && handle->second == location.word()) by_handle_.erase(handle);
        if (!has_pages()) return;
        const auto page = pages_.find(object.page);
        if (page != pages_.end() && !(page->second -= object.size_bytes)) pages_.erase(page);
    }

    // Handles and pages of all objects anew.
    void look_again(const std::string& call) const {
        changes_ = 0;
        by_handle_.clear();
        pages_.clear();
        for (auto& [word, object] : objects_) {
            const Location location = Location::from_word(word);
            compare_handle(call, location, object);
            if (!has_pages()) continue;
            object.page = pool_->page_id(location);
            const uint64_t bytes = pages_[object.page] += object.size_bytes;
            if (bytes > page_bytes)
                wrong_answer(name_, "where() after " + call + ": page " + std::to_string(object.page),
                             "objects of " + std::to_string(bytes) + " bytes, that of " + of_slot(object.entry) + " among them",
                             std::to_string(page_bytes) + " at most");
        }
    }

    std::unique_ptr<PoolInterface> pool_;
    const std::string name_;
    uint64_t bytes_ = 0;  // asked for
    bool under_way_ = false;
    // What is looked at again is no change to the pool.
    mutable uint64_t changes_ = 0;  // objects that came or went since all were looked at
    mutable std::unordered_map<uint64_t, Object> objects_;      // by the location's word
    mutable std::unordered_map<uint64_t, uint64_t> by_handle_;  // → the location's word
    mutable std::unordered_map<uint64_t, uint64_t> pages_;      // → bytes of the objects that begin there
};

}  // namespace

std::unique_ptr<PoolInterface> verified(std::unique_ptr<PoolInterface> pool, const std::string& name) {
    return std::make_unique<VerifiedPool>(std::move(pool), name);
}

}  // namespace zreplay
