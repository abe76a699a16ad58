#include "trace/parquet_pages.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "trace/thrift.hpp"

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

[[noreturn]] void no_header(const std::string& why) { throw std::invalid_argument("a page's header: " + why); }

// What is asked of a header, by parquet.thrift's numbers of its fields.
struct Header {
    int64_t kind = -1, page_bytes = -1, stored_bytes = -1, values = 0, encoding = 0;

    void read(Thrift& thrift) {
        enum { type_field = 1, uncompressed_field, compressed_field, data_field = 5, dictionary_field = 7, data_v2_field = 8 };
        thrift.fields([&](int64_t id, Thrift::Type type) {
            if (type == Thrift::i32 && id == type_field) kind = thrift.number();
            else if (type == Thrift::i32 && id == uncompressed_field) page_bytes = thrift.number();
            else if (type == Thrift::i32 && id == compressed_field) stored_bytes = thrift.number();
            else if (type == Thrift::structure && (id == data_field || id == dictionary_field || id == data_v2_field))
                read_page(thrift, id == data_v2_field ? 4 : 2);
            else return false;
            return true;
        });
    }

  private:
    void read_page(Thrift& thrift, int64_t encoding_field) {
        thrift.fields(
            [&](int64_t id, Thrift::Type type) {
                if (type == Thrift::i32 && id == 1) values = thrift.number();
                else if (type == Thrift::i32 && id == encoding_field) encoding = thrift.number();
                else return false;
                return true;
            },
            1);
    }
};

// As many bytes as there are: a read may be interrupted, or give less than it was asked for.
size_t read_at(int file, uint64_t at, std::vector<uint8_t>& into, size_t bytes) {
    into.resize(bytes);
    for (size_t done = 0; done < bytes;) {
        const ssize_t got = pread(file, into.data() + done, bytes - done, static_cast<off_t>(at + done));
        if (got == 0) return done;
        if (got > 0) done += static_cast<size_t>(got);
        else if (errno != EINTR) throw std::system_error(errno, std::generic_category());
    }
    return bytes;
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
            } catch (Thrift::Malformed malformed) {
                no_header(malformed.why);
            } catch (Thrift::Truncated) {
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
