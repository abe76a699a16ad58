// What a process has counted for tests/covered.py is written at its exit; one that ends by _exit writes it before.
#pragma once

#ifdef ZREPLAY_COUNTED
extern "C" void __gcov_dump();
#endif

namespace zreplay {

inline void write_counts() {
#ifdef ZREPLAY_COUNTED
    __gcov_dump();
#endif
}

}  // namespace zreplay
