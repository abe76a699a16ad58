#include <nanobind/stl/unique_ptr.h>

#include "arrow.hpp"
#include "module.hpp"
#include "trace/synth.hpp"

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
    ColumnsOut out;
    out.add_shared("ts_ns", "l", batch, batch->ts_ns);
    out.add_shared("op", "c", batch, batch->op);
    out.add_shared("type", "C", batch, batch->type, batch->has_slot, batch->without_slot);
    out.add_shared("offset", "L", batch, batch->offset, batch->has_slot, batch->without_slot);
    out.add_shared("size", "I", batch, batch->size, batch->has_size, batch->without_size);
    out.add_shared("cpu", "S", batch, batch->cpu);
    return out;
}

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
