// Plugins into the registries: from a shared object, or from tables of operations that somebody else has made.
#pragma once

#include <string>
#include <vector>

#include "plugin/zreplay_plugin.h"

namespace zreplay {

// What has been plugged in; `label` is its name in the registry, the plugin's own with `@suffix`.
struct Plugged {
    enum class Kind { index, pool, mm } kind;
    std::string label, name, version, summary, like;
    uint64_t capabilities;
};

// Loads a shared object, runs nothing of it but its initialisers, and registers what it has. Throws PluginFailed naming the path: it cannot be
// loaded, is no plugin, is of another interface, or a table of it cannot be.
std::vector<Plugged> load_plugin(const std::string& path, const std::string& suffix);

// Throw PluginFailed naming `label`. The tables are copied; what their pointers lead to has to stay.
Plugged plug_in(const zr_index_ops& ops, const std::string& origin, const std::string& suffix);
Plugged plug_in(const zr_pool_ops& ops, const std::string& origin, const std::string& suffix);
Plugged plug_in(const zr_mm_ops& ops, const std::string& origin, const std::string& suffix);

}  // namespace zreplay
