// A class in Python, plugged in as a table of C operations: to adapters, registry and tests it is what a shared object is. The operations
// are ours (python_plugin.cpp); each calls the method of the same name.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/load.hpp"

namespace zreplay {

// What Python says of a class of its own (zreplay/plugins/python.py).
struct PythonClass {
    std::string name, version, summary, like, origin;
    uint64_t capabilities = 0;
    uint32_t positions_64 = 0, positions_32 = 0;
    std::vector<std::string> optional;  // operations that it has, of those that need not be there
    nanobind::object make;              // an instance, of what create() is told
    nanobind::object told;              // an exception in one line
    std::string label;                  // once it is plugged in
};

// Throws PluginFailed. Nothing is ever plugged out: what its table leads to stays for good.
Plugged plug_in_class(Plugged::Kind kind, PythonClass told, const std::string& suffix);

// The types that instances are given: Cost and PoolHost.
void bind_python_plugin(nanobind::module_& module);

}  // namespace zreplay
