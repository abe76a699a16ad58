// What two traces are compared by.
#include <nanobind/stl/array.h>
#include <nanobind/stl/vector.h>

#include "event_batch.hpp"
#include "module.hpp"
#include "trace/portrait.hpp"

namespace zreplay {

namespace nb = nanobind;

void bind_portrait(nb::module_& module) {
    auto counts = [](Binned Portrait::*binned) {
        return [binned](const Portrait& portrait) { return (portrait.*binned).counts(); };
    };
    nb::class_<Portrait>(module, "Portrait", "Counts what two traces are compared by, of one of so many rows.")
        .def(nb::init<uint64_t>(), nb::arg("rows"))
        .def("add",
             [](Portrait& portrait, nb::handle batch) {
                 ArrowBatch arrow(batch);
                 EventBatch rows = numbered_events(arrow);
                 nb::gil_scoped_release unlocked;
                 portrait.add(rows);
             },
             nb::arg("batch"))
        .def("end", &Portrait::end)
        .def_ro("ops", &Portrait::ops)
        .def_ro("sizes", &Portrait::sizes)
        .def_ro("sizes_ages", &Portrait::sizes_ages)
        .def_ro("resident", &Portrait::resident)
        .def_prop_ro("ages", counts(&Portrait::ages))
        .def_prop_ro("reuses", counts(&Portrait::reuses))
        .def_prop_ro("store_runs", counts(&Portrait::store_runs))
        .def_prop_ro("free_runs", counts(&Portrait::free_runs))
        .def_prop_ro("store_steps", counts(&Portrait::store_steps))
        .def_prop_ro("free_steps", counts(&Portrait::free_steps))
        .def_prop_ro_static("age_bins", [](nb::handle) { return Portrait::age_bins; })
        .def_static("least_of", [](uint32_t bin) { return Binned::least_of(bin); }, nb::arg("bin"), "The least number of a bin.");
}

}  // namespace zreplay
