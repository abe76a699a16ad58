#include "plugin/failed.hpp"

#include <cstddef>
#include <cstdint>

namespace zreplay {

namespace {

// How many bytes the character at the front has; 0: it is no UTF-8 (Unicode 15, table 3-7).
size_t character_bytes(std::string_view text) {
    const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
    const uint8_t first = at(0);
    if (first < 0x80) return 1;
    size_t bytes = 0;
    uint8_t low = 0x80, high = 0xbf;  // of the second byte
    if (first >= 0xc2 && first <= 0xdf) bytes = 2;
    else if (first >= 0xe0 && first <= 0xef) bytes = 3;
    else if (first >= 0xf0 && first <= 0xf4) bytes = 4;
    else return 0;
    if (first == 0xc2 || first == 0xe0) low = 0xa0;  // U+0080 to U+009F are controls
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    if (at(1) < low || at(1) > high) return 0;
    for (size_t i = 2; i < bytes; ++i)
        if (at(i) < 0x80 || at(i) > 0xbf) return 0;
    return bytes;
}

}  // namespace

std::string one_line(std::string_view words) {
    std::string line;
    while (!words.empty()) {
        const size_t bytes = character_bytes(words);
        const bool prints = bytes > 1 || (bytes == 1 && words[0] >= ' ' && words[0] != 0x7f);
        if (prints && words[0] != ' ') line += words.substr(0, bytes);
        else if (!bytes) line += '?';
        else if (!line.empty() && line.back() != ' ') line += ' ';
        words.remove_prefix(bytes ? bytes : 1);
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

}  // namespace zreplay
