// The models of swap there are. To add one: write its file in swap/, a loops_*.cpp here, its line in replay.cpp, and its
// profile in zreplay/replay/profiles.py.
#pragma once

#include <memory>

#include "replay/replay.hpp"

namespace zreplay {

std::unique_ptr<Replay> replay_zswap_3_12(const ReplayConfig& config);
std::unique_ptr<Replay> replay_zswap_6_1(const ReplayConfig& config);
std::unique_ptr<Replay> replay_zswap_folio(const ReplayConfig& config);
std::unique_ptr<Replay> replay_zswap_two_index(const ReplayConfig& config);
// As folio, with a reclaim order of mm/registry.hpp.
std::unique_ptr<Replay> replay_zswap_ordered(const ReplayConfig& config);
std::unique_ptr<Replay> replay_zram(const ReplayConfig& config);

}  // namespace zreplay
