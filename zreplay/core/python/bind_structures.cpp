#include "module.hpp"

namespace zreplay {

void bind_structures(nanobind::module_&) {}

}  // namespace zreplay
