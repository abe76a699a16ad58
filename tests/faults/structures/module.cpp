// Swap indexes, pools and the ring buffer, by themselves, as tests/core calls them.
#include "python/module.hpp"

#include "types.hpp"

NB_MODULE(_zreplay, module) {
    nanobind::exception<zreplay::CheckFailed>(module, "CheckFailed", PyExc_AssertionError);
    zreplay::bind_arrow(module);
    zreplay::bind_indexes(module);
    zreplay::bind_pools(module);
    zreplay::bind_ring(module);
}
