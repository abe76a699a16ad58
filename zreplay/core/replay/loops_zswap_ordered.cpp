#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_folio.hpp"

namespace zreplay {

namespace {
template <Pool P>
using ZswapOrdered = ZswapFolio<P, VirtualOrder>;
}

std::unique_ptr<Replay> replay_zswap_ordered(const ReplayConfig& config) {
    if (find_order_kind(config.mm)->knows_the_future && !config.future_loads)
        throw std::invalid_argument("mm '" + config.mm + "' without future_loads, expected those of the trace");
    return loop_over<ZswapOrdered>(config);
}

}  // namespace zreplay
