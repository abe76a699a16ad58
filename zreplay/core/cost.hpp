// What one kind of operation has cost so far, counted, not timed: the same on every machine and in every run.
#pragma once

#include <cstdint>

namespace zreplay {

struct Cost {
    uint64_t nodes_visited = 0;      // index nodes (or rbtree entries) looked into
    uint64_t cache_lines = 0;        // 64-byte lines of index nodes touched, by the kernel's layout, once per access
    uint64_t nodes_allocated = 0;
    uint64_t nodes_freed = 0;
    uint64_t slots_written = 0;      // words of the index that name a location, a child or a link
    uint64_t tag_words_written = 0;  // 64-bit tag words of radix nodes
    uint64_t headers_read = 0;       // page headers (zbud) or zspage descriptors (zsmalloc) looked into
};

}  // namespace zreplay
