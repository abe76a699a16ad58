// How a swap index's check() says what it found broken, and where.
#pragma once

#include <cstdint>
#include <string>

#include "types.hpp"

namespace zreplay {

// `offset` is the key, or the first offset the broken node covers.
inline void require_at(uint32_t type, uint64_t offset, bool holds, const char* assertion, uint64_t found,
                       uint64_t expected) {
    if (!holds)
        throw CheckFailed(std::string(assertion) + " at type " + std::to_string(type) + ", offset " +
                          std::to_string(offset) + ": found " + std::to_string(found) + ", expected " +
                          std::to_string(expected));
}

}  // namespace zreplay
