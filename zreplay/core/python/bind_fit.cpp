// Counting a trace for a recipe, and drawing rows of one.
#include <nanobind/stl/array.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "converted.hpp"
#include "event_batch.hpp"
#include "module.hpp"
#include "trace/fit.hpp"
#include "trace/fitted_synth.hpp"

namespace zreplay {

namespace nb = nanobind;

namespace {

nb::dict words_of(const RowKind& kind) {
    nb::dict row;
    row["op"] = nb::str(op_names[static_cast<size_t>(kind.op)].data());
    row["of"] = nb::str(place_names[static_cast<size_t>(kind.from)].data());
    row["to"] = nb::str(place_names[static_cast<size_t>(kind.to)].data());
    if (kind.result != RowKind::no_result) row["result"] = kind.result;
    if (kind.asked_by != RowKind::nobody) row["asked_by"] = kind.asked_by;
    row["sized"] = kind.sized;
    row["takes"] = kind.takes;
    return row;
}

template <size_t N>
size_t number_of(const std::array<std::string_view, N>& words, nb::handle word) {
    const std::string text = converted<std::string>(word);
    for (size_t i = 0; i < N; ++i)
        if (words[i] == text) return i;
    throw nb::value_error(("unknown word '" + text + "'").c_str());
}

RowKind kind_of(nb::dict row) {
    RowKind kind;
    kind.op = static_cast<Op>(number_of(op_names, row["op"]));
    kind.from = static_cast<SlotPlace>(number_of(place_names, row["of"]));
    kind.to = static_cast<SlotPlace>(number_of(place_names, row["to"]));
    if (row.contains("result")) kind.result = nb::cast<int32_t>(row["result"]);
    if (row.contains("asked_by")) kind.asked_by = nb::cast<uint8_t>(row["asked_by"]);
    kind.sized = nb::cast<bool>(row["sized"]);
    kind.takes = nb::cast<bool>(row["takes"]);
    return kind;
}

FittedRecipe recipe_of(nb::dict tables) {
    FittedRecipe recipe;
    for (nb::handle item : nb::cast<nb::list>(tables["kinds"])) {
        const auto given = nb::cast<nb::dict>(item);
        recipe.kinds.push_back({
            .row = kind_of(given),
            .rows = converted<std::vector<uint64_t>>(given["rows"]),
            .runs = converted<std::vector<uint64_t>>(given["runs"]),
            .follows = converted<std::vector<uint32_t>>(given["follows"]),
            .ahead = converted<std::vector<uint32_t>>(given["ahead"]),
            .back = converted<std::vector<uint32_t>>(given["back"]),
            .ahead_over_gap = nb::cast<uint32_t>(given["ahead_over_gap"]),
            .back_over_gap = nb::cast<uint32_t>(given["back_over_gap"]),
            .next = converted<std::vector<uint32_t>>(given["next"]),
            .close = converted<std::vector<uint32_t>>(given["close"]),
            .returns = converted<std::vector<uint32_t>>(given["returns"]),
            .near = converted<std::vector<uint32_t>>(given["near"]),
            .close_back = converted<std::vector<uint32_t>>(given["close_back"]),
            .return_back = converted<std::vector<uint32_t>>(given["return_back"]),
            .near_back = converted<std::vector<uint32_t>>(given["near_back"]),
            .edges = converted<std::vector<uint32_t>>(given["edges"]),
            .whole_rows = nb::cast<uint32_t>(given["whole_rows"]),
            .size_weights = nb::cast<std::array<uint32_t, weight_groups>>(given["size_weights"]),
            .close_distances = converted<std::vector<uint32_t>>(given["close_distances"]),
            .return_distances = converted<std::vector<uint32_t>>(given["return_distances"]),
            .distances = converted<std::vector<uint32_t>>(given["distances"]),
            .rank = converted<std::vector<std::vector<uint32_t>>>(given["rank"]),
            .resized = nb::cast<std::array<std::array<uint32_t, size_outcomes>, weight_groups>>(given["resized"]),
            .sizes = converted<std::vector<uint32_t>>(given["sizes"]),
        });
    }
    recipe.sizes = converted<std::vector<uint32_t>>(tables["sizes"]);
    recipe.size_shares = converted<std::vector<uint32_t>>(tables["size_shares"]);
    recipe.size_ranks = converted<std::vector<std::vector<uint32_t>>>(tables["size_ranks"]);
    recipe.pool_groups = converted<std::vector<uint64_t>>(tables["pool_groups"]);
    recipe.swapped_sizes = converted<std::vector<std::array<uint32_t, weight_groups>>>(tables["swapped_sizes"]);
    recipe.alike = nb::cast<std::array<uint32_t, 3>>(tables["alike"]);
    recipe.phases = static_cast<uint32_t>(recipe.size_ranks.size());
    recipe.steps = nb::cast<uint32_t>(tables["steps"]);
    recipe.parts = nb::cast<uint32_t>(tables["parts"]);
    recipe.area_slots = nb::cast<uint64_t>(tables["area_slots"]);
    recipe.types = nb::cast<uint32_t>(tables["types"]);
    recipe.cpus = nb::cast<uint32_t>(tables["cpus"]);
    recipe.cpu_changes = nb::cast<uint32_t>(tables["cpu_changes"]);
    const std::string search = converted<std::string>(tables["search"]);
    recipe.search = search == "scan"            ? SlotSearch::scan
                    : search == "clusters_6_12" ? SlotSearch::clusters_6_12
                                                : SlotSearch::clusters_6_1;
    recipe.seed = nb::cast<uint64_t>(tables["seed"]);
    return recipe;
}

ColumnsOut columns(const std::shared_ptr<const FittedBatch>& batch) {
    ColumnsOut out;
    const size_t rows = batch->rows;
    out.add_shared("ts_ns", "l", batch, batch->ts_ns, rows);
    out.add_shared("op", "c", batch, batch->op, rows);
    out.add_shared("type", "C", batch, batch->type, rows, batch->has_type, rows - batch->types);
    out.add_shared("offset", "L", batch, batch->offset, rows, batch->has_slot, rows - batch->slots);
    out.add_shared("size", "I", batch, batch->size, rows, batch->has_size, rows - batch->sizes);
    out.add_shared("cpu", "S", batch, batch->cpu, rows);
    out.add_shared("result", "i", batch, batch->result, rows, batch->has_result, rows - batch->results);
    out.add_shared("call_rows", "I", batch, batch->call_rows, rows, batch->has_call_rows, rows - batch->calls);
    out.add_shared("asked_by", "c", batch, batch->asked_by, rows, batch->has_asked_by, rows - batch->asked);
    return out;
}

nb::dict counted(const Fit& fit, size_t kind, uint32_t phase) {
    const Fit::Counts& counts = fit.counts(kind, phase);
    nb::dict out;
    out["rows"] = counts.rows;
    auto beside = [&out](const char* name, const std::array<Fit::Counts::Beside, 2>& sides) {
        out[name] = std::array<uint64_t, 4>{sides[0].found, sides[0].taken, sides[1].found, sides[1].taken};
    };
    beside("ahead", counts.ahead);
    beside("back", counts.back);
    out["jumps"] = counts.jumps;
    out["next"] = counts.next;
    out["close"] = counts.close;
    out["close_back"] = counts.close_back;
    out["close_distances"] = std::vector<uint32_t>(counts.close_distances.begin(), counts.close_distances.end());
    out["returns"] = counts.returns;
    out["return_back"] = counts.return_back;
    out["return_distances"] = std::vector<uint32_t>(counts.return_distances.begin(), counts.return_distances.end());
    out["near"] = counts.near;
    out["resized"] = counts.resized;
    out["edges"] = counts.edges;
    out["edges_by_chance"] = counts.edges_by_chance;
    out["crumbs"] = counts.crumbs;
    out["sized"] = counts.sized;
    out["sized_by_chance"] = counts.sized_by_chance;
    out["crumbs_by_chance"] = counts.crumbs_by_chance;
    out["near_back"] = counts.near_back;
    out["distances"] = std::vector<uint32_t>(counts.distances.begin(), counts.distances.end());
    out["ranks"] = std::vector<uint32_t>(counts.ranks.begin(), counts.ranks.end());
    return out;
}

}  // namespace

void bind_fit(nb::module_& module) {
    nb::class_<Fit>(module, "Fit", "Counts a trace of so many rows, in so many phases.")
        .def(nb::init<uint64_t, uint32_t, uint32_t, const Fit*>(), nb::arg("rows"), nb::arg("phases"), nb::arg("steps"),
             nb::arg("counted").none() = nb::none(), nb::keep_alive<1, 5>())
        .def(
            "add",
            [](Fit& fit, nb::handle batch) {
                ArrowBatch arrow(batch);
                EventBatch rows = numbered_events(arrow);
                nb::gil_scoped_release unlocked;
                fit.add(rows);
            },
            nb::arg("batch"))
        .def("kinds",
             [](const Fit& fit) {
                 nb::list out;
                 for (const RowKind& kind : fit.kinds()) out.append(words_of(kind));
                 return out;
             })
        .def("counts", &counted, nb::arg("kind"), nb::arg("phase"))
        .def(
            "step",
            [](const Fit& fit, size_t kind, uint32_t step) {
                return std::array<uint64_t, 2>{fit.step(kind, step).rows, fit.step(kind, step).runs};
            },
            nb::arg("kind"), nb::arg("step"), "Rows and runs.")
        .def("follows", &Fit::follows, nb::arg("first"), nb::arg("second"),
             "Runs of the second kind right behind one of the first.")
        .def("pool_groups", &Fit::pool_groups, nb::arg("step"), "Groups of 64 slots of which any is in the pool at its end.")
        .def("swapped_sizes", &Fit::swapped_sizes, nb::arg("step"), "Slots swapped out at its end, by the group of their sizes.")
        .def("sizes", &Fit::sizes, nb::arg("phase"))
        .def("refused_sizes", &Fit::refused_sizes, nb::arg("kind"))
        .def_ro("cpu_rows", &Fit::cpu_rows)
        .def_ro("cpu_changes", &Fit::cpu_changes)
        .def_ro("types", &Fit::types)
        .def_ro("pairs", &Fit::pairs)
        .def_ro("alike", &Fit::alike)
        .def_ro("first_slot", &Fit::first_slot)
        .def_ro("last_slot", &Fit::last_slot)
        .def_ro("rows", &Fit::rows)
        .def_ro("kinds_left_out", &Fit::kinds_left_out)
        .def_prop_ro_static("coarse_bins", [](nb::handle) { return Fit::coarse_bins; })
        .def_prop_ro_static("fine_bins", [](nb::handle) { return Fit::fine_bins; });
    nb::class_<FittedSynth>(module, "FittedSynth", "Rows of a fitted recipe.")
        .def(nb::new_([](nb::dict tables) { return new FittedSynth(recipe_of(tables)); }), nb::arg("tables"))
        .def("next",
             [](FittedSynth& synth, size_t rows) {
                 std::shared_ptr<const FittedBatch> batch;
                 {
                     nb::gil_scoped_release unlocked;
                     batch = synth.next(rows);
                 }
                 return columns(batch);
             },
             nb::arg("rows"), "The next rows, as columns; `op` and `asked_by` are numbers of the format's words.");
}

}  // namespace zreplay
