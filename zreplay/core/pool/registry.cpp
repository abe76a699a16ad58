#include "pool/registry.hpp"

#include <deque>
#include <stdexcept>

#include "pool/ideal.hpp"

namespace zreplay {

namespace {

template <class P>
PoolKind compiled() {
    return {.name = std::string(P::name), .summary = std::string(P::summary)};
}

template <class P>
PoolKind bound() {
    return {.name = std::string(P::name), .summary = std::string(P::summary), .is_bound = true,
            .make = [] { return std::make_unique<PoolBehind<P>>(); }};
}

std::deque<PoolKind>& plugged_in() {
    static std::deque<PoolKind> kinds;
    return kinds;
}

const PoolKind* find(std::string_view name) {
    for (const PoolKind& kind : pool_kinds())
        if (kind.name == name) return &kind;
    for (const PoolKind& kind : plugged_in())
        if (kind.name == name) return &kind;
    return nullptr;
}

}  // namespace

const std::vector<PoolKind>& pool_kinds() {
    static const std::vector<PoolKind> kinds{compiled<Zbud>(), compiled<Z3fold>(), compiled<Zsmalloc>(), bound<Ideal>(),
                                             bound<IdealPacking>()};
    return kinds;
}

const PoolKind& pool_kind(std::string_view name) {
    if (const PoolKind* kind = find(name)) return *kind;
    std::string known;
    for (const PoolKind& kind : pool_kinds()) known += (known.empty() ? "" : ", ") + kind.name;
    for (const PoolKind& kind : plugged_in()) known += ", " + kind.name;
    throw std::invalid_argument("no pool '" + std::string(name) + "'; there are " + known);
}

void add_pool_kind(PoolKind kind) {
    if (find(kind.name)) throw std::invalid_argument("pool '" + kind.name + "', a name that is taken");
    plugged_in().push_back(std::move(kind));
}

}  // namespace zreplay
