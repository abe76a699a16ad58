// The shortest sequence that still fails: delta debugging (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input,
// IEEE Transactions on Software Engineering 28, 2002), then smaller numbers in what is left.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "plugin/conformance.hpp"

namespace zreplay::conformance {

class Shrinker {
  public:
    // `fails`: whether the steps still fail, of the same property. `go_on`: whether there is time for another try.
    Shrinker(std::vector<Step> steps, std::function<bool(const std::vector<Step>&)> fails, std::function<bool()> go_on)
        : steps_(std::move(steps)), fails_(std::move(fails)), go_on_(std::move(go_on)) {}

    const std::vector<Step>& shrink() {
        cut_end();
        size_t before;
        do {
            before = steps_.size();
            drop_chunks();
            shrink_numbers();
        } while (steps_.size() < before && go_on_());
        return steps_;
    }

  private:
    bool take(std::vector<Step> fewer) {
        if (fewer == steps_ || !go_on_() || !fails_(fewer)) return false;
        steps_ = std::move(fewer);
        return true;
    }

    // The shortest beginning that fails, where that is monotonous.
    void cut_end() {
        size_t passes = 0;
        while (steps_.size() - passes > 1) {
            const size_t middle = passes + (steps_.size() - passes) / 2;
            if (!take({steps_.begin(), steps_.begin() + static_cast<ptrdiff_t>(middle)})) passes = middle;
            if (!go_on_()) return;
        }
    }

    void drop_chunks() {
        for (size_t chunk = std::max<size_t>(steps_.size() / 2, 1);; chunk = (chunk + 1) / 2) {
            // From the end: what comes late rests on what was before.
            for (size_t end = steps_.size(); end > 0 && go_on_();) {
                const size_t begin = end - std::min(end, chunk);
                std::vector<Step> fewer(steps_.begin(), steps_.begin() + static_cast<ptrdiff_t>(begin));
                fewer.insert(fewer.end(), steps_.begin() + static_cast<ptrdiff_t>(end), steps_.end());
                take(std::move(fewer));
                end = begin;
            }
            if (chunk == 1) return;
        }
    }

    // Each number that is there, wherever it stands, by a smaller one.
    void shrink_numbers() {
        shrink_member(&Step::type, [](uint64_t, size_t nth) { return std::array{uint64_t{0}, uint64_t{nth}}; });
        shrink_member(&Step::key, [](uint64_t key, size_t nth) {
            return std::array{uint64_t{nth}, uint64_t{nth} * 64, key >> 40, key >> 20, key >> 10, key >> 5, key >> 2, key >> 1, key - 1};
        });
        shrink_member(&Step::size, [](uint64_t size, size_t) {
            return std::array{uint64_t{1}, uint64_t{64}, std::max(size / 2, uint64_t{1}), std::max(size, uint64_t{2}) - 1};
        });
        shrink_member(&Step::value, [](uint64_t, size_t nth) {  // the first, of a location; of a seed whichever does the same
            const uint64_t value = uint64_t{nth + 1} * 64;
            return std::array{value, value + 64, value + 128, value + 192, value + 256, value + 320, value + 384};
        });
    }
    template <class Member, class Smaller>
    void shrink_member(Member Step::*member, Smaller&& smaller) {
        std::set<uint64_t> numbers;
        for (const Step& step : steps_) numbers.insert(step.*member);
        if (numbers.size() > 200) return;
        size_t nth = 0;
        for (uint64_t number : numbers) {
            for (uint64_t by : smaller(number, nth)) {
                if (by == number) break;
                if (by > number && !member_is_value(member)) continue;
                std::vector<Step> other = steps_;
                for (Step& step : other)
                    if (step.*member == number) step.*member = static_cast<Member>(by);
                if (take(std::move(other))) break;
            }
            ++nth;
        }
    }
    // A location is no size: any of a simple form will do.
    static bool member_is_value(uint64_t Step::*member) { return member == &Step::value; }
    template <class Member>
    static bool member_is_value(Member Step::*) {
        return false;
    }

    std::vector<Step> steps_;
    std::function<bool(const std::vector<Step>&)> fails_;
    std::function<bool()> go_on_;
};

}  // namespace zreplay::conformance
