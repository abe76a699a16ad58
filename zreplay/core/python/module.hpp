#pragma once

#include <nanobind/nanobind.h>

namespace zreplay {

void bind_arrow(nanobind::module_& module);       // columns handed to Python
void bind_plugin(nanobind::module_& module);
void bind_conformance(nanobind::module_& module); // does a plugin do what it should
void bind_replay(nanobind::module_& module);      // whole replays
void bind_curve(nanobind::module_& module);      // every limit of a trace
void bind_ring(nanobind::module_& module);        // a kernel being recorded
void bind_pages(nanobind::module_& module);       // a Parquet file before it is decoded
void bind_trace(nanobind::module_& module);       // text importers
void bind_sample(nanobind::module_& module);      // some slots of a trace
void bind_synth(nanobind::module_& module);       // the generator
void bind_fit(nanobind::module_& module);         // recipes fitted to a trace
void bind_portrait(nanobind::module_& module);    // what two traces are compared by
void bind_indexes(nanobind::module_& module);     // single swap indexes, for tests and experiments
void bind_pools(nanobind::module_& module);       // single pools, likewise

}  // namespace zreplay
