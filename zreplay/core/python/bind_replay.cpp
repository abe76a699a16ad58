// Replays for Python: batches in, columns out, the interpreter's lock released in between.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "converted.hpp"
#include "event_batch.hpp"
#include "module.hpp"
#include "replay/calls.hpp"
#include "replay/replay.hpp"
#include "replay_config.hpp"
#include "unlocked.hpp"

namespace zreplay {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// What is returned is made here: returned by value, it would be made again where nothing may be thrown.

// One column from a member or a computed value of each row.
template <class Row, class Get>
auto column(const std::vector<Row>& rows, Get&& get) {
    std::vector<std::decay_t<decltype(get(rows[0]))>> values;
    values.reserve(rows.size());
    for (const Row& row : rows) values.push_back(get(row));
    return values;
}

template <class Row, class Get>
void add_optional(ColumnsOut& out, const char* name, const char* format, const std::vector<Row>& rows, Get&& get) {
    std::vector<uint8_t> valid;
    using T = typename std::decay_t<decltype(get(rows[0]))>::value_type;
    std::vector<T> values;
    for (const Row& row : rows) {
        values.push_back(get(row).value_or(T{}));
        valid.push_back(get(row).has_value());
    }
    out.add(name, format, std::move(values), valid);
}

std::unique_ptr<ColumnsOut> timeline(Replay& replay) {
    std::vector<Sample> rows = replay.take_samples();
    ColumnsOut out;
    out.add("ts_ns", "l", column(rows, [](const Sample& s) { return s.ts_ns; }));
    for (const CounterField& field : counter_fields)
        out.add(std::string(field.name), "L", column(rows, [&](const Sample& s) { return s.counters.*field.member; }));
    auto usage = [&](const char* name, auto get) {
        out.add(name, "L", column(rows, [&](const Sample& s) -> uint64_t { return get(s.usage); }));
    };
    usage("pool_pages", [](const PoolUsage& u) { return u.pages; });
    usage("pool_bytes", [](const PoolUsage& u) { return u.pages * page_bytes; });
    usage("pool_objects", [](const PoolUsage& u) { return u.objects; });
    usage("movable_pages", [](const PoolUsage& u) { return u.movable_pages; });
    usage("internal_fragmentation_bytes", [](const PoolUsage& u) { return u.used_bytes - u.asked_bytes; });
    usage("external_fragmentation_bytes", [](const PoolUsage& u) { return u.pages * page_bytes - u.used_bytes; });
    out.add("density", "g", column(rows, [](const Sample& s) {
        return s.usage.pages ? static_cast<double>(s.usage.objects) / static_cast<double>(s.usage.pages) : 0.0;
    }));
    out.add("index_entries", "L", column(rows, [](const Sample& s) { return s.index_entries; }));
    out.add("index_nodes", "L", column(rows, [](const Sample& s) { return s.index_nodes; }));
    out.add("index_bytes", "L", column(rows, [](const Sample& s) { return s.index_bytes; }));
    return std::make_unique<ColumnsOut>(std::move(out));
}

std::unique_ptr<ColumnsOut> classes(Replay& replay) {
    std::vector<ClassSample> rows = replay.take_class_samples();
    using S = ClassSample;
    ColumnsOut out;
    out.add("ts_ns", "l", column(rows, [](const S& s) { return s.ts_ns; }));
    out.add("events", "L", column(rows, [](const S& s) { return s.events; }));
    add_optional(out, "class_size", "I", rows, [](const S& s) { return s.row.class_size; });
    add_optional(out, "free_chunks", "I", rows, [](const S& s) { return s.row.free_chunks; });
    out.add("pages", "L", column(rows, [](const S& s) { return s.row.pages; }));
    out.add("objects_used", "L", column(rows, [](const S& s) { return s.row.objects_used; }));
    add_optional(out, "objects_allocated", "L", rows, [](const S& s) { return s.row.objects_allocated; });
    add_optional(out, "almost_empty", "L", rows, [](const S& s) { return s.row.almost_empty; });
    add_optional(out, "almost_full", "L", rows, [](const S& s) { return s.row.almost_full; });
    add_optional(out, "full", "L", rows, [](const S& s) { return s.row.full; });
    return std::make_unique<ColumnsOut>(std::move(out));
}

std::unique_ptr<ColumnsOut> observations(Replay& replay) {
    std::vector<Observation> rows = replay.take_observations();
    using O = Observation;
    ColumnsOut out;
    out.add("result", "i", column(rows, [](const O& o) { return o.result; }));
    out.add("stored_pages", "L", column(rows, [](const O& o) { return o.stored_pages; }));
    out.add("pool_total_pages", "L", column(rows, [](const O& o) { return o.pool_total_pages; }));
    out.add("page", "l", column(rows, [](const O& o) { return o.page; }));
    out.add("position", "c", column(rows, [](const O& o) { return o.position; }));
    out.add("visited", "L", column(rows, [](const O& o) { return o.visited; }));
    return std::make_unique<ColumnsOut>(std::move(out));
}


struct CostField {
    const char* name;
    uint64_t Cost::*member;
};
constexpr CostField cost_fields[] = {
    {"nodes_visited", &Cost::nodes_visited},         {"cache_lines", &Cost::cache_lines},
    {"nodes_allocated", &Cost::nodes_allocated},     {"nodes_freed", &Cost::nodes_freed},
    {"slots_written", &Cost::slots_written},         {"tag_words_written", &Cost::tag_words_written},
    {"page_headers_read", &Cost::headers_read},
};

nb::list operations(const Replay& replay) {
    nb::list rows;
    for (const OperationRow& row : replay.operations()) {
        nb::dict out;
        out["op"] = nb::str(op_names[static_cast<size_t>(row.op)].data());
        out["count"] = row.count;
        for (const CostField& field : cost_fields) out[field.name] = row.cost.*field.member;
        for (const CostField& field : cost_fields)
            if (field.member != &Cost::headers_read) out[(std::string("mm_") + field.name).c_str()] = row.mm_cost.*field.member;
        const Durations& durations = *row.durations;
        double mean = durations.samples() ? static_cast<double>(durations.total_ns()) / static_cast<double>(durations.samples()) : 0;
        out["timed"] = durations.samples();
        out["total_ns"] = mean * static_cast<double>(row.count);
        for (auto [name, q] : {std::pair{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}, {"max_ns", 0.999999}})
            out[name] = durations.quantile_ns(q);
        rows.append(out);
    }
    return rows;
}

nb::dict counters(const Replay& replay) {
    nb::dict out;
    for (const CounterField& field : counter_fields) out[nb::str(field.name.data(), field.name.size())] = replay.counters().*field.member;
    out["pool_pages_final"] = replay.pool_pages();
    out["pool_pages_mean"] = replay.pool_pages_mean();
    out["movable_percent"] = replay.movable_percent();
    out["stored_pages_peak"] = replay.peaks().stored_pages;
    out["pool_pages_peak"] = replay.peaks().pool_pages;
    out["index_nodes_peak"] = replay.peaks().index_nodes;
    out["index_bytes_peak"] = replay.peaks().index_bytes;
    return out;
}

template <class T>
T cast(const char* name, nb::handle value) {
    T out;
    if constexpr (std::is_same_v<T, std::string>) {
        std::string_view view;
        if (nb::try_cast(value, view)) return T(view);
    } else if constexpr (is_vector<T>) {
        if (PySequence_Check(value.ptr())) return converted<T>(value);
    } else if (nb::try_cast(value, out)) {
        return out;
    }
    throw nb::type_error((std::string(name) + ": cannot be " + nb::repr(value).c_str()).c_str());
}

// One of a few words, as the number of its place.
template <class Enum>
Enum choice(const char* name, nb::handle value, std::initializer_list<const char*> words) {
    std::string found = nb::str(value).c_str();
    std::string known;
    int place = 0;
    for (const char* word : words) {
        if (found == word) return static_cast<Enum>(place);
        known += (place++ ? ", " : "") + std::string(word);
    }
    throw nb::value_error((std::string(name) + " '" + found + "', expected one of " + known).c_str());
}

struct Setting {
    const char* name;
    void (*set)(ReplayConfig& config, const char* name, nb::handle value);
};

#define SETTING(name, member) \
    {name, [](ReplayConfig& c, const char* key, nb::handle value) { c.member = cast<decltype(c.member)>(key, value); }}
#define CHOICE(name, member, ...) \
    {name, [](ReplayConfig& c, const char* key, nb::handle value) { \
         c.member = choice<decltype(c.member)>(key, value, {__VA_ARGS__}); \
     }}

// Every keyword of Replay.make; those left out keep the defaults of the structs.
constexpr Setting settings[] = {
    SETTING("index", index),
    SETTING("pool", pool),
    SETTING("model", model),
    SETTING("kernel", kernel),
    SETTING("mm", mm),
    SETTING("driven", driven),
    SETTING("paced", policy.paced),
    SETTING("totalram_pages", policy.limits.totalram_pages),
    SETTING("max_pool_percent", policy.limits.max_pool_percent),
    SETTING("accept_threshold_percent", policy.limits.accept_threshold_percent),
    SETTING("exclusive_loads", policy.exclusive_loads),
    SETTING("keeps_incompressible", policy.keeps_incompressible),
    SETTING("cgroups", policy.cgroups),
    SETTING("same_filled", policy.same_filled),
    CHOICE("slot_holds", policy.slots.locate, "object", "header", "bits", "value"),
    SETTING("slot_positions", policy.slots.positions),
    CHOICE("mm_new_page", policy.inactive_lru.enter_at_tail, "head", "tail"),
    CHOICE("mm_load", policy.inactive_lru.on_load, "none", "reference", "activate"),
    CHOICE("mm_join", policy.inactive_lru.on_join, "none", "reference", "activate"),
    CHOICE("mm_first_time", policy.inactive_lru.first_time_is_old, "new", "old"),
    SETTING("cma_every", policy.cma.every_events),
    SETTING("cma_percent", policy.cma.percent),
    SETTING("movable", pool_options.zbud.movable),
    CHOICE("zsmalloc_rule", pool_options.zsmalloc.class_rule, "a", "b"),
    SETTING("zsmalloc_chain", pool_options.zsmalloc.chain_limit),
    SETTING("sample_keep", sample_keep),
    SETTING("sample_of", sample_of),
    CHOICE("zsmalloc_groups", pool_options.zsmalloc.fullness_groups, "4", "12"),
    CHOICE("z3fold_work", pool_options.z3fold.deferred_work, "immediate", "deferred"),
    SETTING("z3fold_cpus", pool_options.z3fold.cpus),
    SETTING("z3fold_stays_claimed", pool_options.z3fold.claimed_after_migration),
    CHOICE("missing_size", missing_size, "reject", "mean", "empirical"),
    SETTING("seed", seed),
    SETTING("sample_events", sample_events),
    SETTING("sample_ns", sample_ns),
    SETTING("check_every", check_every),
    SETTING("look_above_bytes", look_above_bytes),
    SETTING("timing", timing),
    SETTING("verify", verify),
    SETTING("observe", observe),
};

#undef SETTING
#undef CHOICE

}  // namespace

ReplayConfig replay_config(const nb::kwargs& given) {
    ReplayConfig config;
    for (auto [key, value] : given) {
        auto name = converted<std::string>(key);
        auto place = std::ranges::find_if(settings, [&](const Setting& setting) { return name == setting.name; });
        if (place == std::end(settings)) throw nb::type_error(("no setting '" + name + "'").c_str());
        place->set(config, place->name, value);
    }
    config.policy.follows_pages = config.driven;
    config.pool_options.zsmalloc.sample_keep = config.sample_keep;
    config.pool_options.zsmalloc.sample_of = config.sample_of;
    const Locate locate = config.policy.slots.locate;
    config.pool_options.zsmalloc.frames = config.pool_options.z3fold.frames = locate == Locate::bits || locate == Locate::value;
    return config;
}

namespace {

std::unique_ptr<Replay> make(nb::object recorded_sizes, nb::object future_loads, const nb::kwargs& given) {
    ReplayConfig config = replay_config(given);
    config.recorded_sizes = shared<RecordedSizes>(recorded_sizes);
    config.future_loads = shared<FutureLoads>(future_loads);
    return Replay::make(config);
}

}  // namespace

void bind_replay(nb::module_& module) {
    nb::class_<RecordedSizes>(module, "RecordedSizes", "The sizes a trace has, for the stores that have none.")
        .def(nb::init<>())
        .def("learn",
             [](RecordedSizes& sizes, nb::handle record_batch) {
                 ArrowBatch batch(record_batch);
                 EventBatch events = numbered_events(batch);
                 nb::gil_scoped_release unlocked;
                 sizes.learn(events);
             },
             "batch"_a)
        .def("close", &RecordedSizes::close, "Nothing more to learn.");
    module.def("lacks_size",
               [](nb::handle record_batch) {
                   ArrowBatch batch(record_batch);
                   EventBatch events = numbered_events(batch);
                   nb::gil_scoped_release unlocked;
                   return lacks_size(events);
               },
               "batch"_a,
               "Whether some store of the batch has no size.");
    nb::class_<FutureLoads>(module, "FutureLoads", "When each page of a trace will be loaded next.")
        .def(nb::init<>())
        .def("learn", [](FutureLoads& loads, nb::handle batch) { loads.learn(event_batch(ArrowBatch(batch))); }, "batch"_a)
        .def("reserve", &FutureLoads::reserve, "rows"_a)
        .def("close", &FutureLoads::close, "Nothing more to learn.")
        .def("next_load", &FutureLoads::next_load, "row"_a, "Row of the next load of the page stored in a row; 2^32 - 1: none.");
    nb::class_<CallBatch>(module, "Calls", "What stores did before their rows, of one batch.");
    nb::class_<CallsAhead>(module, "CallsAhead", "Calls of stores that stand before their rows.")
        .def(nb::init<>())
        .def("add", [](CallsAhead& calls, nb::handle batch) { calls.add(event_batch(ArrowBatch(batch))); }, "batch"_a,
             "The next batch of the trace.")
        .def("take_before",
             [](CallsAhead& calls, int64_t row) { return std::make_unique<CallBatch>(CallBatch{calls.take_before(row)}); }, "row"_a,
             "Those that stand before the row, in their order.");
    nb::class_<HeldBatch>(module, "DecodedBatch", "A record batch of events, decoded once for all that replay it.")
        .def(nb::init<nb::object>(), "batch"_a)
        .def_ro("batch", &HeldBatch::batch)
        .def_prop_ro("num_rows", [](const HeldBatch& held) { return held.decoded.batch.rows; });
    nb::class_<Replay>(module, "Replay", "One replay; see zreplay/core/replay/replay.hpp.")
        .def_static("make", &make, "recorded_sizes"_a = nb::none(), "future_loads"_a = nb::none(), "settings"_a)
        .def("check", &Replay::check, "CheckFailed if an assertion does not hold.")
        .def("index_root", [](const Replay& replay, uint32_t type) { return reinterpret_cast<uint64_t>(replay.index_root(type)); },
             "type"_a, "Where the type's tree begins, laid out as the kernel's.")
        .def("mm_root", [](const Replay& replay, uint32_t type) { return reinterpret_cast<uint64_t>(replay.mm_root(type)); },
             "type"_a, "Likewise of the memory manager's index; 0: there is none.")
        .def("feed",
             [](Replay& replay, const HeldBatch& batch, const CallBatch* calls) {
                 const Unlocked unlocked;
                 replay.feed(batch.decoded, calls_of(calls));
             },
             "batch"_a, "calls"_a = nb::none())
        .def("feed",
             [](Replay& replay, nb::object record_batch, const CallBatch* calls) {
                 const HeldBatch batch(record_batch);
                 const Unlocked unlocked;
                 replay.feed(batch.decoded, calls_of(calls));
             },
             "batch"_a, "calls"_a = nb::none())
        .def("finish", &Replay::finish, nb::call_guard<Unlocked>())
        .def("counters", &counters)
        .def("operations", &operations)
        .def("take_timeline", &timeline, nb::call_guard<nb::gil_scoped_release>())
        .def("take_classes", &classes, nb::call_guard<nb::gil_scoped_release>())
        .def("take_observations", &observations, nb::call_guard<nb::gil_scoped_release>())
        .def_prop_ro("samples_waiting", &Replay::samples_waiting);
}

}  // namespace zreplay
