#include "mm/lru.hpp"
#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_folio.hpp"

namespace zreplay {

namespace {
template <Pool P>
using ZswapLru = ZswapFolio<P, Lru>;
}

std::unique_ptr<Replay> replay_zswap_lru(const ReplayConfig& config) { return loop_over<ZswapLru>(config); }

}  // namespace zreplay
