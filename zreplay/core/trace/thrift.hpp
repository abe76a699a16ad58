// Thrift's compact protocol, as far as Parquet's headers and footers go in it, over bytes that may be anybody's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zreplay {

class Thrift {
  public:
    enum Type : uint8_t { stop, yes, no, i8, i16, i32, i64, real, binary, list, set, map, structure };

    struct Truncated {};
    struct Malformed {
        const char* why;
    };
    struct Bytes {
        const uint8_t* data;
        size_t size;
    };
    struct List {
        uint64_t count;
        Type type;
    };

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
        throw Malformed{"a number without an end"};
    }
    int64_t number() {
        const uint64_t zigzag = varint();
        return static_cast<int64_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
    }
    Bytes bytes() {
        const uint64_t count = varint();
        if (static_cast<uint64_t>(end_ - at_) < count) throw Truncated{};
        at_ += count;
        return {at_ - count, static_cast<size_t>(count)};
    }
    List elements() {
        const uint8_t head = byte();
        return {head >> 4 == 15 ? varint() : uint64_t{head} >> 4, static_cast<Type>(head & 15)};
    }
    // Each field of a struct: its number and its type; `take` reads it whole, or says false and it is passed over.
    template <class Take>
    void fields(Take take, int depth = 0) {
        if (depth > most_depth) throw Malformed{"structs within structs"};
        for (int64_t id = 0;;) {
            const uint8_t head = byte();
            const auto type = static_cast<Type>(head & 15);
            if (type == stop) return;
            // A number of a field that is no small one is nobody's, whatever it is.
            id = head >> 4 ? static_cast<int64_t>(static_cast<uint64_t>(id) + (head >> 4)) : number();
            if (!take(id, type)) skip(type, depth + 1);
        }
    }

  private:
    static constexpr int most_depth = 8;

    void skip(Type type, int depth) {
        if (depth > most_depth) throw Malformed{"structs within structs"};
        switch (type) {
            case yes:
            case no: return;
            case i8: byte(); return;
            case i16:
            case i32:
            case i64: varint(); return;
            case real:
                for (int i = 0; i < 8; ++i) byte();
                return;
            case binary: bytes(); return;
            case list:
            case set: {
                const List inner = elements();
                // A boolean in a list has a byte of its own.
                for (uint64_t i = 0; i < inner.count; ++i) inner.type == yes || inner.type == no ? void(byte()) : skip(inner.type, depth + 1);
                return;
            }
            case structure: return fields([](int64_t, Type) { return false; }, depth);
            case stop:
            case map: break;
        }
        throw Malformed{"a field of a type that none has"};
    }

    const uint8_t *at_, *begin_, *end_;
};

}  // namespace zreplay
