// The footer of a Parquet file, and the headers of its pages.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <system_error>

#include "converted.hpp"
#include "module.hpp"
#include "trace/parquet_footer.hpp"
#include "trace/parquet_pages.hpp"

namespace zreplay {

void bind_pages(nanobind::module_& module) {
    namespace nb = nanobind;
    // What the system refuses is an OSError with its number, in place of a RuntimeError.
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::system_error& error) {
            errno = error.code().value();
            PyErr_SetFromErrno(PyExc_OSError);
        }
    });
    using Chunk = std::tuple<uint64_t, uint64_t, int64_t, std::optional<int64_t>, std::optional<int64_t>>;
    module.def("parquet_footer",
               [](nb::bytes footer) {
                   std::vector<std::pair<int64_t, std::vector<Chunk>>> told;
                   for (const FooterGroup& group : read_footer({static_cast<const uint8_t*>(footer.data()), footer.size()})) {
                       auto& chunks = told.emplace_back(group.rows, std::vector<Chunk>{}).second;
                       for (const FooterChunk& chunk : group.chunks) chunks.emplace_back(chunk.begin, chunk.bytes, chunk.values, chunk.nulls, chunk.most);
                   }
                   return told;
               },
               nb::arg("footer"));
    using Told = std::tuple<uint32_t, uint32_t, uint64_t, bool>;
    module.def("parquet_pages",
               [](int file, nb::sequence chunks_given) {
                   const auto chunks = converted<std::vector<std::pair<uint64_t, uint64_t>>>(chunks_given);
                   ParquetPages pages;
                   std::vector<Told> told;
                   {
                       nb::gil_scoped_release release;
                       for (const auto& [begin, bytes] : chunks) {
                           const PageSizes sizes = pages.add(file, {begin, bytes});
                           told.emplace_back(sizes.largest_dictionary_bytes, sizes.largest_page_bytes, sizes.values, sizes.shares_prefixes);
                       }
                   }
                   return std::pair(pages.crc32(), told);
               },
               nb::arg("file"), nb::arg("chunks"));
}

}  // namespace zreplay
