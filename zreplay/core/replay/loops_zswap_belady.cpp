#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_latest.hpp"

namespace zreplay {

namespace {
template <Pool P>
using ZswapBelady = ZswapLatest<P, Belady>;
}

std::unique_ptr<Replay> replay_zswap_belady(const ReplayConfig& config) { return loop_over<ZswapBelady>(config); }

}  // namespace zreplay
