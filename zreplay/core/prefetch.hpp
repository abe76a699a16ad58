// Asking for a cache line before it is needed: a hint, never an access, so any address will do.
#pragma once

namespace zreplay {

// GCC takes a function that does nothing but prefetch for one without effect and drops the calls to it; the empty asm, which
// costs nothing, keeps them (seen with GCC 12: the pools' warm() was gone from the replay loop, and every miss was paid).
[[gnu::always_inline]] inline void prefetch(const void* line) {
    __builtin_prefetch(line);
    asm volatile("");
}

[[gnu::always_inline]] inline void prefetch_to_write(const void* line) {
    __builtin_prefetch(line, 1);
    asm volatile("");
}

}  // namespace zreplay
