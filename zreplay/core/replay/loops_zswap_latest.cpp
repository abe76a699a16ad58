#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_latest.hpp"

namespace zreplay {

namespace {
template <Pool P>
using WithLruOfEntries = ZswapLatest<P>;
}

std::unique_ptr<Replay> replay_zswap_latest(const ReplayConfig& config) { return loop_over<WithLruOfEntries>(config); }

}  // namespace zreplay
