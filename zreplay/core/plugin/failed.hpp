// What a plugin did wrong, as one line that names it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "types.hpp"

namespace zreplay {

// A plugin's own words as one line of text: what does not print is a space, or ? where it is no UTF-8.
std::string one_line(std::string_view words);

struct PluginFailed : std::runtime_error {
    PluginFailed(std::string_view plugin, const std::string& what)
        : std::runtime_error("plugin " + one_line(plugin) + ": " + one_line(what)) {}
};

// It gave −ENOMEM where it may, and has changed nothing.
struct PluginOutOfMemory : PluginFailed {
    using PluginFailed::PluginFailed;
};

inline std::string of_slot(SwapEntry entry) {
    return "type " + std::to_string(entry.type()) + ", offset " + std::to_string(entry.offset());
}

// What a check() gave, with what it says.
inline void require_checked(std::string_view plugin, int error, std::string_view message) {
    if (!error) return;
    const bool may = error == -e_inval;
    if (may && !one_line(message).empty()) throw PluginFailed(plugin, "check(): " + std::string(message));
    throw PluginFailed(plugin, "check() gave " + std::to_string(error) + (may ? " and no message, expected one" : ", expected 0 or −22"));
}

[[noreturn]] inline void gave(std::string_view plugin, const std::string& call, int64_t found, const char* expected) {
    const char* words = found == -e_nomem ? " (out of memory)" : "";
    const std::string what = call + " gave " + std::to_string(found) + words + ", expected " + expected;
    if (found == -e_nomem) throw PluginOutOfMemory(plugin, what);
    throw PluginFailed(plugin, what);
}

}  // namespace zreplay
