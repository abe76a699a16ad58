// Row groups of Parquet, for those who write traces faster than a general writer encodes them
// (https://parquet.apache.org/docs/file-format/, format versions 2.x).
//
//      row group     chunk of column 0, chunk of column 1 …
//      chunk         [dictionary page] data page
//      page          header (Thrift's compact protocol), levels, values
//
// A chunk has one data page (version 2) and no compression: numbers that grow are differences, numbers with few values are in a
// dictionary, in runs. What is null is in the levels: Arrow's bitmaps, as they are. All pages have a checksum.
//
// The file around it, its schema and its metadata are others' affair (zreplay/trace/groups.py).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace zreplay {

class ParquetGroup {
  public:
    enum class Encoding : uint8_t { plain, differences, dictionary };

    // A column in pieces, as the rows came.
    struct Piece {
        const void* values = nullptr;
        const uint8_t* validity = nullptr;  // Arrow's bitmap; none: no nulls
        int64_t offset = 0, rows = 0;
    };
    struct Column {
        std::string name;
        uint8_t bytes = 8;          // of a value
        bool is_signed = true;
        bool nullable = true;
        bool ranged = false;        // the file says least and most
        Encoding encoding = Encoding::plain;
        std::vector<std::string> words;  // the values are their numbers; else they are numbers
        std::vector<Piece> pieces;
    };

    // Appends a group to a file that is so long by now.
    void encode(const std::vector<Column>& columns, uint64_t file_bytes);

    const std::string& bytes() const { return bytes_; }        // of the group, in the file
    const std::string& metadata() const { return metadata_; }  // its RowGroup, in the footer

  private:
    struct Found;  // what a chunk has come to
    void chunk(const Column& column, uint64_t file_bytes);
    void levels(const Column& column);
    bool dictionary(const Column& column, bool encode_dictionary);
    void page(int type, uint64_t values, uint64_t nulls, int encoding, size_t level_bytes);

    std::string bytes_, metadata_, columns_, page_;
    std::vector<uint64_t> values_;    // of a chunk, without nulls
    std::vector<uint16_t> indices_;   // in its dictionary
    std::vector<uint64_t> distinct_;
    std::vector<uint32_t> numbers_;   // by value: its number in the dictionary, and one
    uint64_t rows_ = 0, nulls_ = 0;
};

}  // namespace zreplay
