// Columns in and out by the Arrow C data interface: the structs below are its stable ABI
// (https://arrow.apache.org/docs/format/CDataInterface.html), and a PyCapsule is the only hand-over.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    int64_t flags;
    int64_t n_children;
    ArrowSchema** children;
    ArrowSchema* dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void** buffers;
    ArrowArray** children;
    ArrowArray* dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};

namespace zreplay {

// A record batch borrowed from Python for as long as this object lives.
class ArrowBatch {
  public:
    explicit ArrowBatch(nanobind::handle batch)
        : capsules_(nanobind::cast<nanobind::tuple>(batch.attr("__arrow_c_array__")())),
          schema_(static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsules_[0].ptr(), "arrow_schema"))),
          array_(static_cast<ArrowArray*>(PyCapsule_GetPointer(capsules_[1].ptr(), "arrow_array"))) {}

    int64_t rows() const { return array_->length; }

    // Nullptr when there is no such column. `format` is Arrow's type letter ("l" int64, "L" uint64, "C" uint8, …).
    const ArrowArray* column(std::string_view name, std::string_view format) const {
        for (int64_t i = 0; i < schema_->n_children; ++i) {
            const ArrowSchema* child = schema_->children[i];
            if (name != child->name) continue;
            if (format != child->format)
                throw nanobind::type_error(("column " + std::string(name) + " has Arrow type " + child->format +
                                            ", expected " + std::string(format)).c_str());
            return array_->children[i];
        }
        return nullptr;
    }

    const ArrowSchema* schema(std::string_view name) const {
        for (int64_t i = 0; i < schema_->n_children; ++i)
            if (name == schema_->children[i]->name) return schema_->children[i];
        return nullptr;
    }

    int64_t offset() const { return array_->offset; }
    const ArrowSchema* schema() const { return schema_; }

  private:
    nanobind::tuple capsules_;
    ArrowSchema* schema_;
    ArrowArray* array_;
};

// Columns made here, handed to Python as one record batch: an object with __arrow_c_array__ (pa.record_batch takes it).
class ColumnsOut {
  public:
    ColumnsOut() = default;
    ColumnsOut(ColumnsOut&&) = default;
    ColumnsOut& operator=(ColumnsOut&&) = default;

    // `valid` is empty (no nulls) or one byte per row.
    template <class T>
    void add(std::string name, const char* format, std::vector<T> values, const std::vector<uint8_t>& valid = {}) {
        auto column = std::make_unique<Column>();
        column->rows = static_cast<int64_t>(values.size());
        column->name = std::move(name);
        column->format = format;
        auto kept = std::make_shared<std::vector<T>>(std::move(values));
        column->data = kept->data();
        column->keep = std::move(kept);
        if (!valid.empty()) {
            column->bits.assign((valid.size() + 7) / 8, 0);
            for (size_t i = 0; i < valid.size(); ++i) {
                if (valid[i]) column->bits[i / 8] |= static_cast<uint8_t>(1u << (i % 8));
                else ++column->nulls;
            }
        }
        columns_.push_back(std::move(column));
    }

    // Values that stay where they are, in `owner`: the first `rows` of them. `bits` is a bitmap as Arrow has it, empty if
    // there are no nulls.
    template <class T>
    void add_shared(std::string name, const char* format, std::shared_ptr<const void> owner, const std::vector<T>& values,
                    size_t rows, std::vector<uint8_t> bits = {}, size_t nulls = 0) {
        auto column = std::make_unique<Column>();
        column->rows = static_cast<int64_t>(rows);
        column->nulls = static_cast<int64_t>(nulls);
        column->name = std::move(name);
        column->format = format;
        column->data = values.data();
        column->keep = std::move(owner);
        column->bits = std::move(bits);
        columns_.push_back(std::move(column));
    }

    // Gives the columns away as the pair of capsules of __arrow_c_array__.
    nanobind::tuple capsules();

  private:
    struct Column {
        int64_t rows = 0;
        int64_t nulls = 0;
        std::string name;
        const char* format = "";
        const void* data = nullptr;
        std::shared_ptr<const void> keep;
        std::vector<uint8_t> bits;
        const void* buffers[2] = {nullptr, nullptr};
        ArrowSchema schema{};
        ArrowArray array{};
    };
    struct Parent {
        std::vector<std::unique_ptr<Column>> columns;
        std::vector<ArrowSchema*> schemas;
        std::vector<ArrowArray*> arrays;
        const void* buffers[1] = {nullptr};
    };

    std::vector<std::unique_ptr<Column>> columns_;
};

}  // namespace zreplay
