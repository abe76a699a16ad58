// What a Parquet file's footer says of its column chunks, read before a reader believes it.
//
// Arrow throws where a chunk's type is not its column's, where there are more chunks than columns, where a statistic is
// shorter than its type or a chunk is encrypted; in functions that pyarrow calls as if they could not, so that the process
// ends. What is needed of a chunk is read from here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zreplay {

struct FooterChunk {
    uint64_t begin = 0, bytes = 0;  // its pages; 0, 0 where there are none
    int64_t values = 0;             // null or not
    std::optional<int64_t> nulls, most;  // from its statistics; `most` of INT32 and INT64, and not below 0
};

struct FooterGroup {
    int64_t rows = 0;
    std::vector<FooterChunk> chunks;  // in the order of the schema's leaves
};

// Throws std::invalid_argument for what is no footer, or contradicts itself.
std::vector<FooterGroup> read_footer(std::span<const uint8_t> footer);

}  // namespace zreplay
