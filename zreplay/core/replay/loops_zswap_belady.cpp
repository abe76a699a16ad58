#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_folio.hpp"

namespace zreplay {

namespace {
template <Pool P>
using ZswapBelady = ZswapFolio<P, Belady>;
}

std::unique_ptr<Replay> replay_zswap_belady(const ReplayConfig& config) {
    if (!config.future_loads) throw std::invalid_argument("mm 'belady' without future_loads, expected those of the trace");
    return loop_over<ZswapBelady>(config);
}

}  // namespace zreplay
