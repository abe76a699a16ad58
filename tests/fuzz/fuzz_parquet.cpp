// libFuzzer over what reads a Parquet file before Arrow does: its footer, and the headers of its pages. Built and run by
// tests/fuzz/fuzz_core.py.
//
// Whatever the bytes: no crash, no undefined behaviour, what they say or one error of one line; chunks that lie in what a file
// can be, no more of them than there are bytes, and of a chunk's pages the same in two chunks that
// meet at the cut, where both can be read.
//
//     input   | what | cut, two bytes | footer (what is even) or pages …
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <stdexcept>

#include "expect.hpp"
#include "trace/parquet_footer.hpp"
#include "trace/parquet_pages.hpp"

using namespace zreplay;

namespace {

constexpr size_t head_bytes = 3;

void expect_footer(std::span<const uint8_t> bytes) {
    try {
        size_t chunks = 0, groups = 0;
        for (const FooterGroup& group : read_footer(bytes)) {
            ++groups;
            for (const FooterChunk& chunk : group.chunks) {
                ++chunks;
                EXPECT(chunk.begin <= INT64_MAX && chunk.bytes <= INT64_MAX);
                EXPECT(!chunk.most || *chunk.most >= 0);
            }
        }
        EXPECT(groups + chunks <= bytes.size());
    } catch (const std::invalid_argument& error) {
        expect_one_line(error.what());
    }
}

// A file in memory, which is written over by each input.
int file_of(std::span<const uint8_t> bytes) {
    static const int file = memfd_create("pages", 0);
    EXPECT(file >= 0 && ftruncate(file, 0) == 0);
    EXPECT(pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return file;
}

void expect_pages(std::span<const uint8_t> bytes, size_t cut) {
    const int file = file_of(bytes);
    try {
        ParquetPages whole;
        const PageSizes sizes = whole.add(file, {0, bytes.size()});
        if (cut > bytes.size()) return;
        try {
            ParquetPages parts;
            const PageSizes first = parts.add(file, {0, cut}), rest = parts.add(file, {cut, bytes.size() - cut});
            EXPECT(parts.crc32() == whole.crc32() && first.values + rest.values == sizes.values);
        } catch (const std::invalid_argument&) {
            // Not where a page ends.
        }
    } catch (const std::invalid_argument& error) {
        expect_one_line(error.what());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < head_bytes) return 0;
    const std::span<const uint8_t> rest(data + head_bytes, size - head_bytes);
    if (data[0] % 2) expect_pages(rest, data[1] + size_t{256} * data[2]);
    else expect_footer(rest);
    return 0;
}
