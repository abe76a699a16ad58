#include "trace/parquet_footer.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "trace/thrift.hpp"

namespace zreplay {

namespace {

enum Physical : int64_t { int32 = 1, int64 = 2 };  // of parquet.thrift's Type

[[noreturn]] void no_footer(const std::string& why) { throw std::invalid_argument("its footer: " + why); }

// A statistic as a number; of another length, or negative as what has no sign may look, it is none.
template <class T>
std::optional<int64_t> positive(Thrift::Bytes bytes) {
    T value;
    if (bytes.size != sizeof value) return std::nullopt;
    std::memcpy(&value, bytes.data, sizeof value);
    return value < 0 ? std::nullopt : std::optional<int64_t>(value);
}

// The structs of parquet.thrift, by the numbers of their fields; each is read whole.
class Footer {
  public:
    explicit Footer(std::span<const uint8_t> bytes) : thrift_(bytes.data(), bytes.size()) {}

    std::vector<FooterGroup> read() {
        enum { schema_field = 2, groups_field = 4 };
        thrift_.fields([&](int64_t id, Thrift::Type type) {
            if (type != Thrift::list || (id != schema_field && id != groups_field)) return false;
            const Thrift::List list = thrift_.elements();
            if (list.type != Thrift::structure) no_footer("a list of what are no structs");
            // Of two lists the second counts, as it does for Arrow.
            if (id == schema_field) leaf_types_.clear();
            else groups_.clear(), types_.clear();
            for (uint64_t i = 0; i < list.count; ++i) id == schema_field ? read_element() : read_group();
            return true;
        });
        for (size_t group = 0; group < groups_.size(); ++group) check(group);
        return std::move(groups_);
    }

  private:
    struct Chunk : FooterChunk {
        int64_t type = -1, stored_bytes = -1, data_at = 0, dictionary_at = 0;
        bool has_metadata = false, is_encrypted = false;
        std::optional<Thrift::Bytes> most_bytes;
    };

    void read_element() {
        enum { type_field = 1, children_field = 5 };
        int64_t type = -1, children = 0;
        thrift_.fields([&](int64_t id, Thrift::Type kind) {
            if (kind == Thrift::i32 && id == type_field) type = thrift_.number();
            else if (kind == Thrift::i32 && id == children_field) children = thrift_.number();
            else return false;
            return true;
        });
        if (type >= 0 && children == 0) leaf_types_.push_back(type);
    }

    void read_group() {
        enum { columns_field = 1, rows_field = 3 };
        FooterGroup& group = groups_.emplace_back();
        types_.emplace_back();
        thrift_.fields([&](int64_t id, Thrift::Type type) {
            if (type == Thrift::i64 && id == rows_field) group.rows = thrift_.number();
            else if (type == Thrift::list && id == columns_field) {
                const Thrift::List list = thrift_.elements();
                if (list.type != Thrift::structure) no_footer("columns that are no structs");
                group.chunks.clear();
                types_.back().clear();
                for (uint64_t i = 0; i < list.count; ++i) read_chunk(group);
            } else return false;
            return true;
        });
    }

    void read_chunk(FooterGroup& group) {
        enum { metadata_field = 3, crypto_field = 8, encrypted_field = 9 };
        Chunk chunk;
        thrift_.fields(
            [&](int64_t id, Thrift::Type type) {
                chunk.is_encrypted |= id == crypto_field || id == encrypted_field;
                if (type != Thrift::structure || id != metadata_field) return false;
                chunk.has_metadata = true;
                read_metadata(chunk);
                return true;
            },
            1);
        if (chunk.is_encrypted) no_footer("a column that is encrypted, expected one that is not");
        if (!chunk.has_metadata) no_footer("a column without metadata");
        // 0 where there is none: a group of no rows has dictionaries at most.
        const int64_t begin = chunk.dictionary_at && chunk.data_at ? std::min(chunk.dictionary_at, chunk.data_at) : chunk.dictionary_at + chunk.data_at;
        if (begin < 0 || chunk.stored_bytes < 0)
            no_footer("a column of " + std::to_string(chunk.stored_bytes) + " bytes at byte " + std::to_string(begin));
        chunk.begin = static_cast<uint64_t>(begin);
        chunk.bytes = static_cast<uint64_t>(chunk.stored_bytes);
        if (chunk.most_bytes && chunk.type == int32) chunk.most = positive<int32_t>(*chunk.most_bytes);
        if (chunk.most_bytes && chunk.type == int64) chunk.most = positive<int64_t>(*chunk.most_bytes);
        group.chunks.push_back(chunk);
        types_.back().push_back(chunk.type);
    }

    void read_metadata(Chunk& chunk) {
        enum { type_field = 1, values_field = 5, stored_field = 7, data_field = 9, dictionary_field = 11, statistics_field = 12 };
        thrift_.fields(
            [&](int64_t id, Thrift::Type type) {
                if (type == Thrift::i32 && id == type_field) chunk.type = thrift_.number();
                else if (type == Thrift::i64 && id == values_field) chunk.values = thrift_.number();
                else if (type == Thrift::i64 && id == stored_field) chunk.stored_bytes = thrift_.number();
                else if (type == Thrift::i64 && id == data_field) chunk.data_at = thrift_.number();
                else if (type == Thrift::i64 && id == dictionary_field) chunk.dictionary_at = thrift_.number();
                else if (type == Thrift::structure && id == statistics_field) read_statistics(chunk);
                else return false;
                return true;
            },
            2);
    }

    void read_statistics(Chunk& chunk) {
        enum { nulls_field = 3, most_field = 5 };
        thrift_.fields(
            [&](int64_t id, Thrift::Type type) {
                if (type == Thrift::i64 && id == nulls_field) chunk.nulls = thrift_.number();
                else if (type == Thrift::binary && id == most_field) chunk.most_bytes = thrift_.bytes();
                else return false;
                return true;
            },
            3);
    }

    void check(size_t group) const {
        const std::vector<int64_t>& types = types_[group];
        if (types.size() != leaf_types_.size())
            no_footer("row group " + std::to_string(group) + " has " + std::to_string(types.size()) + " columns, expected " + std::to_string(leaf_types_.size()));
        const auto other = std::mismatch(types.begin(), types.end(), leaf_types_.begin()).first - types.begin();
        if (static_cast<size_t>(other) < types.size())
            no_footer("row group " + std::to_string(group) + " has another type in its column " + std::to_string(other) + " than the schema");
    }

    Thrift thrift_;
    std::vector<int64_t> leaf_types_;
    std::vector<FooterGroup> groups_;
    std::vector<std::vector<int64_t>> types_;  // of the chunks, group by group
};

}  // namespace

std::vector<FooterGroup> read_footer(std::span<const uint8_t> footer) {
    try {
        return Footer(footer).read();
    } catch (Thrift::Malformed malformed) {
        no_footer(malformed.why);
    } catch (Thrift::Truncated) {
        no_footer("ends too early");
    }
}

}  // namespace zreplay
