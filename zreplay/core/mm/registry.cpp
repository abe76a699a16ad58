#include "mm/registry.hpp"

#include <deque>
#include <stdexcept>

#include "mm/belady.hpp"
#include "mm/lru.hpp"

namespace zreplay {

namespace {

template <class Order>
std::unique_ptr<OrderInterface> make() {
    return std::make_unique<OrderBehind<Order>>();
}

std::deque<OrderKind>& plugged_in() {
    static std::deque<OrderKind> kinds;
    return kinds;
}

}  // namespace

const std::vector<OrderKind>& order_kinds() {
    static const std::vector<OrderKind> kinds{
        {.name = "lru", .summary = "entries in the order in which they were stored", .make = make<Lru>},
        {.name = "belady", .summary = "a bound: the entry loaded furthest in the future goes first", .knows_the_future = true,
         .make = make<Belady>},
    };
    return kinds;
}

const OrderKind* find_order_kind(std::string_view name) {
    for (const OrderKind& kind : order_kinds())
        if (kind.name == name) return &kind;
    for (const OrderKind& kind : plugged_in())
        if (kind.name == name) return &kind;
    return nullptr;
}

void add_order_kind(OrderKind kind) {
    if (find_order_kind(kind.name)) throw std::invalid_argument("reclaim order '" + kind.name + "', a name that is taken");
    plugged_in().push_back(std::move(kind));
}

}  // namespace zreplay
