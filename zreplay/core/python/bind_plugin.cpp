// Plugins for Python: a shared object into the registries.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "module.hpp"
#include "plugin/failed.hpp"
#include "plugin/load.hpp"

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

}  // namespace

void bind_plugin(nb::module_& module) {
    nb::exception<PluginFailed>(module, "PluginFailed", PyExc_RuntimeError);
    module.attr("plugin_abi") = ZR_PLUGIN_ABI;
    module.def("load_plugin", [](const std::string& path, const std::string& suffix) {
        nb::list all;
        for (const Plugged& plugged : load_plugin(path, suffix)) all.append(to_dict(plugged));
        return all;
    }, "path"_a, "suffix"_a, "Load a shared object and register what it has, as name@suffix. PluginFailed names what is wrong with it.");
}

}  // namespace zreplay
