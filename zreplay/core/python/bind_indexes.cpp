#include "module.hpp"

namespace zreplay {

void bind_indexes(nanobind::module_&) {}

}  // namespace zreplay
