// What --verify puts beside a swap index, a pool or a reclaim order: the slow and obvious one, or books of what there is. Each answer is
// compared as it is given, and one that differs is the plugin's failure (PluginFailed) or, of what is built in, a bug of zreplay
// (CheckFailed). Decisions and costs stay those of what is verified, so that a replay comes to the same.
#pragma once

#include <memory>
#include <string>

#include "index/index.hpp"
#include "mm/virtual_order.hpp"
#include "pool/virtual_pool.hpp"

namespace zreplay {

std::unique_ptr<SwapIndex> verified(std::unique_ptr<SwapIndex> index, const std::string& name);
std::unique_ptr<PoolInterface> verified(std::unique_ptr<PoolInterface> pool, const std::string& name);
std::unique_ptr<OrderInterface> verified(std::unique_ptr<OrderInterface> order, const std::string& name);

// The last that is asked of a verified index: everything is erased, on nobody's account, and nothing may be left.
void erase_all(SwapIndex& verified);

}  // namespace zreplay
