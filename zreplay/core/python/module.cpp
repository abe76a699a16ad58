// The only place that knows about Python: one bind_… function per part of the core.
#include "module.hpp"

#include "counted.hpp"
#include "heap.hpp"
#include "types.hpp"

NB_MODULE(_zreplay, module) {
    module.doc() = "The replay engine of zreplay.";
    // Threads that an interrupt leaves behind have a replay in their hands when the process ends: no mistake to tell a user.
    nanobind::set_leak_warnings(false);
#ifdef __clang__
    module.attr("compiler") = __VERSION__;
#else
    module.attr("compiler") = "GCC " __VERSION__;
#endif
    module.def(
        "keep_freed_memory",
        [] {
            zreplay::keep_freed_memory();
            zreplay::populate_heap();
        },
        "Have the process's allocator keep what is freed, for the rest of the process, and some memory to begin with.");
#ifdef ZREPLAY_COUNTED
    nanobind::module_ os = nanobind::module_::import_("os");
    os.attr("_exit") = nanobind::cpp_function([leave = nanobind::object(os.attr("_exit"))](int code) {
        zreplay::write_counts();
        leave(code);
    });
#endif
    nanobind::exception<zreplay::CheckFailed>(module, "CheckFailed", PyExc_AssertionError);
    nanobind::exception<zreplay::NoFreeSlot>(module, "NoFreeSlot", PyExc_RuntimeError);
    zreplay::bind_arrow(module);
    zreplay::bind_plugin(module);
    zreplay::bind_conformance(module);
    zreplay::bind_replay(module);
    zreplay::bind_curve(module);
    zreplay::bind_ring(module);
    zreplay::bind_pages(module);
    zreplay::bind_trace(module);
    zreplay::bind_sample(module);
    zreplay::bind_synth(module);
    zreplay::bind_fit(module);
    zreplay::bind_portrait(module);
    zreplay::bind_indexes(module);
    zreplay::bind_pools(module);
}
