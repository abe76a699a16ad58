// The conformance suite for Python: a case at a time, so that what runs it can be another process than what tells of it.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "counted.hpp"
#include "module.hpp"
#include "plugin/conformance.hpp"
#include "plugin/shrink.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace zreplay {

namespace {

using namespace conformance;
using Clock = std::chrono::steady_clock;
using Buffer = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

Kind kind_of(std::string_view name) {
    if (name == "index") return Kind::index;
    if (name == "pool") return Kind::pool;
    if (name == "mm") return Kind::mm;
    throw std::invalid_argument("kind '" + std::string(name) + "', expected index, pool or mm");
}

std::span<std::byte> bytes_of(Buffer& buffer) { return {reinterpret_cast<std::byte*>(buffer.data()), buffer.shape(0)}; }

nb::dict to_dict(const Account& account, Kind kind) {
    nb::dict tested, not_tested;
    for (const Property property : properties_of(kind)) {
        const auto i = static_cast<size_t>(property);
        const std::string name(name_of(property));
        if (account.tested[i]) tested[name.c_str()] = account.tested[i];
        if (!account.not_tested[i].empty()) not_tested[name.c_str()] = account.not_tested[i];
    }
    nb::dict out;
    out["tested"] = tested;
    out["not_tested"] = not_tested;
    return out;
}

nb::object to_object(const std::optional<Failed>& failed) {
    if (!failed) return nb::none();
    nb::dict out;
    out["property"] = std::string(name_of(failed->failure.property));
    out["message"] = failed->failure.message;
    out["seed"] = failed->seed;
    out["steps"] = text_of(failed->setup, failed->steps);
    return out;
}

// What steps come to, as a number: 0 all is well; −1 a crash, or no end.
int number_of(const std::optional<Failure>& failure) {
    return failure ? 1 + static_cast<int>(failure->property) + 64 * failure->instance : 0;
}
int property_of(int outcome) { return outcome > 0 ? outcome % 64 : outcome; }
constexpr int by_others = 1 + static_cast<int>(Property::instances), crash = -1;

// One that hangs would stay, were its parent killed.
void end_with_parent() { prctl(PR_SET_PDEATHSIG, SIGKILL); }

// The same in a process of its own: nothing of what was before is left, nothing stays.
int in_a_child(const Setup& setup, const std::vector<Step>& steps, double seconds) {
    // Not told by how the process ends: a plugin may end it by exit(), with any status.
    static auto* const outcome = static_cast<volatile int*>(
        mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (outcome == MAP_FAILED) throw std::bad_alloc();
    *outcome = crash;
    PyOS_BeforeFork();
    const pid_t child = fork();
    if (child == 0) PyOS_AfterFork_Child();  // else it waits for ever for whichever thread had asked for the interpreter
    else PyOS_AfterFork_Parent();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
        end_with_parent();
        try {
            Account account;
            *outcome = number_of(replay(setup, steps, account, true));
        } catch (...) {
        }
        write_counts();
        _exit(0);
    }
    const auto begin = Clock::now();
    int status = 0;
    while (waitpid(child, &status, WNOHANG) != child) {
        if (std::chrono::duration<double>(Clock::now() - begin).count() > seconds) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return *outcome;
}

// Whose property it is that the steps fail: that of the call, or `instances` where the instance alone does well.
int blamed(const Setup& setup, const std::vector<Step>& steps, double seconds) {
    const int outcome = in_a_child(setup, steps, seconds);
    if (outcome <= 0) return outcome;
    const std::vector<Step> own = own_steps(steps, static_cast<uint8_t>(outcome / 64));
    if (own.size() != steps.size() && in_a_child(setup, own, seconds) == 0) return by_others;
    return property_of(outcome);
}

std::string name_of_outcome(int outcome) {
    if (outcome == crash) return "crash";
    return std::string(name_of(static_cast<Property>(property_of(outcome) - 1)));
}

// The fewest steps that fail alike, and of which property. Of no steps: these do not fail when they are repeated.
std::pair<std::string, std::vector<Step>> shrunk(const Setup& setup, const std::vector<Step>& steps, bool isolated, double seconds) {
    const auto begin = Clock::now();
    const auto left = [&] { return seconds - std::chrono::duration<double>(Clock::now() - begin).count(); };
    const double longest = seconds / 3;
    const int wanted = blamed(setup, steps, longest);
    if (wanted == 0) return {"", {}};
    if (wanted != crash && wanted != by_others && !isolated) {
        // Much faster, and right unless the plugin keeps something from one instance to the next.
        auto fails = [&](const std::vector<Step>& fewer) {
            Account account;
            return property_of(number_of(replay(setup, fewer, account))) == wanted;
        };
        std::vector<Step> fewer = Shrinker(steps, fails, [&] { return left() > longest; }).shrink();
        if (blamed(setup, fewer, longest) == wanted) return {name_of_outcome(wanted), std::move(fewer)};
    }
    auto fails = [&](const std::vector<Step>& fewer) { return blamed(setup, fewer, std::min(longest, 1.0)) == wanted; };
    return {name_of_outcome(wanted), Shrinker(steps, fails, [&] { return left() > 0; }).shrink()};
}

}  // namespace

void bind_conformance(nb::module_& module) {
    nb::class_<Suite>(module, "Conformance", "Random operations on one variant, case by case.")
        .def("__init__", [](Suite* self, std::string_view kind, std::string_view name, std::string_view like, uint64_t seed) {
            new (self) Suite(kind_of(kind), std::string(name), std::string(like), seed);
        }, "kind"_a, "name"_a, "like"_a, "seed"_a)
        .def_prop_ro("cases", [](const Suite& self) {
            std::vector<std::string> names;
            for (size_t n = 0; n < self.cases(); ++n) names.push_back(self.case_name(n));
            return names;
        })
        .def_prop_ro("operations", &Suite::operations)
        .def("run", [](Suite& self, size_t n, uint64_t operations, double seconds, Buffer log) {
            return to_object(self.run(n, operations, seconds, Log(bytes_of(log))));
        }, "case"_a, "operations"_a, "seconds"_a, "log"_a,
             "The first failure: property, message, seed, steps; or None. `operations`: of all cases; this one takes its share.")
        .def("account", [](const Suite& self, std::string_view kind) { return to_dict(self.account(), kind_of(kind)); }, "kind"_a,
             "How often each property was asked about, and why one could not be.");

    module.def("end_with_parent", &end_with_parent, "Of a process that may hang: it is killed when its parent ends.");

    module.def("conformance_properties", [](std::string_view kind) {
        std::vector<std::string> names;
        for (const Property property : properties_of(kind_of(kind))) names.emplace_back(name_of(property));
        return names;
    }, "kind"_a, "The properties of a kind, in the order of a report.");

    module.def("conformance_steps", [](Buffer log) {
        const auto [setup, steps] = read(bytes_of(log));
        return nb::make_tuple(text_of(setup, steps), steps.empty() ? std::string() : text_of(setup.kind, steps.back()), steps.size(),
                              read_call(bytes_of(log)));
    }, "log"_a, "What a process that is gone was doing: all steps, the last of them, how many, the call of the plugin's under way.");

    module.def("conformance_replay", [](std::string_view text, std::string_view name, Buffer buffer) {
        auto [setup, steps] = parse(text);
        setup.name = name;
        Account account;
        Log log(bytes_of(buffer));
        const auto failure = replay(setup, steps, account, true, &log);
        if (!failure) return nb::object(nb::none());
        return to_object(Failed{*failure, setup, 0, steps});
    }, "text"_a, "name"_a, "log"_a, "Makes the steps; what fails, or None.");

    module.def("conformance_shrink", [](std::string_view text, std::string_view name, bool isolated, double seconds) {
        auto [setup, steps] = parse(text);
        setup.name = name;
        const auto [property, fewer] = shrunk(setup, steps, isolated, seconds);
        return nb::make_tuple(property, text_of(setup, fewer));
    }, "text"_a, "name"_a, "isolated"_a, "seconds"_a,
       "The property that the steps fail, and the fewest that fail it; \"\": they do not, when they are repeated. `isolated`: each try\n"
       "in a process of its own, slower. A crash is the property \"crash\".");
}

}  // namespace zreplay
