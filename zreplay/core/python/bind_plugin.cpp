// Plugins for Python: a shared object, or a class, into the registries.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <type_traits>

#include "index/registry.hpp"
#include "mm/registry.hpp"
#include "converted.hpp"
#include "module.hpp"
#include "plugin/failed.hpp"
#include "plugin/load.hpp"
#include "python_plugin.hpp"
#include "pool/registry.hpp"
#include "replay/crash.hpp"

namespace zreplay {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

nb::dict to_dict(const Plugged& plugged) {
    constexpr const char* kinds[] = {"index", "pool", "mm"};
    nb::dict out;
    out["kind"] = kinds[static_cast<int>(plugged.kind)];
    out["label"] = plugged.label;
    out["name"] = plugged.name;
    out["version"] = plugged.version;
    out["summary"] = plugged.summary;
    out["like"] = plugged.like;
    out["capabilities"] = plugged.capabilities;
    return out;
}

using Words = std::vector<std::string>;

// Of what is built in, in the words of a plugin's capabilities (zreplay_plugin.h), and "bound".
Words index_capabilities(std::string_view name) {
    const IndexKind& kind = index_kind(name);
    const std::unique_ptr<SwapIndex> index = kind.make({});
    Words words;
    if (kind.takes_values) words.emplace_back("values");
    if (index->positions_in_tags()) words.emplace_back("tags");
    if (index->has_entries()) words.emplace_back("entries");
    if (kind.is_bound) words.emplace_back("bound");
    return words;
}

Words pool_capabilities(std::string_view name) {
    return with_pool(name, [&]<class P>(std::type_identity<P>) {
        Words words;
        if constexpr (!std::is_same_v<P, VirtualPool>) {
            const P pool = PoolOptions{}.make<P>(name);
            if (P::evictable) words.emplace_back("evicts");
            if (requires(P& any) { any.compact(); }) words.emplace_back("compacts");
            if (pool.movable()) words.emplace_back("migrates");
            if (std::is_same_v<P, Zsmalloc>) words.emplace_back("spans");  // pages of a zspage
            if (std::is_same_v<P, Zbud>) words.emplace_back("lru");  // z3fold's order is changed by frees that move objects, too
        }
        if (pool_kind(name).is_bound) words.emplace_back("bound");
        return words;
    });
}

Words order_capabilities(std::string_view name) {
    const OrderKind* kind = find_order_kind(name);
    Words words;
    if (kind && kind->make()->makes_room()) words.emplace_back("makes-room");
    if (kind && kind->knows_the_future) words.emplace_back("bound");
    return words;
}

}  // namespace

void bind_plugin(nb::module_& module) {
    nb::exception<PluginFailed>(module, "PluginFailed", PyExc_RuntimeError);
    module.attr("plugin_abi") = ZR_PLUGIN_ABI;
    module.def("report_crashes", &report_crashes, "fd"_a,
               "Fatal signals and exit() write a line to the file descriptor (replay/crash.hpp).");
    module.def("index_capabilities", &index_capabilities, "name"_a, "Words, of an index that is built in.");
    module.def("pool_capabilities", &pool_capabilities, "name"_a, "Likewise of a pool.");
    module.def("order_capabilities", &order_capabilities, "name"_a, "Likewise of a reclaim order; none where it is no order's name.");
    module.def("load_plugin", [](std::string_view path_given, std::string_view suffix) {
        nb::list all;
        const std::string path(path_given);
        for (const Plugged& plugged : load_plugin(path, std::string(suffix))) all.append(to_dict(plugged));
        tell_of_exit(path.c_str());
        return all;
    }, "path"_a, "suffix"_a, "Load a shared object and register what it has, as name@suffix. PluginFailed names what is wrong with it.");
    bind_python_plugin(module);
    module.def("plug_in_class",
               [](std::string_view kind, std::string_view suffix, std::string_view origin, std::string_view name,
                  std::string_view version, std::string_view summary, std::string_view like, uint64_t capabilities,
                  uint32_t positions_64, uint32_t positions_32, nb::sequence optional, nb::object make, nb::object told) {
                   const auto number = kind == "index" ? Plugged::Kind::index : kind == "pool" ? Plugged::Kind::pool : Plugged::Kind::mm;
                   return to_dict(plug_in_class(number, {std::string(name), std::string(version), std::string(summary),
                                                         std::string(like), std::string(origin), capabilities, positions_64,
                                                         positions_32, converted<std::vector<std::string>>(optional),
                                                         std::move(make), std::move(told), {}}, std::string(suffix)));
               },
               "kind"_a, "suffix"_a, nb::kw_only(), "origin"_a, "name"_a, "version"_a, "summary"_a, "like"_a, "capabilities"_a,
               "positions_64"_a, "positions_32"_a, "optional"_a, "make"_a, "told"_a,
               "Register a class as name@suffix. make gives an instance of it, told an exception in one line.");
}

}  // namespace zreplay
