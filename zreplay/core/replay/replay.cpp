#include "replay/replay.hpp"

#include <stdexcept>

#include "mm/registry.hpp"
#include "replay/crash.hpp"
#include "replay/models.hpp"

namespace zreplay {

std::vector<OperationRow> Replay::operations() const {
    std::vector<OperationRow> rows;
    for (size_t i = 0; i < op_count; ++i)
        rows.push_back({static_cast<Op>(i), op_counts_[i], costs_[i], mm_costs_[i], &durations_[i]});
    return rows;
}

namespace {

struct ModelKind {
    std::string_view model, kernel, mm;
    std::unique_ptr<Replay> (*make)(const ReplayConfig&);
};

// Of mm "*": whatever is in mm/registry.hpp.
constexpr ModelKind kinds[] = {
    {"zswap", "3.12", "pool-lru", replay_zswap_3_12},   {"zswap", "3.12", "inactive-lru", replay_zswap_two_index},
    {"zswap", "6.1", "pool-lru", replay_zswap_6_1},     {"zswap", "latest", "entry-lru", replay_zswap_folio},
    {"zswap", "6.12", "entry-lru", replay_zswap_folio}, {"zswap", "6.12", "*", replay_zswap_ordered},
    {"zswap", "latest", "*", replay_zswap_ordered},     {"zram", "6.1", "none", replay_zram},
    {"zram", "6.12", "none", replay_zram},              {"zram", "latest", "none", replay_zram},
};

bool is(const ModelKind& kind, const ReplayConfig& config) {
    if (kind.model != config.model || kind.kernel != config.kernel) return false;
    if (kind.mm == "*") return find_order_kind(config.mm) != nullptr;
    return config.mm.empty() || kind.mm == config.mm;
}

}  // namespace

std::unique_ptr<Replay> Replay::make(const ReplayConfig& config) {
    static const Counters none;
    const UnderWay making(none);  // a plugin's create() is part of it
    std::string known;
    for (const ModelKind& kind : kinds) {
        if (is(kind, config)) return kind.make(config);
        known += (known.empty() ? "" : ", ") + std::string(kind.model) + " " + std::string(kind.kernel) + " " + std::string(kind.mm);
    }
    throw std::invalid_argument("no model '" + config.model + " " + config.kernel + " " + config.mm + "'; there are " + known);
}

}  // namespace zreplay
