#include "replay/loop.hpp"
#include "replay/models.hpp"
#include "swap/zswap_two_index.hpp"

namespace zreplay {

// The memory manager reclaims pages, so only a pool whose page can be emptied by itself will do (kernel-model 7.10).
std::unique_ptr<Replay> replay_zswap_two_index(const ReplayConfig& config) {
    if (config.pool != Zbud::name)
        throw std::invalid_argument("reclaim by page of pool '" + config.pool + "', expected zbud");
    return std::make_unique<Loop<ZswapTwoIndex, Zbud>>(config);
}

}  // namespace zreplay
