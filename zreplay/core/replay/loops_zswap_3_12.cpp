#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_3_12.hpp"

namespace zreplay {

std::unique_ptr<Replay> replay_zswap_3_12(const ReplayConfig& config) { return loop_over<Zswap312>(config); }

}  // namespace zreplay
