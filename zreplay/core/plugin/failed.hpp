// What a plugin did wrong, as one line that names it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "types.hpp"

namespace zreplay {

struct PluginFailed : std::runtime_error {
    PluginFailed(std::string_view plugin, const std::string& what)
        : std::runtime_error("plugin " + std::string(plugin) + ": " + what) {}
};

inline std::string of_slot(SwapEntry entry) {
    return "type " + std::to_string(entry.type()) + ", offset " + std::to_string(entry.offset());
}

[[noreturn]] inline void gave(std::string_view plugin, const std::string& call, int64_t found, const char* expected) {
    throw PluginFailed(plugin, call + " gave " + std::to_string(found) + ", expected " + expected);
}

}  // namespace zreplay
