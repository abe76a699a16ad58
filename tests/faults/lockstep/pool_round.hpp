// A pool beside its reference: the same calls, after each the same pages, and every so often each object where it must be.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "pool/ideal.hpp"
#include "random.hpp"
#include "reference_pools.hpp"
#include "wrong.hpp"

namespace lockstep {

template <class P, class Reference, class Options>
class PoolRound {
    using Object = typename Reference::Object;

    // An object's entry is its number, under which it is found whatever has moved.
    struct Live {
        Location location;
        Object* reference;
        uint32_t size_bytes;
        uint64_t number;
    };
    static constexpr bool can_reclaim = requires { typename Reference::Reclaim; };
    static constexpr bool can_compact = requires(Reference reference) { reference.compact(); };
    static constexpr bool can_migrate = requires(Reference reference, Object* object) { reference.migrate(object); };
    static constexpr bool can_work = requires(Reference reference) { reference.run_work(); };

  public:
    PoolRound(const Options& options, uint64_t seed) : random_(seed), pool_(make(options)), reference_(options) {
        pool_.charge(cost_);
        pool_.on_move([this](SwapEntry entry, Location now) { live_[place_of_[entry.offset()]].location = now; });
        most_ = 2u << random_.below(9);
        way_ = random_.below(5);
    }

    // Gives the operations done. Throws Wrong, CheckFailed.
    uint64_t run() {
        const uint64_t length = (uint64_t{256} << random_.below(8)) + 4 * most_;
        for (step_ = 0; step_ < length; ++step_) {
            apply();
            expect("pages", pool_.pages(), reference_.pages());
            expect("objects", pool_.usage().objects, live_.size());
            if (random_.below(static_cast<uint32_t>(48 + 2 * live_.size())) == 0) compare_all();
        }
        finish();
        return step_;
    }
    uint64_t step() const { return step_; }

  private:
    static P make(const Options& options) {
        if constexpr (std::is_same_v<Options, NoOptions>) return P();
        else return P(options);
    }

    uint32_t size() {
        if (random_.below(32) == 0) return random_.below(2) ? 4090 + random_.below(8) : random_.below(2);
        if (way_ == 0) return 1 + random_.below(4200);
        if (way_ == 1) return (1 + random_.below(64)) * 64 + random_.below(3) - 1;  // about chunks
        if (way_ == 2) return 300 + 700 * random_.below(4);                         // a few alike
        if (way_ == 3) return 1 + random_.below(700);
        return (2 + random_.below(255)) * 16 - 8 + random_.below(3) - 1;  // about classes
    }

    void apply() {
        const uint32_t chance = random_.below(1024);
        if (live_.size() > most_) filling_ = false;
        if (live_.empty() || random_.below(512) == 0) filling_ = true;
        if constexpr (can_reclaim) {
            if (chance < 8) return reclaim_at_once();
            if (chance < 48) return reclaim_in_steps();
        }
        if constexpr (can_compact) {
            if (chance < 2) return compact();
        }
        if constexpr (can_migrate) {
            if (chance >= 48 && chance < 58) return migrate();
        }
        if constexpr (can_work) {
            if (chance >= 58 && chance < 80) {
                pool_.run_work();
                return reference_.run_work();
            }
            if (chance >= 80 && chance < 120) {
                const uint32_t cpu = random_.below(4);
                pool_.set_cpu(cpu);
                return reference_.set_cpu(cpu);
            }
        }
        if (random_.below(64) < (filling_ ? 40u : 22u)) alloc();
        else if (!live_.empty()) drop(random_.below(static_cast<uint32_t>(live_.size())));
    }

    void alloc() {
        const uint32_t size_bytes = size();
        const uint64_t number = free_numbers_.empty() ? place_of_.size() : free_numbers_.back();
        const Allocation made = pool_.alloc(size_bytes, SwapEntry(number % swap_types, number));
        const Made<Object> expected = reference_.alloc(size_bytes);
        expect("error of alloc()", made.error, expected.error);
        if (made.error) return;
        if (free_numbers_.empty()) place_of_.push_back(0);
        else free_numbers_.pop_back();
        place_of_[number] = live_.size();
        live_.push_back({made.location, expected.object, size_bytes, number});
        compare(live_.back());
    }

    void drop(size_t n) {
        pool_.free(live_[n].location);
        reference_.free(live_[n].reference);
        free_numbers_.push_back(live_[n].number);
        live_[n] = live_.back();
        place_of_[live_[n].number] = n;
        live_.pop_back();
    }

    void migrate() {
        if (live_.empty()) return;
        const Live& chosen = live_[random_.below(static_cast<uint32_t>(live_.size()))];
        const Migration migration = pool_.migrate(chosen.location);
        const std::optional<uint32_t> expected = reference_.migrate(chosen.reference);
        expect("migrated", migration.error == 0, expected.has_value());
        if (expected) expect("objects migrated", migration.objects, *expected);
    }

    void compact() {
        expect("can_compact()", pool_.can_compact(), reference_.can_compact());
        expect("pages compacted", pool_.compact(), reference_.compact());
    }

    // The victim's place, which the reference must have named, too; then whether it could be evicted.
    template <class Attempt, class Expected>
    bool evict(const Attempt& victim, const Expected& expected, uint32_t refuse_of_8) {
        if (!expected) throw Wrong{said("victim in page ", pool_.page_id(victim), ", expected none")};
        Place found = place(victim);
        found.start_bytes = expected->start_bytes;  // a freed one has none
        if (!(found == *expected))
            throw Wrong{said("victim: found page ", found.page, ", ", found.nth, ", expected page ", expected->page, ", ", expected->nth)};
        if (random_.below(8) < refuse_of_8) return false;
        const uint64_t number = pool_.entry(victim).offset();  // somebody may have freed it meanwhile
        if (number < place_of_.size() && place_of_[number] < live_.size() && live_[place_of_[number]].location == victim)
            drop(place_of_[number]);
        return true;
    }

    void reclaim_at_once() {
        if constexpr (can_reclaim) {
            if (attempt_) return;
            const uint32_t retries = random_.below(10), refuse = random_.below(6);
            typename Reference::Reclaim expected(reference_, retries);
            const int error = pool_.reclaim(retries, [&](Location victim) {
                const bool evicted = evict(victim, expected.victim(), refuse);
                expected.result(evicted);
                return evicted;
            });
            expect("a victim that was not asked for", expected.victim().has_value(), false);
            expect("error of reclaim()", error, expected.error());
        }
    }

    // Begins one, or answers for the victim of the one under way.
    void reclaim_in_steps() {
        if constexpr (can_reclaim) {
            if (!attempt_) {
                attempt_.emplace(pool_, 8);
                expected_.emplace(reference_, 8);
            } else {
                const bool evicted = evict(attempt_->victim(), expected_->victim(), 2);
                attempt_->result(evicted);
                expected_->result(evicted);
            }
            expect("a victim", static_cast<bool>(attempt_->victim()), expected_->victim().has_value());
            if (attempt_->victim()) return;
            expect("error of a reclaim in steps", attempt_->error(), expected_->error());
            attempt_.reset();
            expected_.reset();
        }
    }

    Place place(Location location) const {
        Place found{.page = pool_.page_id(location)};
        if constexpr (requires { pool_.object_index(location); }) found.nth = pool_.object_index(location);
        else if constexpr (requires { pool_.position(location); }) found.nth = pool_.position(location);
        else found.nth = location.position();
        return found;
    }

    void compare(const Live& live) const {
        Place found = place(live.location);
        if constexpr (requires { pool_.start_bytes(live.location); }) found.start_bytes = pool_.start_bytes(live.location);
        const Place expected = reference_.place(*live.reference);
        if (found == expected) [[likely]] return;
        throw Wrong{said("object ", live.number, " of ", live.size_bytes, " bytes: found page ", found.page, ", ", found.nth, ", byte ",
                         found.start_bytes, ", expected page ", expected.page, ", ", expected.nth, ", byte ", expected.start_bytes)};
    }

    void compare_all() {
        pool_.check();
        uint64_t bytes = 0;
        for (const Live& live : live_) {
            compare(live);
            expect("size", pool_.size(live.location), live.size_bytes);
            expect("entry", pool_.entry(live.location).word, SwapEntry(live.number % swap_types, live.number).word);
            bytes += live.size_bytes;
        }
        const PoolUsage usage = pool_.usage();
        expect("bytes asked for", usage.asked_bytes, bytes);
        expect("bytes used in pages", usage.used_bytes <= usage.pages * page_bytes, true);
        uint64_t objects = 0, walked = 0;
        for (const ClassRow& row : pool_.classes()) objects += row.objects_used;
        if constexpr (can_migrate) expect("objects of all classes", objects, live_.size());
        pool_.objects_from(random_.below(1000), [&](Location) { return ++walked, true; });
        expect("objects walked over", walked, live_.size());
    }

    void finish() {
        while (attempt_under_way()) reclaim_in_steps();
        compare_all();
        if constexpr (can_work) pool_.run_work(), reference_.run_work();
        while (!live_.empty()) drop(random_.below(static_cast<uint32_t>(live_.size())));
        if constexpr (can_work) pool_.run_work(), reference_.run_work();
        compare_all();
        // As in the kernel, a headless page of z3fold stays whose object went while it could not be evicted.
        expect("pages of an emptied pool", pool_.pages(), can_work ? reference_.pages() : 0);
    }

    bool attempt_under_way() const {
        if constexpr (can_reclaim) return attempt_.has_value();
        else return false;
    }

    template <bool, class Q, class R>
    struct AttemptsOf {
        using Found = std::optional<typename Q::Reclaim>;
        using Expected = std::optional<typename R::Reclaim>;
    };
    template <class Q, class R>
    struct AttemptsOf<false, Q, R> {
        struct None {
            explicit operator bool() const { return false; }
        };
        using Found = None;
        using Expected = None;
    };

    Random random_;
    P pool_;
    Reference reference_;
    Cost cost_;
    std::vector<Live> live_;
    std::vector<size_t> place_of_;  // in live_, by number
    std::vector<uint64_t> free_numbers_;
    [[no_unique_address]] typename AttemptsOf<can_reclaim, P, Reference>::Found attempt_;
    [[no_unique_address]] typename AttemptsOf<can_reclaim, P, Reference>::Expected expected_;
    size_t most_;
    uint32_t way_;
    uint64_t step_ = 0;
    bool filling_ = true;
};

}  // namespace lockstep
