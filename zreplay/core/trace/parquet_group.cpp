#include "trace/parquet_group.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include "types.hpp"

namespace zreplay {

namespace {

// ---- Thrift's compact protocol: fields in ascending order, each said by how far it is from the one before ----

enum Wire : uint8_t { yes = 1, no = 2, i32 = 5, i64 = 6, binary = 8, list = 9, structure = 12 };

void put_varint(std::string& out, uint64_t value) {
    for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
    out.push_back(static_cast<char>(value));
}

uint64_t zigzag(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63); }

class Struct {
  public:
    explicit Struct(std::string& out) : out_(out) {}
    Struct& number(int field, int64_t value, Wire wire = i32) {
        begin(field, wire);
        put_varint(out_, zigzag(value));
        return *this;
    }
    Struct& text(int field, std::string_view text) {
        begin(field, binary);
        put_varint(out_, text.size());
        out_.append(text);
        return *this;
    }
    Struct& truth(int field, bool value) {
        begin(field, value ? yes : no);
        return *this;
    }
    Struct& begin_list(int field, size_t size, Wire of) {
        begin(field, list);
        if (size < 15) {
            out_.push_back(static_cast<char>(size << 4 | of));
        } else {
            out_.push_back(static_cast<char>(0xf0 | of));
            put_varint(out_, size);
        }
        return *this;
    }
    void begin(int field, Wire wire) {
        out_.push_back(static_cast<char>((field - std::exchange(last_, field)) << 4 | wire));
    }
    void end() { out_.push_back(0); }

  private:
    std::string& out_;
    int last_ = 0;
};

// ---- CRC-32 as of gzip, eight bytes at a time ----

constexpr auto crc_tables = [] {
    std::array<std::array<uint32_t, 256>, 8> tables{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; ++byte)
        for (size_t i = 1; i < 8; ++i) tables[i][byte] = tables[i - 1][byte] >> 8 ^ tables[0][tables[i - 1][byte] & 255];
    return tables;
}();

uint32_t crc32(std::string_view data) {
    uint32_t crc = ~0u;
    size_t at = 0;
    for (; at + 8 <= data.size(); at += 8) {
        uint64_t eight;
        std::memcpy(&eight, data.data() + at, 8);
        eight ^= crc;
        crc = 0;
        for (size_t i = 0; i < 8; ++i) crc ^= crc_tables[7 - i][eight >> 8 * i & 255];
    }
    for (; at < data.size(); ++at) crc = crc >> 8 ^ crc_tables[0][(crc ^ static_cast<uint8_t>(data[at])) & 255];
    return ~crc;
}

// ---- Values ----

// `count` numbers of `width` bits each, the lowest bits first, filled up to whole bytes.
template <class Number>
void pack(std::string& out, const Number* numbers, size_t count, uint32_t width) {
    if (!width) return;
    const size_t begin = out.size(), size = (count * width + 7) / 8;
    out.resize(begin + size + 8);
    char* to = out.data() + begin;
    uint64_t bits = 0;
    uint32_t filled = 0;
    for (size_t i = 0; i < count; ++i) {
        const uint64_t number = numbers[i];
        bits |= number << filled;
        filled += width;
        if (filled < 64) continue;
        std::memcpy(to, &bits, 8);
        to += 8;
        filled -= 64;
        bits = filled ? number >> (width - filled) : 0;
    }
    std::memcpy(to, &bits, 8);
    out.resize(begin + size);
}

constexpr size_t block_values = 128, blocks_of = 4, part_values = block_values / blocks_of;

// DELTA_BINARY_PACKED: blocks of 128 differences, less the least of them; in fours that have a width each.
void put_differences(std::string& out, const std::vector<uint64_t>& values) {
    put_varint(out, block_values);
    put_varint(out, blocks_of);
    put_varint(out, values.size());
    put_varint(out, zigzag(values.empty() ? 0 : static_cast<int64_t>(values[0])));
    std::array<uint64_t, block_values> deltas;
    for (size_t first = 1; first < values.size(); first += block_values) {
        const size_t count = std::min(block_values, values.size() - first);
        int64_t least = INT64_MAX;
        for (size_t i = 0; i < count; ++i) {
            deltas[i] = values[first + i] - values[first + i - 1];
            least = std::min(least, static_cast<int64_t>(deltas[i]));
        }
        std::array<uint32_t, blocks_of> widths{};
        for (size_t i = 0; i < block_values; ++i) deltas[i] = i < count ? deltas[i] - static_cast<uint64_t>(least) : 0;
        for (size_t part = 0; part < blocks_of; ++part) {
            uint64_t together = 0;
            for (size_t i = 0; i < part_values; ++i) together |= deltas[part * part_values + i];
            widths[part] = static_cast<uint32_t>(std::bit_width(together));
        }
        put_varint(out, zigzag(least));
        for (uint32_t width : widths) out.push_back(static_cast<char>(width));
        for (size_t part = 0; part * part_values < count; ++part) pack(out, &deltas[part * part_values], part_values, widths[part]);
    }
}

// RLE and bit packing: of what comes at least 16 times in a row the number of times, of all else eight at a time.
void put_indices(std::string& out, const std::vector<uint16_t>& indices, uint32_t width) {
    const size_t count = indices.size();
    size_t packed = 0, at = 0;  // from here to there are some to be packed, a multiple of eight
    auto put_packed = [&](size_t end) {
        if (end == packed) return;
        put_varint(out, ((end - packed + 7) / 8) << 1 | 1);
        pack(out, &indices[packed], std::min(end, count) - packed, width);
        if (const size_t missing = (8 - (std::min(end, count) - packed) % 8) % 8; missing) {  // of the last eight
            const size_t bytes = (end - packed + 7) / 8 * width, have = ((std::min(end, count) - packed) * width + 7) / 8;
            out.append(bytes - have, 0);
        }
    };
    constexpr size_t run_of_its_own = 16;
    while (at < count) {
        size_t run = at + 1;
        while (run < count && indices[run] == indices[at]) ++run;
        if (run - at >= run_of_its_own) {
            put_packed(at);
            put_varint(out, (run - at) << 1);
            for (uint32_t byte = 0; byte * 8 < width; ++byte) out.push_back(static_cast<char>(indices[at] >> 8 * byte));
            packed = at = run;
        } else {
            at += 8;
        }
    }
    if (packed < count) put_packed(packed + (count - packed + 7) / 8 * 8);
}

template <class Number>
void gather(const ParquetGroup::Piece& piece, std::vector<uint64_t>& out) {
    const Number* numbers = static_cast<const Number*>(piece.values) + piece.offset;
    const auto rows = static_cast<size_t>(piece.rows);
    const size_t begin = out.size();
    out.resize(begin + rows);
    uint64_t* to = out.data() + begin;
    if (!piece.validity) {
        for (size_t row = 0; row < rows; ++row) *to++ = static_cast<uint64_t>(static_cast<int64_t>(numbers[row]));
        return;
    }
    for (size_t row = 0; row < rows; ++row) {
        const size_t bit = static_cast<size_t>(piece.offset) + row;
        *to = static_cast<uint64_t>(static_cast<int64_t>(numbers[row]));
        to += piece.validity[bit / 8] >> bit % 8 & 1;
    }
    out.resize(static_cast<size_t>(to - out.data()));
}

enum : int { plain_encoding = 0, level_encoding = 3, differences_encoding = 5, dictionary_encoding = 8 };
enum : int { dictionary_page = 2, data_page = 3 };
enum : int { int32_type = 1, int64_type = 2, bytes_type = 6 };
constexpr size_t most_distinct = 1 << 16;

std::string plain(uint64_t value, size_t bytes) {
    std::string out(bytes, 0);
    std::memcpy(out.data(), &value, bytes);
    return out;
}

}  // namespace

void ParquetGroup::encode(const std::vector<Column>& columns, uint64_t file_bytes) {
    bytes_.clear();
    columns_.clear();
    rows_ = 0;
    for (const Piece& piece : columns.at(0).pieces) rows_ += static_cast<uint64_t>(piece.rows);
    for (const Column& column : columns) chunk(column, file_bytes);
    metadata_.clear();
    Struct group(metadata_);
    group.begin_list(1, columns.size(), structure);
    metadata_ += columns_;
    const auto size = static_cast<int64_t>(bytes_.size());
    group.number(2, size, i64).number(3, static_cast<int64_t>(rows_), i64).number(5, static_cast<int64_t>(file_bytes), i64);
    group.number(6, size, i64).end();
}

void ParquetGroup::chunk(const Column& column, uint64_t file_bytes) {
    const size_t begin = bytes_.size();
    values_.clear();
    for (const Piece& piece : column.pieces) {
        switch (column.bytes) {
            case 1: column.is_signed ? gather<int8_t>(piece, values_) : gather<uint8_t>(piece, values_); break;
            case 2: column.is_signed ? gather<int16_t>(piece, values_) : gather<uint16_t>(piece, values_); break;
            case 4: column.is_signed ? gather<int32_t>(piece, values_) : gather<uint32_t>(piece, values_); break;
            default: gather<uint64_t>(piece, values_); break;
        }
    }
    nulls_ = rows_ - values_.size();
    const bool is_words = !column.words.empty();
    const size_t plain_bytes = column.bytes == 8 ? 8 : 4;
    int encoding = column.encoding == Encoding::differences ? differences_encoding : plain_encoding;
    if (is_words || column.encoding == Encoding::dictionary) {
        if (dictionary(column, is_words)) {
            encoding = dictionary_encoding;
            page(dictionary_page, distinct_.size(), 0, plain_encoding, 0);
        }
    }
    const size_t data = bytes_.size();
    levels(column);
    const size_t level_bytes = page_.size();
    if (encoding == dictionary_encoding) {
        const auto width = std::max(1u, static_cast<uint32_t>(std::bit_width(distinct_.size() - 1)));
        page_.push_back(static_cast<char>(width));
        put_indices(page_, indices_, width);
    } else if (encoding == differences_encoding) {
        put_differences(page_, values_);
    } else {
        const size_t begin_values = page_.size();
        page_.resize(begin_values + values_.size() * plain_bytes);
        char* to = page_.data() + begin_values;
        if (plain_bytes == 8) std::memcpy(to, values_.data(), values_.size() * 8);
        else for (size_t i = 0; i < values_.size(); ++i) std::memcpy(to + 4 * i, &values_[i], 4);
    }
    page(data_page, rows_, nulls_, encoding, level_bytes);

    columns_.reserve(columns_.size() + 256);
    Struct outer(columns_);
    outer.number(2, static_cast<int64_t>(file_bytes + data), i64).begin(3, structure);
    Struct inner(columns_);
    inner.number(1, is_words ? bytes_type : plain_bytes == 8 ? int64_type : int32_type);
    inner.begin_list(2, encoding == dictionary_encoding ? 3 : 2, i32);
    put_varint(columns_, zigzag(level_encoding));
    put_varint(columns_, zigzag(encoding));
    if (encoding == dictionary_encoding) put_varint(columns_, zigzag(plain_encoding));
    inner.begin_list(3, 1, binary);
    put_varint(columns_, column.name.size());
    columns_ += column.name;
    const auto size = static_cast<int64_t>(bytes_.size() - begin);
    inner.number(4, 0).number(5, static_cast<int64_t>(rows_), i64).number(6, size, i64).number(7, size, i64);
    inner.number(9, static_cast<int64_t>(file_bytes + data), i64);
    if (encoding == dictionary_encoding) inner.number(11, static_cast<int64_t>(file_bytes + begin), i64);
    inner.begin(12, structure);
    Struct statistics(columns_);
    statistics.number(3, static_cast<int64_t>(nulls_), i64);
    if (column.ranged && !values_.empty()) {
        auto [least, most] = std::minmax_element(values_.begin(), values_.end(), [&](uint64_t one, uint64_t other) {
            return column.is_signed ? static_cast<int64_t>(one) < static_cast<int64_t>(other) : one < other;
        });
        statistics.text(5, plain(*most, plain_bytes)).text(6, plain(*least, plain_bytes));
    }
    statistics.end();
    inner.end();
    outer.end();
}

// Definition levels, of one bit: 1 where there is a value.
void ParquetGroup::levels(const Column& column) {
    page_.clear();
    if (!column.nullable) {
        require(nulls_ == 0, "a column that must not have nulls has none", nulls_, 0);
        return;
    }
    if (nulls_ == 0 || nulls_ == rows_) {
        put_varint(page_, rows_ << 1);
        page_.push_back(nulls_ == 0);
        return;
    }
    put_varint(page_, ((rows_ + 7) / 8) << 1 | 1);
    const size_t begin = page_.size();
    page_.resize(begin + (rows_ + 7) / 8);
    auto* to = reinterpret_cast<uint8_t*>(page_.data() + begin);
    uint64_t at = 0;
    for (const Piece& piece : column.pieces) {
        const auto rows = static_cast<uint64_t>(piece.rows), offset = static_cast<uint64_t>(piece.offset);
        if (at % 8 == 0 && offset % 8 == 0 && piece.validity) {
            std::memcpy(to + at / 8, piece.validity + offset / 8, (rows + 7) / 8);
            if (rows % 8) to[(at + rows) / 8] &= static_cast<uint8_t>((1u << rows % 8) - 1);
        } else {
            for (uint64_t row = 0; row < rows; ++row) {
                const bool there = !piece.validity || (piece.validity[(offset + row) / 8] >> (offset + row) % 8 & 1);
                to[(at + row) / 8] |= static_cast<uint8_t>(there << (at + row) % 8);
            }
        }
        at += rows;
    }
}

// Numbers the values in the order in which they come, and puts the dictionary on the page; false if there are too many, or one
// is too large.
bool ParquetGroup::dictionary(const Column& column, bool is_words) {
    page_.clear();
    distinct_.clear();
    indices_.resize(values_.size());
    if (is_words) {
        for (const std::string& word : column.words) {
            const auto size = static_cast<uint32_t>(word.size());
            distinct_.push_back(distinct_.size());
            page_.append(reinterpret_cast<const char*>(&size), 4);
            page_ += word;
        }
        for (size_t i = 0; i < values_.size(); ++i) indices_[i] = static_cast<uint16_t>(values_[i]);
        return true;
    }
    if (numbers_.empty()) numbers_.resize(most_distinct);
    bool fits = true;
    for (size_t i = 0; i < values_.size() && fits; ++i) {
        const uint64_t folded = zigzag(static_cast<int64_t>(values_[i]));
        fits = folded < most_distinct;
        if (!fits) break;
        uint32_t& number = numbers_[folded];
        if (!number) {
            distinct_.push_back(values_[i]);
            number = static_cast<uint32_t>(distinct_.size());
        }
        indices_[i] = static_cast<uint16_t>(number - 1);
    }
    for (uint64_t value : distinct_) numbers_[zigzag(static_cast<int64_t>(value))] = 0;
    if (distinct_.empty()) distinct_.push_back(0);  // of nulls only: a dictionary has a value, if nobody uses it
    for (uint64_t value : distinct_) page_.append(reinterpret_cast<const char*>(&value), column.bytes == 8 ? 8 : 4);
    return fits;
}

// The header, and what is on the page.
void ParquetGroup::page(int type, uint64_t values, uint64_t nulls, int encoding, size_t level_bytes) {
    const auto size = static_cast<int64_t>(page_.size());
    Struct header(bytes_);
    header.number(1, type).number(2, size).number(3, size).number(4, static_cast<int32_t>(crc32(page_)));
    header.begin(type == dictionary_page ? 7 : 8, structure);
    Struct inner(bytes_);
    inner.number(1, static_cast<int64_t>(values));
    if (type == dictionary_page) {
        inner.number(2, encoding);
    } else {
        inner.number(2, static_cast<int64_t>(nulls)).number(3, static_cast<int64_t>(values)).number(4, encoding);
        inner.number(5, static_cast<int64_t>(level_bytes)).number(6, 0).truth(7, false);
    }
    inner.end();
    header.end();
    bytes_ += page_;
}

}  // namespace zreplay
