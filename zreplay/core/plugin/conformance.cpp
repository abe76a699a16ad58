#include "plugin/conformance.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "index/registry.hpp"
#include "mm/registry.hpp"
#include "pool/registry.hpp"

namespace zreplay::conformance {

namespace {

constexpr std::array<std::string_view, property_count> names{
    "answers", "walk", "move", "look", "handles", "places", "classes", "reclaim", "lru", "compact", "migrate", "next", "visited",
    "memory", "check", "costs", "out-of-memory", "leaks", "instances", "like"};

using enum Property;
constexpr Property of_index[] = {answers, walk, move, look, memory, check, costs, out_of_memory, leaks, instances, like};
constexpr Property of_pool[] = {answers, handles, places, classes, reclaim, lru, compact, migrate, memory, check, costs, out_of_memory,
                                leaks, instances, like};
constexpr Property of_order[] = {next, visited, memory, check, out_of_memory, leaks, instances, like};

uint64_t mixed(uint64_t a, uint64_t b) { return Random(a ^ (b + 1) * 0x9e3779b97f4a7c15).next(); }

std::unique_ptr<Instance> make(const Setup& setup, Account& account) {
    return setup.kind == Kind::index  ? make_index(setup, account)
           : setup.kind == Kind::pool ? make_pool(setup, account)
                                      : make_order(setup, account);
}

// The instances of a round.
class Round {
  public:
    Round(const Setup& setup, Account& account) : setup_(setup), account_(account) {}

    Instance& instance(uint8_t n) {
        if (!instances_[n]) {
            account_.calls("create()");
            instances_[n] = make(setup_, account_);
        }
        return *instances_[n];
    }
    void apply(const Step& step) {
        of(step.instance, [&] {
            if (step.op != op_renew) return instance(step.instance).apply_and_note(step);
            instances_[step.instance]->abandon();
            instances_[step.instance] = nullptr;
            instance(step.instance);
        });
    }
    void finish() {
        for (uint8_t n = 0; n < 2; ++n)
            if (instances_[n]) of(n, [&] { instances_[n]->finish(); });
    }
    // Broken: what its destruction would do, nobody knows.
    void leave() {
        for (auto& instance : instances_) static_cast<void>(instance.release());
    }

  private:
    template <class Call>
    void of(uint8_t instance, Call&& call) {
        try {
            call();
        } catch (Failure& failure) {
            failure.instance = instance;
            // Whoever tells of it says whose it is.
            if (const std::string whose = "plugin " + setup_.name + ": "; failure.message.starts_with(whose))
                failure.message.erase(0, whose.size());
            if (const size_t at = failure.message.find(" gave -"); at != failure.message.npos) failure.message.replace(at + 6, 1, "−");
            throw;
        }
    }

    const Setup& setup_;
    Account& account_;
    std::array<std::unique_ptr<Instance>, 2> instances_;
};

void require_like(Kind kind, const std::string& like) {
    if (like.empty()) return;
    if (kind == Kind::index) index_kind(like);
    else if (kind == Kind::pool) pool_kind(like);
    else if (!find_order_kind(like)) throw std::invalid_argument("no reclaim order '" + like + "' to compare with");
}

}  // namespace

std::string_view name_of(Property property) { return names[static_cast<size_t>(property)]; }

std::span<const Property> properties_of(Kind kind) {
    if (kind == Kind::index) return of_index;
    if (kind == Kind::pool) return of_pool;
    return of_order;
}

std::string of_errno(int error) {
    static constexpr std::pair<int, const char*> named[] = {{e_noent, "−ENOENT"}, {e_io, "−EIO"}, {e_again, "−EAGAIN"},
                {e_nomem, "−ENOMEM"}, {e_busy, "−EBUSY"}, {e_exist, "−EEXIST"}, {e_inval, "−EINVAL"}, {e_nospc, "−ENOSPC"}};
    for (const auto& [number, name] : named)
        if (error == -number) return name;
    if (error < 0) return "−" + std::to_string(error).substr(1);
    return std::to_string(error);
}

std::string Instance::in_one_line(std::string_view call, std::string_view what) {
    if (what.find('\n') == what.npos) return std::string(what);
    what = what.substr(0, what.find_last_not_of("\n ") + 1);
    std::string last = one_line(what.substr(what.rfind('\n') + 1));
    if (last.ends_with(':')) last.pop_back();  // of those that say nothing
    return said(call, " raised ", last);
}

void Instance::expect_costs_grow(const Cost& before, const Cost& now) {
    const auto* was = reinterpret_cast<const uint64_t*>(&before);
    const auto* is = reinterpret_cast<const uint64_t*>(&now);
    for (size_t i = 0; i < sizeof(Cost) / sizeof(uint64_t); ++i)
        if (is[i] < was[i]) [[unlikely]]
            throw Failure{Property::costs, "counter " + std::to_string(i) + " of struct zr_cost fell from " + std::to_string(was[i]) +
                                               " to " + std::to_string(is[i])};
    ++account_.tested[static_cast<size_t>(Property::costs)];
}

void Instance::expect_costs_alike(const Cost& found, const Cost& expected) {
    static constexpr const char* counters[] = {"nodes_visited", "cache_lines", "nodes_allocated", "nodes_freed", "slots_written",
                                               "tag_words_written", "headers_read"};
    if (std::memcmp(&found, &expected, sizeof(Cost)) == 0) [[likely]] return;
    const auto* is = reinterpret_cast<const uint64_t*>(&found);
    const auto* other = reinterpret_cast<const uint64_t*>(&expected);
    for (size_t i = 0; i < sizeof(Cost) / sizeof(uint64_t); ++i) expect_equal(Property::like, is[i], other[i], counters[i]);
}

void Instance::expect_no_leak(const Host& host, uint64_t live_at_start) {
    constexpr size_t most_steps = 3000, times = 4;
    std::string seen = std::to_string(host.live());
    for (size_t n = 0; host.live() > live_at_start && noted_.size() < most_steps; ++n) {
        if (n == times)
            throw Failure{Property::leaks,
                          said("allocations when emptied, ", live_at_start, " at the beginning, grow each time the same is done: ", seen)};
        const uint64_t before = host.live();
        for (const Step& step : noted_) apply(step);
        drain();
        if (host.live() <= before) break;
        seen += ", " + std::to_string(host.live());
    }
    ++account_.tested[static_cast<size_t>(Property::leaks)];
}

void Instance::note_whether_it_allocates(const Host& host) {
    if (host.allocations()) return;
    account_.cannot(Property::out_of_memory, "it does not allocate through its host");
    account_.cannot(Property::leaks, "it does not allocate through its host");
}

void Instance::expect_all_returned(const Host& host) {
    expect(Property::leaks, host.live() == 0, [&] { return said("destroy() leaves ", host.live(), " allocations, expected 0"); });
}

// ---- the suite ----

Suite::Suite(Kind kind, std::string name, std::string like, uint64_t seed) : kind_(kind), seed_(seed) {
    require_like(kind, like);
    if (like.empty()) account_.cannot(Property::like, "it is a copy of no built-in");
    const Setup plain{.kind = kind, .name = std::move(name), .like = std::move(like)};
    auto add = [&](Setup setup, Draw draw, uint32_t share) { cases_.push_back({std::move(setup), draw, share}); };
    if (kind == Kind::index) {
        const IndexKind& tried = index_kind(plain.name);
        for (uint8_t words = 0; words < 3; ++words)
            for (const bool small : {true, false}) {
                if (words == 2 && !tried.takes_values) continue;
                Setup setup = plain;
                setup.small = small;
                setup.words = words;
                const uint32_t share = words ? 1 : 4;
                add(setup, {.name = "small keys", .most_steps = small ? 2048u : 32768u}, share);
                add(setup, {.name = "large keys", .large_keys = true, .most_steps = small ? 2048u : 8192u}, share);
            }
    } else {
        if (kind == Kind::pool) pool_kind(plain.name);
        else if (!find_order_kind(plain.name)) throw std::invalid_argument("no reclaim order '" + plain.name + "'");
        add(plain, {.name = "few", .most_steps = 256}, 4);
        add(plain, {.name = "many", .large_keys = true, .most_steps = 16384}, 4);
    }
    Setup alone = plain;
    alone.small = true;
    add(alone, {.name = "two instances", .renews = true, .two = true, .most_steps = 400}, 2);
    alone.like.clear();
    add(alone, {.name = "out of memory", .out_of_memory = true, .most_steps = 400}, 2);
    alone.small = false;
    if (kind == Kind::index) add(alone, {.name = "out of memory", .large_keys = true, .out_of_memory = true, .most_steps = 400}, 1);
}

std::string Suite::case_name(size_t n) const {
    const auto& [setup, draw, share] = cases_.at(n);
    if (kind_ != Kind::index) return draw.name;
    return said(draw.name, ", ", slot_words[setup.words], " words, ", setup.small ? "small" : "normal", " nodes");
}

std::optional<Failed> Suite::run(size_t n, uint64_t operations, double seconds, Log log) {
    const auto& [setup, draw, share] = cases_.at(n);
    uint64_t shares = 0, done = 0;
    for (const Case& one : cases_) shares += one.share;
    const uint64_t wanted = std::max<uint64_t>(operations * share / shares, 1);
    const auto begin = std::chrono::steady_clock::now();
    for (uint64_t round = 0; done < wanted; ++round) {
        if (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds) break;
        const uint64_t seed = mixed(mixed(seed_, n), round);
        Random random(seed);
        // Most rounds are short, so that there are many beginnings and ends; lengths are spread over all magnitudes.
        const auto bits = static_cast<uint32_t>(32 - std::countl_zero(draw.most_steps - 1));
        const uint32_t length = std::min<uint64_t>({draw.most_steps, (1u << (3 + random.below(bits - 2))) + random.below(8),
                                                    wanted - done + 8});
        log.clear(setup, seed);
        account_.call = log.call();
        std::vector<Step> steps;
        Round instances(setup, account_);
        try {
            for (uint8_t i = 0; i <= draw.two; ++i) instances.instance(i).begin(draw, random);
            for (uint32_t i = 0; i < length; ++i, ++done, ++operations_) {
                const auto which = static_cast<uint8_t>(draw.two ? random.below(2) : 0);
                Step step{.op = op_renew};
                const bool renewed = draw.renews && random.below(64) == 0;
                if (!renewed) step = instances.instance(which).draw(random);
                step.instance = which;
                steps.push_back(step);
                log.add(step);
                instances.apply(step);
                account_.tested[static_cast<size_t>(Property::instances)] += draw.two;
                if (renewed) instances.instance(which).begin(draw, random);
                if (i % 256 == 255 && std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds) break;
            }
            instances.finish();
        } catch (const Failure& failure) {
            instances.leave();
            return Failed{failure, setup, seed, std::move(steps)};
        }
    }
    return {};
}

std::vector<Step> own_steps(std::span<const Step> steps, uint8_t instance) {
    std::vector<Step> own;
    for (const Step& step : steps) {
        if (step.instance != instance) continue;
        if (step.op == op_renew && &step != &steps.back()) own.clear();
        else own.push_back(step);
    }
    return own;
}

std::optional<Failure> replay(const Setup& setup, std::span<const Step> steps, Account& account, bool leave, Log* log) {
    Round round(setup, account);
    if (log) log->clear(setup, 0), account.call = log->call();
    try {
        // As in a round, those there are come first; there and gone is something, too.
        for (uint8_t n = 0; n < 2; ++n)
            if (std::any_of(steps.begin(), steps.end(), [&](const Step& step) { return step.instance == n; }) || (!n && steps.empty()))
                round.instance(n);
        for (const Step& step : steps) {
            if (log) log->add(step);
            round.apply(step);
        }
        round.finish();
    } catch (const Failure& failure) {
        if (leave) round.leave();
        return failure;
    }
    return {};
}

}  // namespace zreplay::conformance
