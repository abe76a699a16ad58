#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zram.hpp"

namespace zreplay {

std::unique_ptr<Replay> replay_zram(const ReplayConfig& config) { return loop_over<Zram>(config); }

}  // namespace zreplay
