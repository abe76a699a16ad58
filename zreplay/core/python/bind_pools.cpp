#include "module.hpp"

namespace zreplay {

void bind_pools(nanobind::module_&) {}

}  // namespace zreplay
