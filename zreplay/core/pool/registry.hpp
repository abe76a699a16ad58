// The pools there are. To add one: write its file, add it to the list below, add its row to docs/pools.md.
#pragma once

#include <array>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "pool/ideal.hpp"
#include "pool/pool.hpp"
#include "pool/z3fold.hpp"
#include "pool/zbud.hpp"
#include "pool/zsmalloc.hpp"

namespace zreplay {

template <Pool... Kinds>
struct PoolList {};

using Pools = PoolList<  //
    Zbud,                //
    Z3fold,              //
    Zsmalloc,            //
    Ideal,               //
    IdealPacking         //
    >;

// What a user may change about the pools; each takes its own.
struct PoolOptions {
    ZbudOptions zbud;
    Z3foldOptions z3fold;
    ZsmallocOptions zsmalloc;

    template <class P>
    P make() const {
        if constexpr (std::is_same_v<P, Zbud>) return P(zbud);
        else if constexpr (std::is_same_v<P, Z3fold>) return P(z3fold);
        else if constexpr (std::is_same_v<P, Zsmalloc>) return P(zsmalloc);
        else return P();
    }
};

struct PoolKind {
    std::string_view name;
    std::string_view summary;  // one line, shown by the command line
};

namespace detail {

template <Pool... Kinds>
constexpr auto kinds_of(PoolList<Kinds...>) {
    return std::array{PoolKind{Kinds::name, Kinds::summary}...};
}
inline constexpr auto pool_kind_table = kinds_of(Pools{});

template <class Visit, Pool Kind, Pool... Rest>
decltype(auto) with_pool(std::string_view name, Visit&& visit, PoolList<Kind, Rest...>) {
    if (name == Kind::name) return std::forward<Visit>(visit)(std::type_identity<Kind>{});
    if constexpr (sizeof...(Rest) != 0) return with_pool(name, std::forward<Visit>(visit), PoolList<Rest...>{});
    std::string known;
    for (const PoolKind& kind : pool_kind_table) known += (known.empty() ? "" : ", ") + std::string(kind.name);
    throw std::invalid_argument("no pool '" + std::string(name) + "'; there are " + known);
}

}  // namespace detail

constexpr std::span<const PoolKind> pool_kinds() { return detail::pool_kind_table; }

// Calls visit(std::type_identity<P>{}) for the pool of that name and gives what it gives, the same type for every pool.
// Throws std::invalid_argument naming the pools there are.
template <class Visit>
decltype(auto) with_pool(std::string_view name, Visit&& visit) {
    return detail::with_pool(name, std::forward<Visit>(visit), Pools{});
}

}  // namespace zreplay
