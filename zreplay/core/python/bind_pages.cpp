// The headers of a Parquet file's pages.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <system_error>

#include "converted.hpp"
#include "module.hpp"
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
