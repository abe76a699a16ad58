// What a fuzzer holds an answer to: what is not so ends the process, which libFuzzer reports with the input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#define EXPECT(condition)                                                                  \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            std::abort();                                                                  \
        }                                                                                  \
    } while (false)

// A message is one line: an escape in it would reach a terminal.
inline void expect_one_line(std::string_view message) {
    EXPECT(!message.empty());
    for (char c : message) EXPECT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}
