// A trace at every limit.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "curve/at_limit.hpp"
#include "curve/events.hpp"
#include "curve/stack_distances.hpp"
#include "converted.hpp"
#include "event_batch.hpp"
#include "module.hpp"
#include "replay_config.hpp"

namespace zreplay {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

struct Curve {
    ReplayConfig config;
    CurveEvents events;
};

MissingSizes missing_sizes(const ReplayConfig& config) {
    return MissingSizes(config.missing_size, config.seed, config.recorded_sizes.get());
}

nb::dict at(const Curve& curve, std::optional<uint64_t> limit_pages) {
    AtLimit found;
    {
        nb::gil_scoped_release unlocked;
        found = at_limit(curve.events, curve.config, limit_pages);
    }
    nb::dict out;
    out["stores_rejected"] = found.stores_rejected;
    out["loads_hit"] = found.loads_hit;
    out["loads_missed"] = found.loads_missed;
    out["writebacks"] = found.written_back_pages;
    out["pool_pages_peak"] = found.pool_pages_peak;
    out["pool_pages_mean"] = found.pool_pages_mean;
    return out;
}

nb::dict counts(const Curve& curve) {
    const CurveEvents& events = curve.events;
    nb::dict out;
    out["events"] = events.events;
    out["all_stores"] = events.all_stores;
    out["all_loads"] = events.all_loads;
    out["stores"] = events.stores;
    out["loads"] = events.loads;
    out["loads_zero"] = events.loads_zero;
    out["loads_cold"] = events.loads_cold;
    out["refused"] = events.refused;
    out["most_pages"] = events.most_pages;
    return out;
}

}  // namespace

void bind_curve(nb::module_& module) {
    nb::class_<Curve>(module, "Curve", "A trace, to be replayed at many limits; see zreplay/core/curve/events.hpp.")
        .def_static("make",
                    [](nb::object recorded_sizes, std::pair<uint64_t, uint64_t> sample, const nb::kwargs& settings) {
                        ReplayConfig config = replay_config(settings);
                        config.recorded_sizes = shared<RecordedSizes>(recorded_sizes);
                        const Policy& policy = config.policy;
                        CurveEvents events({policy.same_filled, policy.keeps_incompressible, policy.cgroups, sample.first, sample.second},
                                           missing_sizes(config));
                        // Not by value: moving it may allocate, where nanobind lets nothing be thrown.
                        return std::unique_ptr<Curve>(new Curve{config, std::move(events)});
                    },
                    "recorded_sizes"_a.none(), "sample"_a, "settings"_a)
        .def("add",
             [](Curve& curve, const HeldBatch& batch, const CallBatch* calls) {
                 nb::gil_scoped_release unlocked;
                 curve.events.add(batch.decoded.batch, calls_of(calls));
             },
             "batch"_a, "calls"_a = nb::none())
        .def("counts", &counts)
        .def("at", &at, "limit_pages"_a = nb::none(), "What a replay counts at one limit, or without one.")
        .def("stack_distances",
             [](const Curve& curve, std::pair<uint64_t, uint64_t> sample) {
                 StackDistances distances(sample.first, sample.second);
                 {
                     nb::gil_scoped_release unlocked;
                     distances.replay(curve.events);
                 }
                 return nb::make_tuple(distances.pages, distances.hits, distances.peak_bytes);
             },
             "sample"_a,
             "Of every limit of the machine, in LRU order over the ideal pool: pages that stay from it on, loads of these; most bytes.");
}

}  // namespace zreplay
