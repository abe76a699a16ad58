// zsmalloc's size classes: which object size serves a request, and how many pages make a zspage of it (kernel-model
// 5.1).
//
// Raw classes are 32, 48, … 4096 bytes. For each the kernel picks the number of pages that wastes least; two neighbours
// with the same pages and objects per zspage then become one class, the larger. 69 classes remain of 255 in 6.1.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "types.hpp"

namespace zreplay {

struct SizeClass {
    uint32_t size_bytes = 0;
    uint32_t pages = 0;    // of a zspage
    uint32_t objects = 0;  // of a zspage
};

// How the pages of a zspage are chosen. a: the first best use in truncated percent (to 6.2). b: one page for a power of
// two, else the first that leaves the fewest bytes ("zsmalloc: rework zspage chain size selection", 6.3).
enum class ClassRule { a, b };

class ClassTable {
  public:
    static constexpr uint32_t raw_classes = 255, smallest_bytes = 32, step_bytes = 16;
    static constexpr uint32_t handle_bytes = 8;  // in front of every object: who points at it

    // chain_limit: the most pages a zspage may have, 4 to 16. Throws std::invalid_argument.
    ClassTable(ClassRule rule, uint32_t chain_limit) {
        if (chain_limit < 4 || chain_limit > 16)
            throw std::invalid_argument("zsmalloc chain limit " + std::to_string(chain_limit) + ", expected 4 to 16");
        for (uint32_t raw = raw_classes; raw-- > 0;) {
            const uint32_t size = smallest_bytes + raw * step_bytes;
            const uint32_t pages =
                rule == ClassRule::a ? pages_by_percent(size, chain_limit) : pages_by_bytes(size, chain_limit);
            const SizeClass made{size, pages, pages * page_bytes / size};
            if (classes_.empty() || made.pages != classes_.back().pages || made.objects != classes_.back().objects)
                classes_.push_back(made);
            of_raw_[raw] = static_cast<uint8_t>(classes_.size() - 1);
        }
    }

    // From the largest class to the smallest, the order in which they are created and compacted.
    const std::vector<SizeClass>& classes() const { return classes_; }

    // Smallest request that lands in the class of one object a page.
    uint32_t huge_bytes() const { return classes_[1].size_bytes - handle_bytes + 1; }

    // Index into classes() for a request of 1 to 4096 bytes.
    uint32_t of_request(uint32_t size_bytes) const {
        const uint32_t needed = size_bytes + handle_bytes;
        if (needed <= smallest_bytes) return of_raw_[0];
        const uint32_t raw = (needed - smallest_bytes + step_bytes - 1) / step_bytes;
        return of_raw_[raw < raw_classes ? raw : raw_classes - 1];
    }

  private:
    static uint32_t pages_by_percent(uint32_t size, uint32_t limit) {
        uint32_t best = 1, best_percent = 0;
        for (uint32_t k = 1; k <= limit; ++k) {
            const uint32_t bytes = k * page_bytes;
            const uint32_t percent = (bytes - bytes % size) * 100 / bytes;
            if (percent > best_percent) best = k, best_percent = percent;
        }
        return best;
    }

    static uint32_t pages_by_bytes(uint32_t size, uint32_t limit) {
        if ((size & (size - 1)) == 0) return 1;
        uint32_t best = 1;
        for (uint32_t k = 2; k <= limit; ++k)
            if (k * page_bytes % size < best * page_bytes % size) best = k;
        return best;
    }

    std::vector<SizeClass> classes_;
    std::array<uint8_t, raw_classes> of_raw_{};
};

}  // namespace zreplay
