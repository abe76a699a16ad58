#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_6_1.hpp"

namespace zreplay {

std::unique_ptr<Replay> replay_zswap_6_1(const ReplayConfig& config) { return loop_over<Zswap61>(config); }

}  // namespace zreplay
