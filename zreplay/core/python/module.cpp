// The only place that knows about Python: one bind_… function per part of the core.
#include "module.hpp"

#include "types.hpp"

NB_MODULE(_zreplay, module) {
    module.doc() = "The replay engine of zreplay.";
#ifdef __clang__
    module.attr("compiler") = __VERSION__;
#else
    module.attr("compiler") = "GCC " __VERSION__;
#endif
    nanobind::exception<zreplay::CheckFailed>(module, "CheckFailed", PyExc_AssertionError);
    zreplay::bind_arrow(module);
    zreplay::bind_replay(module);
    zreplay::bind_ring(module);
    zreplay::bind_trace(module);
    zreplay::bind_synth(module);
    zreplay::bind_indexes(module);
    zreplay::bind_pools(module);
}
