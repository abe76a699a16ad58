// Record batches as row groups of Parquet.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "arrow.hpp"
#include "module.hpp"
#include "trace/parquet_group.hpp"

namespace zreplay {

namespace nb = nanobind;

namespace {

// An encoder and the columns of the batches that it gets.
struct Groups {
    std::vector<ParquetGroup::Column> columns;
    std::vector<std::string> formats;  // Arrow's type letters; of words, of their numbers
    ParquetGroup group;
};

void set_type(ParquetGroup::Column& column, std::string_view format) {
    constexpr std::string_view letters = "cCsSiIlL";
    const size_t at = format.size() == 1 ? letters.find(format[0]) : letters.npos;
    if (at == letters.npos) throw nb::type_error(("column " + column.name + " has Arrow type " + std::string(format)).c_str());
    column.bytes = static_cast<uint8_t>(1u << at / 2);
    column.is_signed = at % 2 == 0;
}

Groups* groups_of(nb::list columns) {
    auto groups = std::make_unique<Groups>();
    for (nb::handle item : columns) {
        const auto given = nb::cast<nb::dict>(item);
        ParquetGroup::Column column;
        column.name = nb::cast<std::string>(given["name"]);
        column.nullable = nb::cast<bool>(given["nullable"]);
        column.ranged = nb::cast<bool>(given["ranged"]);
        column.words = nb::cast<std::vector<std::string>>(given["words"]);
        const auto encoding = nb::cast<std::string>(given["encoding"]);
        column.encoding = encoding == "dictionary"    ? ParquetGroup::Encoding::dictionary
                          : encoding == "differences" ? ParquetGroup::Encoding::differences
                                                      : ParquetGroup::Encoding::plain;
        groups->formats.push_back(nb::cast<std::string>(given["format"]));
        set_type(column, groups->formats.back());
        groups->columns.push_back(std::move(column));
    }
    return groups.release();
}

nb::tuple encode(Groups& groups, nb::list batches, uint64_t file_bytes) {
    std::vector<std::unique_ptr<ArrowBatch>> arrows;
    for (nb::handle batch : batches) arrows.push_back(std::make_unique<ArrowBatch>(batch));
    for (size_t i = 0; i < groups.columns.size(); ++i) {
        ParquetGroup::Column& column = groups.columns[i];
        column.pieces.clear();
        for (const auto& arrow : arrows) {
            const ArrowArray* array = arrow->column(column.name, groups.formats[i]);
            if (!array) throw nb::type_error(("no column " + column.name).c_str());
            // Arrow knows of a number of nulls below 0: not counted yet.
            const auto* validity = array->null_count == 0 ? nullptr : static_cast<const uint8_t*>(array->buffers[0]);
            column.pieces.push_back({array->buffers[1], validity, array->offset + arrow->offset(), arrow->rows()});
        }
    }
    {
        nb::gil_scoped_release unlocked;
        groups.group.encode(groups.columns, file_bytes);
    }
    const std::string &bytes = groups.group.bytes(), &metadata = groups.group.metadata();
    return nb::make_tuple(nb::bytes(bytes.data(), bytes.size()), nb::bytes(metadata.data(), metadata.size()));
}

}  // namespace

void bind_parquet(nb::module_& module) {
    nb::class_<Groups>(module, "ParquetGroup", "Encodes record batches with these columns.")
        .def(nb::new_([](nb::list columns) { return groups_of(columns); }), nb::arg("columns"))
        .def("encode", &encode, nb::arg("batches"), nb::arg("file_bytes"),
             "A row group of the batches, for a file that is so long by now: its bytes, and those of its metadata.");
}

}  // namespace zreplay
