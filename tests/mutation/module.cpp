// The part of the engine whose mutants are looked for: swap indexes and pools, by themselves, as the tests call them.
#include "python/module.hpp"

#include "switch.hpp"
#include "types.hpp"

extern "C" {
__attribute__((visibility("default"))) int mutation_active = 0;
__attribute__((visibility("default"))) unsigned char mutation_reached[mutation::most] = {};
__attribute__((visibility("default"))) unsigned char mutation_invalid[mutation::most] = {};
}

NB_MODULE(_zreplay, module) {
    module.attr("compiler") = "GCC " __VERSION__;
    nanobind::exception<zreplay::CheckFailed>(module, "CheckFailed", PyExc_AssertionError);
    zreplay::bind_arrow(module);
    zreplay::bind_indexes(module);
    zreplay::bind_pools(module);
}
