// The headers of a Parquet file's pages, read without the pages: what a reader would need to decode them, and one number
// by which to know them again.
//
//     column chunk   | header | page … | header | page … |        header: a Thrift struct in the compact protocol
//
// A page says in its header how large it will be; a reader believes it before it has seen a byte of the page. So a file of
// a few kilobytes may ask for gigabytes: whether it does is known from here. A page has a checksum of its own, which is in
// its header, and no header has one: their CRC-32 in the file's metadata holds the whole file together.
#pragma once

#include <cstdint>
#include <vector>

namespace zreplay {

struct PageChunk {
    uint64_t begin = 0, bytes = 0;  // of the file: a column chunk's pages with their headers
};

struct PageSizes {
    uint32_t largest_dictionary_bytes = 0, largest_page_bytes = 0;  // uncompressed
    uint64_t values = 0;                                            // of its data pages
    bool shares_prefixes = false;  // DELTA_BYTE_ARRAY: a value is the begin of the one before it and more, so no page bounds it
};

class ParquetPages {
  public:
    // Reads the headers of one more chunk. Throws std::invalid_argument for what is no header, std::system_error for a file that
    // cannot be read.
    PageSizes add(int file, PageChunk chunk);
    uint32_t crc32() const { return ~crc_; }  // of all headers so far

  private:
    std::vector<uint8_t> header_;
    uint32_t crc_ = ~uint32_t{0};
};

}  // namespace zreplay
