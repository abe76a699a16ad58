#include "module.hpp"

namespace zreplay {

void bind_trace(nanobind::module_&) {}

}  // namespace zreplay
