// The ftrace importer, and the checks a trace's rows must pass.
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrow.hpp"
#include "event_batch.hpp"
#include "module.hpp"
#include "trace/ftrace.hpp"
#include "trace/rows.hpp"

namespace zreplay {

namespace {

// One column out of the rows, with its validity where it may be null.
template <class T, class Get>
void add_column(ColumnsOut& out, const char* name, const char* format, const std::vector<TraceRow>& rows, Get get) {
    std::vector<T> values(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) values[i] = static_cast<T>(get(rows[i]));
    out.add(name, format, std::move(values));
}

template <class T, class Get>
void add_column(ColumnsOut& out, const char* name, const char* format, const std::vector<TraceRow>& rows, Get get,
                Field field) {
    std::vector<T> values(rows.size());
    std::vector<uint8_t> valid(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        valid[i] = rows[i].has(field);
        if (valid[i]) values[i] = static_cast<T>(get(rows[i]));
    }
    out.add(name, format, std::move(values), valid);
}

ColumnsOut to_columns(const std::vector<TraceRow>& rows) {
    ColumnsOut out;
    add_column<int64_t>(out, "ts_ns", "l", rows, [](const TraceRow& row) { return row.ts_ns; });
    add_column<int8_t>(out, "op", "c", rows, [](const TraceRow& row) { return row.op; });
    add_column<uint8_t>(out, "type", "C", rows, [](const TraceRow& row) { return row.type; }, Field::type);
    add_column<uint64_t>(out, "offset", "L", rows, [](const TraceRow& row) { return row.offset; }, Field::offset);
    add_column<uint32_t>(out, "size", "I", rows, [](const TraceRow& row) { return row.size; }, Field::size);
    add_column<uint16_t>(out, "cpu", "S", rows, [](const TraceRow& row) { return row.cpu; });
    add_column<int32_t>(out, "pid", "i", rows, [](const TraceRow& row) { return row.pid; });
    add_column<int32_t>(out, "result", "i", rows, [](const TraceRow& row) { return row.result; }, Field::result);
    add_column<int64_t>(out, "seen_stored", "l", rows, [](const TraceRow& row) { return row.stored; }, Field::stored);
    add_column<int64_t>(out, "seen_pool_pages", "l", rows, [](const TraceRow& row) { return row.pool_pages; },
                        Field::pool_pages);
    add_column<uint64_t>(out, "seen_handle", "L", rows, [](const TraceRow& row) { return row.handle; }, Field::handle);
    return out;
}

}  // namespace

void bind_trace(nanobind::module_& module) {
    namespace nb = nanobind;
    nb::class_<ImportCounts>(module, "ImportCounts")
        .def_ro("lines", &ImportCounts::lines)
        .def_ro("lost_events", &ImportCounts::lost_events)
        .def_ro("unreadable_lines", &ImportCounts::unreadable_lines)
        .def_ro("backward_times", &ImportCounts::backward_times)
        .def_ro("unpaired_lines", &ImportCounts::unpaired_lines)
        .def_ro("open_calls", &ImportCounts::open_calls)
        .def_ro("other_events", &ImportCounts::other_events);
    nb::class_<FtraceImporter>(module, "FtraceImporter")
        .def(nb::init<uint32_t>(), nb::arg("header_bytes"))
        .def("feed",
             [](FtraceImporter& importer, nb::handle text) {
                 Py_buffer view;
                 if (PyObject_GetBuffer(text.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
                 {
                     nb::gil_scoped_release release;
                     importer.feed({static_cast<const char*>(view.buf), static_cast<size_t>(view.len)});
                 }
                 PyBuffer_Release(&view);
             },
             nb::arg("text"))
        .def("finish", &FtraceImporter::finish, nb::call_guard<nb::gil_scoped_release>())
        .def_prop_ro("ready_rows", &FtraceImporter::ready_rows)
        .def("take", [](FtraceImporter& importer) {
            nb::gil_scoped_release release;
            return to_columns(importer.take());
        })
        .def_prop_ro("counts", &FtraceImporter::counts, nb::rv_policy::copy)
        .def_prop_ro("messages", &FtraceImporter::messages);
    module.def("find_bad_row",
               [](nb::handle batch, int64_t previous_ts_ns) -> nb::object {
                   ArrowBatch arrow(batch);
                   BadRow bad = find_bad_row(numbered_events(arrow), previous_ts_ns);
                   if (bad.row < 0) return nb::none();
                   return nb::make_tuple(bad.row, bad.column, bad.found, bad.expected);
               },
               nb::arg("batch"), nb::arg("previous_ts_ns"));
    nb::class_<Survey>(module, "Survey")
        .def(nb::init<>())
        .def("add",
             [](Survey& survey, nb::handle batch) {
                 ArrowBatch arrow(batch);
                 EventBatch rows = numbered_events(arrow);
                 nb::gil_scoped_release release;
                 survey.add(rows);
             },
             nb::arg("batch"))
        .def_ro("events", &Survey::events)
        .def_ro("rows", &Survey::rows)
        .def_ro("first_ts_ns", &Survey::first_ts_ns)
        .def_ro("last_ts_ns", &Survey::last_ts_ns)
        .def_ro("stores_rejected", &Survey::stores_rejected)
        .def_ro("stores_same_filled", &Survey::stores_same_filled)
        .def_ro("stores_without_size", &Survey::stores_without_size)
        .def_ro("loads_missed", &Survey::loads_missed)
        .def_ro("writebacks_failed", &Survey::writebacks_failed)
        .def_ro("compactions_interrupted", &Survey::compactions_interrupted)
        .def_ro("resident_peak", &Survey::resident_peak)
        .def_prop_ro("distinct_slots", &Survey::distinct_slots)
        .def_prop_ro("sizes", &Survey::sizes);
}

}  // namespace zreplay
