#include "module.hpp"

namespace zreplay {

void bind_synth(nanobind::module_&) {}

}  // namespace zreplay
