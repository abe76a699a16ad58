// The pools there are. To add an allocator that is compiled into the loop: write its file, add it to the list below, add its row to
// docs/pools.md. What is reached through virtual calls (virtual_pool.hpp) has its line in registry.cpp, or is plugged in.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pool/pool.hpp"
#include "pool/virtual_pool.hpp"
#include "pool/z3fold.hpp"
#include "pool/zbud.hpp"
#include "pool/zsmalloc.hpp"

namespace zreplay {

template <Pool... Kinds>
struct PoolList {};

using CompiledPools = PoolList<Zbud, Z3fold, Zsmalloc>;
// The types a model is compiled for.
using Pools = PoolList<Zbud, Z3fold, Zsmalloc, VirtualPool>;

struct PoolKind {
    std::string name;
    std::string summary;  // one line, shown by the command line
    bool is_bound = false;  // no allocator, but what one can at best reach
    std::function<std::unique_ptr<PoolInterface>()> make;  // of a VirtualPool; empty: it is compiled in
};

// Those that zreplay comes with.
const std::vector<PoolKind>& pool_kinds();

// Of these and those plugged in. Throws std::invalid_argument naming the pools there are.
const PoolKind& pool_kind(std::string_view name);

// Throws std::invalid_argument for a name that is taken.
void add_pool_kind(PoolKind kind);

// What a user may change about the pools; each takes its own.
struct PoolOptions {
    ZbudOptions zbud;
    Z3foldOptions z3fold;
    ZsmallocOptions zsmalloc;

    template <class P>
    P make(std::string_view name) const {
        if constexpr (std::is_same_v<P, Zbud>) return P(zbud);
        else if constexpr (std::is_same_v<P, Z3fold>) return P(z3fold);
        else if constexpr (std::is_same_v<P, Zsmalloc>) return P(zsmalloc);
        else return P(pool_kind(name).make());
    }
};

namespace detail {

template <class Visit, Pool Kind, Pool... Rest>
decltype(auto) with_pool(const PoolKind& kind, Visit&& visit, PoolList<Kind, Rest...>) {
    if constexpr (sizeof...(Rest) != 0) {
        if (kind.name == Kind::name) return std::forward<Visit>(visit)(std::type_identity<Kind>{});
        return with_pool(kind, std::forward<Visit>(visit), PoolList<Rest...>{});
    } else {
        return std::forward<Visit>(visit)(std::type_identity<Kind>{});
    }
}

}  // namespace detail

// Calls visit(std::type_identity<P>{}) for the pool of that name and gives what it gives, the same type for every pool.
// Throws std::invalid_argument naming the pools there are.
template <class Visit>
decltype(auto) with_pool(std::string_view name, Visit&& visit) {
    return detail::with_pool(pool_kind(name), std::forward<Visit>(visit), Pools{});
}

}  // namespace zreplay
