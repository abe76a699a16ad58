// A pool against a list of the objects that are in it. conformance_pool.cpp has the calls, conformance_places.cpp what moves
// objects or asks where they are.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugin/conformance.hpp"
#include "plugin/plugin_pool.hpp"
#include "pool/registry.hpp"

namespace zreplay::conformance {

class PoolInstance final : public Instance {
    struct Object {
        Location location, like;
        uint32_t size_bytes;
        uint64_t page = 0, handle = 0;
        int8_t position = 0;
    };
    using Objects = std::map<uint64_t, Object>;  // by number

  public:
    PoolInstance(const Setup& setup, Account& account);

    void begin(const Draw& draw, Random& random) override;
    Step draw(Random& random) override;
    void apply(const Step& step) override;
    void finish() override;
    void drain() override;
    void abandon() override;

  private:
    void say_what_cannot();

    uint64_t some(Random& random) const;
    // Of all sizes; around those of chunks and pages; a few alike; small ones.
    uint32_t size(Random& random) const;

    // The calls, with everything that can be said of one.
    void put(uint64_t id, uint32_t size_bytes);
    void keep(uint64_t id, uint32_t size_bytes, Allocation made, uint64_t pages, uint64_t told);
    void put_without_memory(uint64_t id, uint32_t size_bytes);
    void expect_usage(Property property, const PoolUsage& before, const std::string& when);

    void drop(Objects::iterator object);
    void look_at(const Object& object, uint64_t id);
    using Refuses = std::function<bool(uint64_t id)>;
    void reclaim_some(const Step& step);
    void reclaim_beside_one();
    int reclaim_once(uint32_t retries, const Refuses& refuses);
    // Of the pages that could go first the one goes whose latest allocation is the oldest.
    void expect_oldest(uint64_t page);
    // A page that could not be freed is the youngest again.
    void end_attempt(uint64_t page, bool freed, bool refused);
    void reclaim_alike(uint32_t retries, const Refuses& refuses, int error, const std::vector<uint64_t>& victims);
    void compact_all();
    void migrate_one(Objects::iterator object);

    // Where objects are.
    void locate(Object& object);
    std::map<uint64_t, std::set<uint64_t>> pages_now() const;
    void look_at_places(Property property);
    // Page numbers are the pool's own: alike is who shares one.
    void compare_places(const Object& object, uint64_t id);
    void look_at_classes();

    // The plugin's handles.
    void note_handle(Objects::iterator object, uint64_t told);
    void note_handles();
    void forget_handle(const Object& object);

    void check_now();
    void after(const Cost& before);

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

}  // namespace zreplay::conformance
