// The reclaim orders of zswap's entries there are, beside 6.12's own (mm/entry_lru.hpp). To add one: write its file, add its line to registry.cpp
// and its row to docs/designs.md. Or plug it in (plugin/).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mm/virtual_order.hpp"

namespace zreplay {

struct OrderKind {
    std::string name;
    std::string summary;  // one line, shown by the command line
    bool knows_the_future = false;  // has to be told of loads to come
    std::function<std::unique_ptr<OrderInterface>()> make;
};

// Those that zreplay comes with.
const std::vector<OrderKind>& order_kinds();

// Of these and those plugged in; nullptr: there is none of that name.
const OrderKind* find_order_kind(std::string_view name);

// Throws std::invalid_argument for a name that is taken.
void add_order_kind(OrderKind kind);

}  // namespace zreplay
