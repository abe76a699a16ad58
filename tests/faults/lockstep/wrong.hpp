// What a campaign says when an answer is not the reference's.
#pragma once

#include <string>
#include <type_traits>

namespace lockstep {

struct Wrong {
    std::string what;
};

template <class... Parts>
std::string said(const Parts&... parts) {
    std::string line;
    auto add = [&](const auto& part) {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(part)>>) line += std::to_string(part);
        else line += part;
    };
    (add(parts), ...);
    return line;
}

template <class Found, class Expected>
void expect(const char* what, const Found& found, const Expected& expected) {
    if (found == static_cast<Found>(expected)) [[likely]] return;
    throw Wrong{said(what, ": found ", found, ", expected ", expected)};
}

}  // namespace lockstep
