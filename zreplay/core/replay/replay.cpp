#include "replay/replay.hpp"

#include <stdexcept>

#include "pool/registry.hpp"
#include "replay/loop.hpp"
#include "swap/zswap_6_1.hpp"

namespace zreplay {

std::vector<OperationRow> Replay::operations() const {
    std::vector<OperationRow> rows;
    for (size_t i = 0; i < op_count; ++i)
        rows.push_back({static_cast<Op>(i), op_counts_[i], costs_[i], &durations_[i]});
    return rows;
}

std::unique_ptr<Replay> Replay::make(const ReplayConfig& config) {
    if (config.kernel != "6.1") throw std::invalid_argument("no kernel profile '" + config.kernel + "'; there is 6.1");
    return with_pool(config.pool, [&]<class P>(std::type_identity<P>) -> std::unique_ptr<Replay> {
        return std::make_unique<Loop<Zswap61, P>>(config);
    });
}

}  // namespace zreplay
