#include "plugin/load.hpp"

#include <dlfcn.h>

#include <bit>
#include <memory>
#include <string_view>

#include "index/registry.hpp"
#include "mm/registry.hpp"
#include "plugin/failed.hpp"
#include "plugin/plugin_index.hpp"
#include "plugin/plugin_order.hpp"
#include "plugin/plugin_pool.hpp"
#include "pool/registry.hpp"

namespace zreplay {

namespace {

void require_abi(const std::string& origin, uint32_t abi) {
    if (abi != ZR_PLUGIN_ABI)
        throw PluginFailed(origin, "is of interface " + std::to_string(abi) + ", expected " + std::to_string(ZR_PLUGIN_ABI) +
                                       "; compile it with this zreplay's header (zreplay plugin --cflags)");
}

std::string text(const char* words) { return words ? one_line(words) : ""; }

bool is_name(const char* name) {
    if (!name || !*name) return false;
    return std::string_view(name).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

struct Operation {
    const char* name;
    bool there;
};

// Name, interface, capabilities that are known, and every operation that has to be there. `least`: the table's bytes up to the last of these.
template <class Ops>
void require_table(const std::string& origin, const char* kind, const Ops& given, size_t least, uint64_t known) {
    require_abi(origin, given.abi);
    if (given.size < least)
        throw PluginFailed(origin, std::string(kind) + " table of " + std::to_string(given.size) + " bytes, expected at least " +
                                       std::to_string(least) + "; is its .size sizeof the struct?");
    if (!is_name(given.name))
        throw PluginFailed(origin, std::string(kind) + " named '" + text(given.name) +
                                       "', expected lower-case letters, digits and '-'");
    if (const uint64_t unknown = given.capabilities & ~known)
        throw PluginFailed(origin, std::string(kind) + " " + given.name + " with capability bit " +
                                       std::to_string(std::countr_zero(unknown)) + ", expected one that this zreplay knows: bits " +
                                       std::to_string(std::countr_zero(known)) + " to " + std::to_string(63 - std::countl_zero(known)));
}

template <class Ops>
void require_operations(const std::string& origin, const Ops& ops, std::initializer_list<Operation> operations) {
    for (const Operation& operation : operations)
        if (!operation.there) throw PluginFailed(origin, std::string(ops.name) + " without " + operation.name + "(), which is not optional");
}

template <class Ops>
Plugged told(Plugged::Kind kind, const Ops& ops, const std::string& suffix) {
    return {kind, std::string(ops.name) + "@" + suffix, ops.name, text(ops.version), text(ops.summary), text(ops.like), ops.capabilities};
}

#define OPERATION(name) {#name, ops.name != nullptr}

// A table as long as ours, every operation there that has to be.
zr_index_ops checked(const zr_index_ops& given, const std::string& origin) {
    require_table(origin, "index", given, offsetof(zr_index_ops, check) + sizeof(given.check),
                  ZR_INDEX_VALUES | ZR_INDEX_TAGS | ZR_INDEX_ENTRIES);
    const zr_index_ops ops = whole(given);
    require_operations(origin, ops,
                       {OPERATION(create), OPERATION(destroy), OPERATION(find), OPERATION(insert), OPERATION(erase), OPERATION(move),
                        OPERATION(for_each), OPERATION(memory), OPERATION(check)});
    if (ops.look && (ops.look_steps < 1 || ops.look_steps > Ahead::groups - 1))
        gave(origin, std::string(ops.name) + ": look_steps", ops.look_steps, "1 to 7");
    return ops;
}

zr_pool_ops checked(const zr_pool_ops& given, const std::string& origin) {
    require_table(origin, "pool", given, offsetof(zr_pool_ops, check) + sizeof(given.check),
                  ZR_POOL_EVICTS | ZR_POOL_COMPACTS | ZR_POOL_MIGRATES | ZR_POOL_SPANS | ZR_POOL_LRU);
    const zr_pool_ops ops = whole(given);
    require_operations(origin, ops,
                       {OPERATION(create), OPERATION(destroy), OPERATION(alloc), OPERATION(free), OPERATION(memory), OPERATION(check),
                        {"reclaim", ops.reclaim || !(ops.capabilities & ZR_POOL_EVICTS)},
                        {"compact", ops.compact || !(ops.capabilities & ZR_POOL_COMPACTS)},
                        {"migrate", ops.migrate || !(ops.capabilities & ZR_POOL_MIGRATES)}});
    return ops;
}

zr_mm_ops checked(const zr_mm_ops& given, const std::string& origin) {
    require_table(origin, "mm", given, offsetof(zr_mm_ops, check) + sizeof(given.check), ZR_MM_MAKES_ROOM | ZR_MM_GROUPS);
    const zr_mm_ops ops = whole(given);
    require_operations(origin, ops,
                       {OPERATION(create), OPERATION(destroy), OPERATION(stored), OPERATION(gone), OPERATION(loaded), OPERATION(next),
                        OPERATION(visited), OPERATION(memory), OPERATION(check)});
    return ops;
}

#undef OPERATION

}  // namespace

Plugged plug_in(const zr_index_ops& given, const std::string& origin, const std::string& suffix, const void* context) {
    const zr_index_ops ops = checked(given, origin);
    const Plugged plugged = told(Plugged::Kind::index, ops, suffix);
    auto make = [ops, context, label = plugged.label](bool small) {
        return [=](IndexOptions options) -> std::unique_ptr<SwapIndex> {
            return std::make_unique<PluginIndex>(ops, label, options, small, context);
        };
    };
    add_index_kind({.name = plugged.label, .summary = plugged.summary, .make = make(false), .make_small = make(true),
                    .positions_64 = ops.positions_64, .positions_32 = ops.positions_32,
                    .takes_values = (ops.capabilities & ZR_INDEX_VALUES) != 0, .is_bound = false});
    return plugged;
}

Plugged plug_in(const zr_pool_ops& given, const std::string& origin, const std::string& suffix, const void* context) {
    const zr_pool_ops ops = checked(given, origin);
    const Plugged plugged = told(Plugged::Kind::pool, ops, suffix);
    add_pool_kind({.name = plugged.label, .summary = plugged.summary,
                   .make = [ops, context, label = plugged.label] { return std::make_unique<PluginPool>(ops, label, context); }});
    return plugged;
}

Plugged plug_in(const zr_mm_ops& given, const std::string& origin, const std::string& suffix, const void* context) {
    const zr_mm_ops ops = checked(given, origin);
    const Plugged plugged = told(Plugged::Kind::mm, ops, suffix);
    add_order_kind({.name = plugged.label, .summary = plugged.summary,
                    .make = [ops, context, label = plugged.label] { return std::make_unique<PluginOrder>(ops, label, context); }});
    return plugged;
}

std::vector<Plugged> load_plugin(const std::string& path, const std::string& suffix) {
    void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!object) throw PluginFailed(path, std::string("cannot be loaded: ") + dlerror());
    const auto* plugin = static_cast<const zr_plugin*>(dlsym(object, "zreplay_plugin"));
    if (!plugin) throw PluginFailed(path, "has no symbol zreplay_plugin, expected one of type struct zr_plugin (zreplay_plugin.h)");
    require_abi(path, plugin->abi);
    if (plugin->size < offsetof(zr_plugin, mms) + sizeof(plugin->mms))
        throw PluginFailed(path, "zreplay_plugin of " + std::to_string(plugin->size) + " bytes, expected at least " +
                                     std::to_string(offsetof(zr_plugin, mms) + sizeof(plugin->mms)) + "; is its .size sizeof the struct?");
    const zr_plugin tables = whole(*plugin);
    auto each = [&](auto&& act) {
        auto over = [&](auto* const* list) {
            for (; list && *list; ++list) act(**list);
        };
        over(tables.indexes);
        over(tables.pools);
        over(tables.mms);
    };
    each([&](const auto& table) { checked(table, path); });  // all, before one is registered
    std::vector<Plugged> all;
    each([&](const auto& table) { all.push_back(plug_in(table, path, suffix)); });
    if (all.empty()) throw PluginFailed(path, "has no table of an index, a pool or a reclaim order, expected at least one");
    return all;
}

}  // namespace zreplay
