// Does a swap index, a pool or a reclaim order do what the interface asks of it? Random operations against a slow and
// obvious reference, in rounds: each begins with a new instance and ends with an empty one. What is built in and what
// is plugged in goes through the same suite.
//
//      case (what is drawn) ─▶ round (a seed) ─▶ Step, Step, Step, … ─▶ finish
//                                                 │ written to a log that outlives this process, then applied
//                                                 ▼
//                              Instance: subject, reference, and the built-in variant it claims to be a copy of
//
// A step says by itself what it does, by names (a slot, the number of an object) rather than by what the last step left, so that a failing
// sequence is still one after any of its steps is taken out: that is what shrinking (shrink.hpp) rests on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cost.hpp"
#include "plugin/failed.hpp"
#include "plugin/host.hpp"
#include "plugin/load.hpp"
#include "random.hpp"

namespace zreplay::conformance {

using Kind = Plugged::Kind;

// What verdicts are about. A kind has those that its row says (conformance.cpp).
enum class Property : uint8_t {
    answers, walk, move, look, handles, places, classes, reclaim, lru, compact, migrate, next, visited,
    memory, check, costs, out_of_memory, leaks, instances, like, count
};
inline constexpr size_t property_count = static_cast<size_t>(Property::count);
std::string_view name_of(Property property);
std::span<const Property> properties_of(Kind kind);

struct Failure {
    Property property;
    std::string message;
    uint8_t instance = 0;  // whose
};

// Words and numbers as one line.
template <class... Parts>
std::string said(const Parts&... parts) {
    std::string line;
    auto add = [&](const auto& part) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) line += std::to_string(part);
        else line += part;
    };
    (add(parts), ...);
    return line;
}

// As everybody writes it: −ENOENT, of what has a name.
std::string of_errno(int error);

// How often each property was asked about, and why one could not be; which call is under way.
struct Account {
    static constexpr size_t call_bytes = 40;
    char* call = nullptr;  // where a process that outlives this one can read it

    void calls(std::string_view now) {
        if (!call) return;
        const size_t length = std::min(now.size(), call_bytes - 1);
        std::memcpy(call, now.data(), length);
        call[length] = 0;
    }

    std::array<uint64_t, property_count> tested{};
    std::array<std::string, property_count> not_tested;
    void cannot(Property property, std::string why) { not_tested[static_cast<size_t>(property)] = std::move(why); }
};

// One operation. What the members are is the operation's affair; those that its Word names are written in text.
struct Step {
    uint8_t op = 0;
    uint8_t instance = 0;  // 0 or 1
    uint16_t type = 0;
    uint32_t size = 0;
    uint64_t key = 0, value = 0;
    friend bool operator==(const Step&, const Step&) = default;
};

// How an operation is written: `insert type=3 key=1024 value=64`; of t, k, s and v those it has.
struct Word {
    const char* name;
    const char* members;
};
std::span<const Word> index_words();
std::span<const Word> pool_words();
std::span<const Word> order_words();
inline std::span<const Word> words_of(Kind kind) {
    return kind == Kind::index ? index_words() : kind == Kind::pool ? pool_words() : order_words();
}
inline constexpr uint8_t op_renew = 0;  // of every kind: the instance is destroyed with what is in it, and made anew

inline constexpr std::array<std::string_view, 3> slot_words{"narrow", "wide", "value"};  // by SlotWords

struct Setup {
    Kind kind = Kind::index;
    std::string name, like;  // of the registry; like may be empty
    bool small = false;      // an index with small nodes
    uint8_t words = 0;       // an index's SlotWords
};

// What is drawn in a round.
struct Draw {
    const char* name;
    bool large_keys = false, out_of_memory = false, renews = false, two = false;
    uint32_t most_steps = 4096;
};

class Instance {
  public:
    explicit Instance(Account& account) : account_(account) {}
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    virtual ~Instance() = default;

    virtual void begin(const Draw& draw, Random& random) = 0;  // what the steps of this round will be like
    virtual Step draw(Random& random) = 0;
    // All throw Failure.
    virtual void apply(const Step& step) = 0;
    virtual void finish() = 0;   // drains it, and then as abandon()
    virtual void drain() = 0;    // takes everything out, one by one
    virtual void abandon() = 0;  // destroys the subject with whatever is in it; its host must have everything back

    void apply_and_note(const Step& step) {
        noted_.push_back(step);
        apply(step);
    }

  protected:
    template <class Message>
    void expect(Property property, bool holds, Message&& message) {
        ++account_.tested[static_cast<size_t>(property)];
        if (!holds) [[unlikely]] throw Failure{property, message()};
    }
    void expect_equal(Property property, uint64_t found, uint64_t expected, const char* what) {
        expect(property, found == expected,
               [&] { return said(what, ": found ", found, ", expected ", expected); });
    }
    // The same call, with what it throws as a failure of the property.
    template <class Call>
    decltype(auto) guarded(Property property, std::string_view name, Call&& call) {
        account_.calls(name);
        try {
            return call();
        } catch (const std::bad_alloc&) {
            throw;  // ours: an arena under ulimit -v
        } catch (const std::exception& error) {
            throw Failure{property, in_one_line(name, error.what())};
        }
    }
    void expect_costs_grow(const Cost& before, const Cost& now);
    void expect_costs_alike(const Cost& found, const Cost& expected);
    // Another instance at the same host, each allocation of create() failing in turn.
    template <class Ops, class Options>
    void create_without_memory(Host& host, const Ops& ops, const Options& options);
    // Calls attempt() with the next allocation failing, then the one after it, …, until it was not reached; attempt() says whether it
    // gave −ENOMEM, and unchanged() then looks whether something has changed.
    template <class Attempt, class Unchanged>
    void each_allocation_fails(Host& host, Attempt&& attempt, Unchanged&& unchanged);
    // It is empty. What it has kept of its host's may be kept for later; not if the same once more, and again, makes it ever more.
    void expect_no_leak(const Host& host, uint64_t live_at_start);
    void expect_all_returned(const Host& host);
    // After something was put in.
    void note_whether_it_allocates(const Host& host);

    Account& account_;

  private:
    // Python's own, such as SystemExit, come with all of their traceback: its last line says what it was.
    static std::string in_one_line(std::string_view call, std::string_view what);

    std::vector<Step> noted_;
};
std::unique_ptr<Instance> make_index(const Setup& setup, Account& account);
std::unique_ptr<Instance> make_pool(const Setup& setup, Account& account);
std::unique_ptr<Instance> make_order(const Setup& setup, Account& account);

// The steps of the round under way, in memory that another process can read when this one is gone.
class Log {
  public:
    explicit Log(std::span<std::byte> memory);
    void clear(const Setup& setup, uint64_t seed);
    void add(const Step& step);
    size_t room() const;
    char* call() const;  // for an Account

  private:
    std::span<std::byte> memory_;
};

struct Failed {
    Failure failure;
    Setup setup;
    uint64_t seed;
    std::vector<Step> steps;
};

class Suite {
  public:
    // Throws std::invalid_argument: no such variant; PluginFailed.
    Suite(Kind kind, std::string name, std::string like, uint64_t seed);

    size_t cases() const { return cases_.size(); }
    std::string case_name(size_t n) const;
    // Rounds until so many operations are done or so many seconds gone. Gives the first failure.
    std::optional<Failed> run(size_t n, uint64_t operations, double seconds, Log log);
    const Account& account() const { return account_; }
    uint64_t operations() const { return operations_; }

  private:
    struct Case {
        Setup setup;
        Draw draw;
        uint32_t share;
    };
    Kind kind_;
    uint64_t seed_, operations_ = 0;
    std::vector<Case> cases_;
    Account account_;
};

// What the steps come to, from the beginning. `leave`: what is broken is not destroyed.
std::optional<Failure> replay(const Setup& setup, std::span<const Step> steps, Account& account, bool leave = false,
                              Log* log = nullptr);

// Those of one instance since it was made, as if there had been no other: where they go well, a failure is the others' doing.
std::vector<Step> own_steps(std::span<const Step> steps, uint8_t instance);

// As text: a line of the setup, then a step a line; lines that begin with # are for people.
std::string text_of(const Setup& setup, std::span<const Step> steps);
std::string text_of(Kind kind, const Step& step);
// Throws std::invalid_argument naming the line.
std::pair<Setup, std::vector<Step>> parse(std::string_view text);
// Of a log whose process is gone.
std::pair<Setup, std::vector<Step>> read(std::span<const std::byte> memory);
std::string read_call(std::span<const std::byte> memory);

template <class Ops, class Options>
void Instance::create_without_memory(Host& host, const Ops& ops, const Options& options) {
    for (uint64_t n = 1; n < 100; ++n) {
        const uint64_t before = host.allocations(), live = host.live();
        host.fail_at(n);
        void* state = nullptr;
        account_.calls("create()");
        const int error = ops.create(&options, host.table(), &state);
        const bool reached = host.allocations() - before >= n;
        host.fail_at(0);
        if (!error) ops.destroy(state);
        expect(Property::out_of_memory, !error || (error == -e_nomem && reached),
               [&] { return said("create() gave ", of_errno(error), ", expected 0 or, allocation ", n, " failing, −ENOMEM"); });
        expect(Property::out_of_memory, host.live() == live, [&] {
            return said("create(), allocation ", n, " of it failing, leaves ", host.live() - live, " allocations, expected 0");
        });
        if (!reached) return;
    }
}

template <class Attempt, class Unchanged>
void Instance::each_allocation_fails(Host& host, Attempt&& attempt, Unchanged&& unchanged) {
    for (uint64_t n = 1;; ++n) {
        const uint64_t before = host.allocations();
        host.fail_at(n);
        const bool failed = attempt();
        const bool reached = host.allocations() - before >= n;
        host.fail_at(0);
        if (!failed) return;
        expect(Property::out_of_memory, reached, [&] { return std::string("gave −ENOMEM with no allocation failing"); });
        unchanged();
    }
}

}  // namespace zreplay::conformance
