// What --verify says of an answer that is not the reference's: the plugin's failure, or of what is built in a bug of zreplay.
#pragma once

#include <string>

#include "plugin/failed.hpp"
#include "types.hpp"

namespace zreplay {

[[noreturn]] inline void wrong_answer(const std::string& variant, const std::string& call, const std::string& found,
                                      const std::string& expected) {
    const std::string what = call + " gave " + found + ", expected " + expected;
    if (variant.find('@') == std::string::npos) throw CheckFailed(variant + ": " + what);
    throw PluginFailed(variant, what);
}

inline void require_answer(const std::string& variant, const char* call, uint64_t found, uint64_t expected) {
    if (found != expected) [[unlikely]] wrong_answer(variant, call, std::to_string(found), std::to_string(expected));
}

}  // namespace zreplay
