// ideal, ideal-packing: no allocators, but what one can at best reach: lower bounds for the pages of every other pool.
//
//   ideal           pages = ⌈Σ bytes / 4096⌉: objects cut at will, no descriptor, no rounding.
//   ideal-packing   no object is cut: no fewer pages than any packing of the same objects into pages of 4096 bytes, by the
//                   bound L2 of Martello and Toth (Lower bounds and reduction procedures for the bin packing problem,
//                   Discrete Applied Mathematics 28, 1990). For a length k ≤ 2048, with C = 4096:
//
//      long   n1 objects of more than C − k     nothing of length k or more fits beside one
//      half   n2 objects of C/2 < s ≤ C − k     no two fit into one page
//      rest      objects of k ≤ s ≤ C/2         fill what the halves leave, and then whole pages
//
//      pages ≥ n1 + n2 + max(0, ⌈(Σ rest − (n2·C − Σ half)) / C⌉), for every k; the greatest counts.
//
// Tried are k = 0, 64, …, 2048, from sums kept by 64-byte steps, so the answer costs the same whatever is in the pool.
// It is a bound and not a packing: no order of events need ever reach it, since a packing that good may have to move
// everything at each call. Nothing is evicted, and there is no page that could be moved.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "arena.hpp"
#include "pool/pool.hpp"
#include "prefetch.hpp"

namespace zreplay {

template <bool cuts_objects>
class IdealPool {
  public:
    static constexpr std::string_view name = cuts_objects ? "ideal" : "ideal-packing";
    static constexpr std::string_view summary =
        cuts_objects ? "a bound: the compressed bytes, in as few pages as they fill"
                     : "a bound: no packing of whole objects into pages takes fewer";
    static constexpr bool evictable = false;
    static constexpr bool locations_move = false;

    // Fails with −EINVAL: nothing asked for, or more than a page.
    Allocation alloc(uint32_t size_bytes, SwapEntry entry) {
        if (size_bytes == 0 || size_bytes > page_bytes) return {{}, -e_inval};
        Object* object = objects_.make();
        object->entry = entry;
        object->size_bytes = size_bytes;
        count(size_bytes, 1);
        return {Location(object, 0), 0};
    }

    void free(Location location) {
        auto* object = location.descriptor<Object>();
        count(object->size_bytes, -1);
        object->size_bytes = 0;
        objects_.release(object);
    }

    uint32_t size(Location location) const { return location.descriptor<Object>()->size_bytes; }
    void map(Location, bool) const {}
    SwapEntry entry(Location location) const { return location.descriptor<Object>()->entry; }
    uint64_t page_id(Location) const { return 0; }  // an object has no page of its own

    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        objects_.visit_from(number, [&](const Object* object) { return !object->size_bytes || visit(Location(object, 0)); });
    }

    bool movable() const { return false; }
    Migration migrate(Location) { return {-e_busy}; }
    void on_move(const OnMove&) {}

    uint64_t pages() const {
        if constexpr (cuts_objects) return (bytes_ + page_bytes - 1) / page_bytes;
        return packed_pages_;
    }
    PoolUsage usage() const { return {.pages = pages(), .objects = objects_.live(), .asked_bytes = bytes_, .used_bytes = bytes_}; }
    std::vector<ClassRow> classes() const { return {}; }

    static constexpr int warm_steps = 1;
    void warm(Location location, int, bool) const { prefetch_to_write(location.descriptor<Object>()); }
    static constexpr int warm_alloc_steps = 0;
    void warm_alloc(uint32_t) const {}

    void check() const {
        uint64_t objects = 0, bytes = 0;
        objects_from(0, [&](Location location) { return ++objects, bytes += size(location), true; });
        require(objects == objects_.live(), "objects", objects_.live(), objects);
        require(bytes == bytes_, "bytes", bytes_, bytes);
        if constexpr (!cuts_objects)
            require(packed_pages_ == bound(), "pages are the bound's", packed_pages_, bound());
    }
    void charge(Cost&) {}

  private:
    struct alignas(16) Object {
        SwapEntry entry;
        uint32_t size_bytes = 0;  // 0: freed
    };
    // Sizes 1 to 64 are step 0, 4033 to 4096 step 63.
    static constexpr uint32_t step_bytes = 64, steps = page_bytes / step_bytes;
    struct Step {
        uint64_t objects = 0, bytes = 0;
    };

    void count(uint32_t size_bytes, int64_t change) {
        bytes_ += static_cast<uint64_t>(change) * size_bytes;
        if constexpr (!cuts_objects) {
            Step& step = by_size_[(size_bytes - 1) / step_bytes];
            step.objects += static_cast<uint64_t>(change);
            step.bytes += static_cast<uint64_t>(change) * size_bytes;
            packed_pages_ = bound();
        }
    }

    // Each turn of the loop takes the step below k out of the rest and one more step of large objects from half to long.
    uint64_t bound() const {
        Step half, rest;
        for (uint32_t i = 0; i < steps / 2; ++i) rest.bytes += by_size_[i].bytes;
        for (uint32_t i = steps / 2; i < steps; ++i) half.objects += by_size_[i].objects, half.bytes += by_size_[i].bytes;
        const uint64_t large = half.objects;  // long and half together
        uint64_t most = 0;
        for (uint32_t k = 0;; ++k) {  // k steps of 64 bytes
            const uint64_t room = half.objects * page_bytes - half.bytes;
            const uint64_t over = rest.bytes > room ? rest.bytes - room : 0;
            most = std::max(most, large + (over + page_bytes - 1) / page_bytes);
            if (k == steps / 2) return most;
            rest.bytes -= by_size_[k].bytes;
            half.objects -= by_size_[steps - 1 - k].objects;
            half.bytes -= by_size_[steps - 1 - k].bytes;
        }
    }

    Arena<Object> objects_;
    uint64_t bytes_ = 0, packed_pages_ = 0;
    std::array<Step, cuts_objects ? 1 : steps> by_size_{};
};

using Ideal = IdealPool<true>;
using IdealPacking = IdealPool<false>;
static_assert(Pool<Ideal> && Pool<IdealPacking>);

}  // namespace zreplay
