// What a piece of text gives away of the kernel it is of, before its first line is read for good.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "trace/ftrace_line.hpp"

namespace zreplay {

struct Sighting {
    std::map<std::string, std::set<std::string>> events;  // calls, by the recorder's names: the keys they have come with
    bool names_frontswap = false;
    bool names_zsmalloc = false;  // as what is asked for memory
    bool allocs_answer = false;   // an allocation's return was seen
    // What its stores answer with. 0 with an object that stays means taken, as with an errno; 1 is a boolean.
    bool stores_answer_errno = false;
    bool stores_answer_boolean = false;
};

Sighting sight(std::string_view text, const Functions& functions);

}  // namespace zreplay
