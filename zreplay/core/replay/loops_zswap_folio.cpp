#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_folio.hpp"

namespace zreplay {

namespace {
template <Pool P>
using WithLruOfEntries = ZswapFolio<P>;
}

std::unique_ptr<Replay> replay_zswap_folio(const ReplayConfig& config) { return loop_over<WithLruOfEntries>(config); }

}  // namespace zreplay
