#include "trace/parquet_pages.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace zreplay {

namespace {

// A header is some thirty bytes and the statistics of its page, which may be two long words.
constexpr size_t first_read = 256, most_read = 1 << 16;
constexpr uint32_t delta_byte_array = 7;  // of parquet.thrift's Encoding

constexpr std::array<uint32_t, 256> crc_table = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        table[byte] = crc;
    }
    return table;
}();

struct Truncated {};

[[noreturn]] void no_header(const std::string& why) { throw std::invalid_argument("a page's header: " + why); }

// Thrift's compact protocol, as far as it goes in a page's header.
class Thrift {
  public:
    enum Type : uint8_t { stop, yes, no, i8, i16, i32, i64, real, binary, list, set, map, structure };

    Thrift(const uint8_t* data, size_t size) : at_(data), begin_(data), end_(data + size) {}
    size_t read_bytes() const { return static_cast<size_t>(at_ - begin_); }

    uint8_t byte() {
        if (at_ == end_) throw Truncated{};
        return *at_++;
    }
    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const uint8_t some = byte();
            value |= uint64_t{some & 0x7fu} << shift;
            if (some < 0x80) return value;
        }
        no_header("a number without an end");
    }
    int64_t number() {
        const uint64_t zigzag = varint();
        return static_cast<int64_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
    }
    // The next field of a struct; stop: it is over.
    Type field(int64_t& id) {
        const uint8_t head = byte();
        const auto type = static_cast<Type>(head & 15);
        if (type == stop) return stop;
        id = head >> 4 ? id + (head >> 4) : number();
        return type;
    }
    void skip(Type type, int depth = 0) {
        if (depth > 8) no_header("structs within structs");
        switch (type) {
            case yes:
            case no: return;
            case i8: byte(); return;
            case i16:
            case i32:
            case i64: varint(); return;
            case real: return skip_bytes(8);
            case binary: return skip_bytes(varint());
            case list:
            case set: {
                const uint8_t head = byte();
                uint64_t count = head >> 4 == 15 ? varint() : head >> 4;
                // A boolean in a list has a byte of its own.
                const auto element = static_cast<Type>(head & 15);
                for (; count > 0; --count) element == yes || element == no ? void(byte()) : skip(element, depth + 1);
                return;
            }
            case structure:
                for (int64_t id = 0;;) {
                    const Type inner = field(id);
                    if (inner == stop) return;
                    skip(inner, depth + 1);
                }
            case stop:
            case map: break;
        }
        no_header("a field of a type that none has");
    }

  private:
    void skip_bytes(uint64_t count) {
        if (count > most_read) no_header("a word of " + std::to_string(count) + " bytes");
        if (static_cast<uint64_t>(end_ - at_) < count) throw Truncated{};
        at_ += count;
    }

    const uint8_t *at_, *begin_, *end_;
};

// What is asked of a header, by parquet.thrift's numbers of its fields.
struct Header {
    int64_t kind = -1, page_bytes = -1, stored_bytes = -1, values = 0, encoding = 0;

    void read(Thrift& thrift) {
        enum { type_field = 1, uncompressed_field, compressed_field, data_field = 5, dictionary_field = 7, data_v2_field = 8 };
        for (int64_t id = 0;;) {
            const Thrift::Type type = thrift.field(id);
            if (type == Thrift::stop) return;
            if (type == Thrift::i32 && id == type_field) kind = thrift.number();
            else if (type == Thrift::i32 && id == uncompressed_field) page_bytes = thrift.number();
            else if (type == Thrift::i32 && id == compressed_field) stored_bytes = thrift.number();
            else if (type == Thrift::structure && (id == data_field || id == dictionary_field || id == data_v2_field))
                read_page(thrift, id == data_v2_field ? 4 : 2);
            else thrift.skip(type);
        }
    }

  private:
    void read_page(Thrift& thrift, int64_t encoding_field) {
        for (int64_t id = 0;;) {
            const Thrift::Type type = thrift.field(id);
            if (type == Thrift::stop) return;
            if (type == Thrift::i32 && id == 1) values = thrift.number();
            else if (type == Thrift::i32 && id == encoding_field) encoding = thrift.number();
            else thrift.skip(type);
        }
    }
};

size_t read_at(int file, uint64_t at, std::vector<uint8_t>& into, size_t bytes) {
    into.resize(bytes);
    for (;;) {
        const ssize_t got = pread(file, into.data(), bytes, static_cast<off_t>(at));
        if (got >= 0) return static_cast<size_t>(got);
        if (errno != EINTR) throw std::system_error(errno, std::generic_category());
    }
}

}  // namespace

PageSizes ParquetPages::add(int file, PageChunk chunk) {
    enum Kind { data_page, index_page, dictionary_page, data_page_v2 };
    PageSizes sizes;
    for (uint64_t at = chunk.begin, left = chunk.bytes; left > 0;) {
        Header header;
        size_t header_bytes = 0;
        for (size_t bytes = first_read; !header_bytes; bytes *= 16) {
            const size_t got = read_at(file, at, header_, static_cast<size_t>(std::min<uint64_t>(bytes, left)));
            try {
                Thrift thrift(header_.data(), got);
                header = Header{};
                header.read(thrift);
                header_bytes = thrift.read_bytes();
            } catch (Truncated) {
                if (got < bytes || bytes >= most_read) no_header("longer than its column's pages, or than 65,536 bytes");
            }
        }
        const bool is_dictionary = header.kind == dictionary_page;
        if (header.kind < data_page || header.kind > data_page_v2) no_header("of kind " + std::to_string(header.kind));
        if (header.page_bytes < 0 || header.stored_bytes < 0 || header.values < 0 ||
            static_cast<uint64_t>(header.stored_bytes) > left - header_bytes)
            no_header("a page of " + std::to_string(header.stored_bytes) + " bytes where " + std::to_string(left - header_bytes) + " are left");
        for (size_t i = 0; i < header_bytes; ++i) crc_ = crc_table[(crc_ ^ header_[i]) & 0xff] ^ crc_ >> 8;
        uint32_t& largest = is_dictionary ? sizes.largest_dictionary_bytes : sizes.largest_page_bytes;
        largest = std::max(largest, static_cast<uint32_t>(std::max(header.page_bytes, header.stored_bytes)));
        if (header.kind == data_page || header.kind == data_page_v2) {
            sizes.values += static_cast<uint64_t>(header.values);
            sizes.shares_prefixes |= header.encoding == delta_byte_array;
        }
        const uint64_t whole = header_bytes + static_cast<uint64_t>(header.stored_bytes);
        at += whole;
        left -= whole;
    }
    return sizes;
}

}  // namespace zreplay
