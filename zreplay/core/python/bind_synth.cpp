#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrow.hpp"
#include "converted.hpp"
#include "module.hpp"
#include "trace/swap_slots.hpp"
#include "trace/synth.hpp"
#include "trace/workload.hpp"

namespace zreplay {

namespace nb = nanobind;

namespace {

template <class T>
T field(nb::handle recipe, const char* name) {
    return nb::cast<T>(recipe.attr(name));
}

// `recipe` is zreplay.trace.synth.Recipe, which has validated itself.
SynthRecipe recipe_from(nb::handle recipe, nb::sequence size_weights) {
    SynthRecipe made{
        .pattern = nb::str(recipe.attr("pattern")).c_str(),
        .seed = field<uint64_t>(recipe, "seed"),
        .resident = field<uint32_t>(recipe, "resident"),
        .types = field<uint32_t>(recipe, "types"),
        .cpus = field<uint32_t>(recipe, "cpus"),
        .load_share = field<double>(recipe, "load_share"),
        .rewrite_share = field<double>(recipe, "rewrite_share"),
        .same_filled = field<double>(recipe, "same_filled"),
        .compact_every = field<uint64_t>(recipe, "compact_every"),
        .migrate_every = field<uint64_t>(recipe, "migrate_every"),
    };
    for (nb::handle weight : size_weights) made.size_weights.push_back(nb::cast<uint64_t>(weight));
    return made;
}

ColumnsOut columns(const std::shared_ptr<const SynthBatch>& batch) {
    const SynthBatch& b = *batch;
    ColumnsOut out;
    out.add_shared("ts_ns", "l", batch, b.ts_ns, b.rows);
    out.add_shared("op", "c", batch, b.op, b.rows);
    bool own_types = !b.has_type.empty();
    out.add_shared("type", "C", batch, b.type, b.rows, own_types ? b.has_type : b.has_slot, own_types ? b.without_type : b.without_slot);
    out.add_shared("offset", "L", batch, b.offset, b.rows, b.has_slot, b.without_slot);
    out.add_shared("size", "I", batch, b.size, b.rows, b.has_size, b.without_size);
    out.add_shared("cpu", "S", batch, b.cpu, b.rows);
    if (!b.cgroup.empty()) out.add_shared("cgroup", "L", batch, b.cgroup, b.rows, b.has_cgroup, b.without_cgroup);
    return out;
}

// ---- Workloads: dictionaries that zreplay.trace.recipes.workload makes of a recipe that has validated itself ----

template <class T>
T value(nb::handle table, const char* key) {
    return converted<T>(table[key]);
}

SlotSearch slot_search(const std::string& name) {
    if (name == "clusters_6_1") return SlotSearch::clusters_6_1;
    if (name == "clusters_6_12") return SlotSearch::clusters_6_12;
    if (name == "scan") return SlotSearch::scan;
    throw std::invalid_argument("search: found " + name + ", expected clusters_6_1, clusters_6_12 or scan");
}

SwapSlotsOptions areas_from(nb::handle table) {
    return {
        .types = value<uint32_t>(table, "types"),
        .area_pages = value<uint32_t>(table, "area_pages"),
        .cluster_slots = value<uint32_t>(table, "cluster_slots"),
        .search = slot_search(value<std::string>(table, "search")),
        .cpus = value<uint32_t>(table, "cpus"),
        .caches = value<bool>(table, "caches"),
    };
}

WorkloadProcess process_from(nb::handle table) {
    return {
        .pages = value<uint32_t>(table, "pages"),
        .new_share = value<double>(table, "new_share"),
        .write_share = value<double>(table, "write_share"),
        .zipf = value<double>(table, "zipf"),
        .uniform = value<double>(table, "uniform"),
        .loop = value<double>(table, "loop"),
        .dirtied = value<double>(table, "dirtied"),
        .exits = value<double>(table, "exits"),
        .fork_of = table["fork_of"].is_none() ? WorkloadProcess::nobody : value<uint32_t>(table, "fork_of"),
        .cgroup = value<uint64_t>(table, "cgroup"),
        .own_area_pages = value<uint32_t>(table, "own_area_pages"),
        .sizes = value<uint32_t>(table, "sizes"),
        .same_filled = value<double>(table, "same_filled"),
    };
}

WorkloadPhase phase_from(nb::handle table) {
    auto order = value<std::string>(table, "order");
    return {
        .events = value<uint64_t>(table, "events"),
        .slice_events = value<uint64_t>(table, "slice_events"),
        .processes = value<std::vector<uint32_t>>(table, "processes"),
        .at_once = value<uint32_t>(table, "at_once"),
        .order = order == "cycle"     ? WorkloadPhase::Order::cycle
                 : order == "uniform" ? WorkloadPhase::Order::uniform
                                      : WorkloadPhase::Order::zipf,
        .burst_pages = value<uint32_t>(table, "burst_pages"),
    };
}

WorkloadRecipe workload_from(nb::handle table) {
    WorkloadRecipe made{
        .seed = value<uint64_t>(table, "seed"),
        .exclusive_loads = value<bool>(table, "exclusive_loads"),
        .memory_pages = value<uint32_t>(table, "memory_pages"),
        .areas = areas_from(table["areas"]),
        .mean_gap_ns = value<uint32_t>(table, "mean_gap_ns"),
        .compact_every = value<uint64_t>(table, "compact_every"),
        .migrate_every = value<uint64_t>(table, "migrate_every"),
        .cma_every = value<uint64_t>(table, "cma_every"),
        .cma_pages = value<uint32_t>(table, "cma_pages"),
        .size_weights = value<std::vector<std::vector<uint64_t>>>(table, "size_weights"),
    };
    for (nb::handle process : table["processes"]) made.processes.push_back(process_from(process));
    for (nb::handle phase : table["phases"]) made.phases.push_back(phase_from(phase));
    return made;
}

// For tests: slots as a CPU gets and returns them.
struct SlotsOfTest {
    Random random;
    SwapSlots slots;

    SlotsOfTest(nb::handle areas, uint64_t seed) : random(seed), slots(areas_from(areas), random) {}
    std::pair<uint32_t, uint32_t> allocate(uint32_t cpu) {
        uint32_t slot = slots.allocate(cpu);
        return {Slot::type(slot), Slot::offset(slot)};
    }
    std::vector<std::pair<uint32_t, uint32_t>> free(uint32_t cpu, uint32_t type, uint32_t offset) {
        std::vector<std::pair<uint32_t, uint32_t>> returned;
        slots.free(cpu, Slot::word(type, offset), [&](uint32_t slot) { returned.emplace_back(Slot::type(slot), Slot::offset(slot)); });
        return returned;
    }
};

}  // namespace

void bind_synth(nb::module_& module) {
    nb::class_<Synth>(module, "Synth", "An endless stream of swap events made by a recipe.")
        .def(nb::new_([](nb::handle recipe, nb::sequence size_weights) {
                 return make_synth(recipe_from(recipe, size_weights));
             }),
             nb::arg("recipe"), nb::arg("size_weights"))
        .def("next",
             [](Synth& synth, size_t rows) {
                 nb::gil_scoped_release unlocked;
                 return columns(synth.next(rows));
             },
             nb::arg("rows"), "The next rows, as columns; `op` is an index into the words of trace format v1.");
    module.def("workload", [](nb::dict recipe) { return make_workload(workload_from(recipe)); }, nb::arg("recipe"),
               "The events of a workload; the recipe is zreplay.trace.recipes.workload's.");
    nb::class_<SlotsOfTest>(module, "SwapSlots", "Areas of swap and each CPU's caches of slots.")
        .def(nb::init<nb::handle, uint64_t>(), nb::arg("areas"), nb::arg("seed") = 0)
        .def("allocate", &SlotsOfTest::allocate, nb::arg("cpu"), "Type and offset; offset 0 if no slot is free.")
        .def("free", &SlotsOfTest::free, nb::arg("cpu"), nb::arg("type"), nb::arg("offset"),
             "Which slots went back to their areas, in order.");
    module.def("synth_draws",
               [](uint64_t seed, size_t count) {
                   Random random(seed);
                   nb::list drawn;
                   for (size_t i = 0; i < count; ++i) drawn.append(random.next());
                   return drawn;
               },
               nb::arg("seed"), nb::arg("count"), "The first words of the generator's random stream.");
}

}  // namespace zreplay
