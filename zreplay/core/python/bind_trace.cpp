// The ftrace importer, and the checks a trace's rows must pass.
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrow.hpp"
#include "converted.hpp"
#include "event_batch.hpp"
#include "module.hpp"
#include "trace/check.hpp"
#include "trace/cut.hpp"
#include "trace/ftrace.hpp"
#include "trace/ftrace_sight.hpp"
#include "trace/line_merger.hpp"
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
    add_column<uint64_t>(out, "seen_page", "L", rows, [](const TraceRow& row) { return row.page; }, Field::page);
    add_column<int64_t>(out, "call_ts_ns", "l", rows, [](const TraceRow& row) { return row.call_ts_ns; }, Field::call);
    add_column<uint32_t>(out, "call_rows", "I", rows, [](const TraceRow& row) { return row.call_rows; }, Field::call);
    add_column<uint32_t>(out, "alloc_rows", "I", rows, [](const TraceRow& row) { return row.alloc_rows; }, Field::alloc);
    add_column<int64_t>(out, "return_ts_ns", "l", rows, [](const TraceRow& row) { return row.return_ts_ns; }, Field::returned);
    add_column<uint8_t>(out, "made_pages", "C", rows, [](const TraceRow& row) { return row.made_pages; }, Field::made_pages);
    add_column<uint8_t>(out, "referenced", "C", rows, [](const TraceRow& row) { return row.referenced; }, Field::referenced);
    add_column<int8_t>(out, "asked_by", "c", rows, [](const TraceRow& row) { return row.asked_by; }, Field::asked_by);
    add_column<uint64_t>(out, "nr_to_scan", "L", rows, [](const TraceRow& row) { return row.nr_to_scan; }, Field::nr_to_scan);
    add_column<uint64_t>(out, "cgroup", "L", rows, [](const TraceRow& row) { return row.cgroup; }, Field::cgroup);
    add_column<uint16_t>(out, "node", "S", rows, [](const TraceRow& row) { return row.node; }, Field::node);
    return out;
}

// Words by the numbers that the engine has for them: `numbers` are those of the dictionary's words, `indices` a column's
// places in it (int32).
std::unique_ptr<ColumnsOut> renumbered(nanobind::handle indices, nanobind::handle numbers_given) {
    const auto numbers = converted<std::vector<int8_t>>(numbers_given);
    auto capsules = nanobind::cast<nanobind::tuple>(indices.attr("__arrow_c_array__")());
    const auto* schema = static_cast<ArrowSchema*>(PyCapsule_GetPointer(capsules[0].ptr(), "arrow_schema"));
    const auto* array = static_cast<ArrowArray*>(PyCapsule_GetPointer(capsules[1].ptr(), "arrow_array"));
    if (std::string_view(schema->format) != "i") throw nanobind::type_error("indices: expected int32");
    nanobind::gil_scoped_release release;
    const size_t rows = static_cast<size_t>(array->length);
    const auto* places = static_cast<const int32_t*>(array->buffers[1]) + array->offset;
    const auto* bits = array->null_count == 0 ? nullptr : static_cast<const uint8_t*>(array->buffers[0]);
    std::vector<int8_t> found(rows);
    std::vector<uint8_t> valid(bits ? rows : 0);
    for (size_t i = 0; i < rows; ++i) {
        const auto place = static_cast<uint32_t>(places[i]);  // under a null: anything
        found[i] = place < numbers.size() ? numbers[place] : int8_t{0};
    }
    for (size_t i = 0; i < valid.size(); ++i) {
        const size_t bit = static_cast<size_t>(array->offset) + i;
        valid[i] = bits[bit >> 3] >> (bit & 7) & 1;
        if (!valid[i]) found[i] = 0;  // so that even what lies under a null is the number of a word
    }
    ColumnsOut out;
    out.add("numbers", "c", std::move(found), valid);
    return std::make_unique<ColumnsOut>(std::move(out));
}

// Any object's bytes, lent for as long as this lives.
class BorrowedText {
  public:
    explicit BorrowedText(nanobind::handle of) {
        if (PyObject_GetBuffer(of.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nanobind::python_error();
    }
    ~BorrowedText() { PyBuffer_Release(&view_); }
    BorrowedText(const BorrowedText&) = delete;
    BorrowedText& operator=(const BorrowedText&) = delete;
    std::string_view text() const { return {static_cast<const char*>(view_.buf), static_cast<size_t>(view_.len)}; }

  private:
    Py_buffer view_;
};

// Rows that have left the importer, which may go on meanwhile.
struct TakenRows {
    std::vector<TraceRow> rows;
};

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
        .def_ro("first_open_line", &ImportCounts::first_open_line)
        .def_ro("other_events", &ImportCounts::other_events)
        .def_ro("count_times", &ImportCounts::count_times)
        .def_ro("without_cpu", &ImportCounts::without_cpu)
        .def_ro("limit_refusals", &ImportCounts::limit_refusals)
        .def_ro("compress_refusals", &ImportCounts::compress_refusals)
        .def_ro("unexpected_stores", &ImportCounts::unexpected_stores)
        .def_ro("pool_overlaps", &ImportCounts::pool_overlaps)
        .def_ro("overlaps_by_lock", &ImportCounts::overlaps_by_lock)
        .def_ro("overlaps_by_count", &ImportCounts::overlaps_by_count)
        .def_ro("unsure_pages", &ImportCounts::unsure_pages)
        .def_ro("spoiled_lines", &ImportCounts::spoiled_lines)
        .def_ro("empty_discards", &ImportCounts::empty_discards)
        .def_ro("kept_overwritten", &ImportCounts::kept_overwritten);
    nb::class_<TakenRows>(module, "TakenRows").def("columns", [](const TakenRows& taken) {
        nb::gil_scoped_release release;
        return to_columns(taken.rows);
    });
    nb::class_<FtraceImporter>(module, "FtraceImporter")
        .def("__init__",
             [](FtraceImporter* importer, uint32_t header_bytes, bool packed_slots, bool taken_is_one, bool load_is_errno,
                bool loads_take, bool same_filled_in_pool, bool allocs_unanswered, bool answers_errno, uint64_t max_pages, uint64_t accept_pages,
                uint32_t chain, nb::dict functions) {
                 PagesMade made;
                 if (chain == 1) made = PagesMade::one();
                 else if (chain) made = PagesMade(ClassTable(chain == 4 ? ClassRule::a : ClassRule::b, chain));
                 new (importer) FtraceImporter({packed_slots, taken_is_one, load_is_errno, loads_take, same_filled_in_pool,
                                                allocs_unanswered, answers_errno},
                                               header_bytes, {max_pages, accept_pages}, made, converted<Functions>(functions));
             },
             nb::arg("header_bytes"), nb::kw_only(), nb::arg("packed_slots") = false, nb::arg("taken_is_one") = false,
             nb::arg("load_is_errno") = false, nb::arg("loads_take") = false, nb::arg("same_filled_in_pool") = true,
             nb::arg("allocs_unanswered") = false, nb::arg("answers_errno") = false, nb::arg("max_pages") = 0, nb::arg("accept_pages") = 0, nb::arg("chain") = 0,
             nb::arg("functions") = nb::dict())
        .def("feed",
             [](FtraceImporter& importer, nb::handle text) {
                 const BorrowedText borrowed(text);
                 nb::gil_scoped_release release;
                 importer.feed(borrowed.text());
             },
             nb::arg("text"))
        .def("finish", &FtraceImporter::finish, nb::call_guard<nb::gil_scoped_release>())
        .def_prop_ro("ready_rows", &FtraceImporter::ready_rows)
        .def("take", [](FtraceImporter& importer) {
            nb::gil_scoped_release release;
            return to_columns(importer.take());
        })
        .def("take_rows", [](FtraceImporter& importer) { return TakenRows{importer.take()}; })
        .def_prop_ro("counts", &FtraceImporter::counts, nb::rv_policy::copy)
        .def_prop_ro("messages", &FtraceImporter::messages)
        .def_prop_ro("contradiction", &FtraceImporter::contradiction);
    nb::class_<LineMerger>(module, "LineMerger")
        .def(nb::init<size_t>(), nb::arg("inputs"))
        .def("feed",
             [](LineMerger& merger, size_t input, nb::bytes text) { merger.feed(input, {text.c_str(), text.size()}); },
             nb::arg("input"), nb::arg("text"))
        .def("end", &LineMerger::end, nb::arg("input"))
        .def("wants", &LineMerger::wants)
        .def("take", [](LineMerger& merger) {
            std::string merged = merger.take();
            return nb::bytes(merged.data(), merged.size());
        });
    nb::class_<Sighting>(module, "Sighting")
        .def_ro("events", &Sighting::events)
        .def_ro("names_frontswap", &Sighting::names_frontswap)
        .def_ro("allocs_answer", &Sighting::allocs_answer)
        .def_ro("names_zsmalloc", &Sighting::names_zsmalloc)
        .def_ro("stores_answer_errno", &Sighting::stores_answer_errno)
        .def_ro("stores_answer_boolean", &Sighting::stores_answer_boolean);
    module.def("sight", [](nb::bytes text, nb::dict functions_given) {
        const std::string_view view(text.c_str(), text.size());
        const auto functions = converted<Functions>(functions_given);
        nb::gil_scoped_release release;
        return sight(view, functions);
    }, nb::arg("text"), nb::arg("functions") = nb::dict());
    module.def("find_bad_row",
               [](nb::handle batch, int64_t previous_ts_ns) -> nb::object {
                   ArrowBatch arrow(batch);
                   const EventBatch events = numbered_events(arrow);
                   BadRow bad;
                   {
                       nb::gil_scoped_release release;
                       bad = find_bad_row(events, previous_ts_ns);
                   }
                   if (bad.row < 0) return nb::none();
                   return nb::make_tuple(bad.row, bad.column, bad.found, bad.expected);
               },
               nb::arg("batch"), nb::arg("previous_ts_ns"));
    module.def("renumbered", &renumbered, nb::arg("indices"), nb::arg("numbers"));
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
        .def_ro("shrinks_begun", &Survey::shrinks_begun)
        .def_ro("resident_peak", &Survey::resident_peak)
        .def_prop_ro("distinct_slots", &Survey::distinct_slots)
        .def_prop_ro("sizes", &Survey::sizes);
    nb::class_<Check::Finding>(module, "CheckFinding")
        .def_ro("name", &Check::Finding::name)
        .def_ro("count", &Check::Finding::count)
        .def_ro("first_rows", &Check::Finding::first_rows)
        .def_ro("example", &Check::Finding::example);
    nb::class_<Check>(module, "Check")
        .def(nb::init<uint64_t>(), nb::kw_only(), nb::arg("pause_ns"))
        .def("add",
             [](Check& check, nb::handle batch, nb::sequence unread_given) {
                 const auto unread = converted<std::vector<int64_t>>(unread_given);
                 ArrowBatch arrow(batch);
                 EventBatch rows = numbered_events(arrow);
                 nb::gil_scoped_release release;
                 check.add(rows, unread);
             },
             nb::arg("batch"), nb::arg("unread") = nb::tuple())
        .def("findings", &Check::findings)
        .def_ro("events", &Check::events)
        .def_ro("rows", &Check::rows)
        .def_ro("taken", &Check::taken)
        .def_ro("taken_out", &Check::taken_out)
        .def_ro("store_results", &Check::store_results)
        .def_ro("seen_counts", &Check::seen_counts)
        .def_ro("types_used", &Check::types_used)
        .def_ro("types_stored", &Check::types_stored)
        .def_ro("offset_bits", &Check::offset_bits)
        .def_prop_ro("distinct_stored", &Check::distinct_stored);
    nb::class_<Cut>(module, "Cut")
        .def("__init__",
             [](Cut* cut, uint64_t reach, std::pair<int64_t, int64_t> rows, std::pair<int64_t, int64_t> ts_ns, uint32_t types,
                nb::sequence cgroups_given, std::pair<uint64_t, uint64_t> offsets,
                std::pair<uint64_t, uint64_t> sample) {
                 const auto cgroups = converted<std::vector<uint64_t>>(cgroups_given);
                 CutWhat what{rows.first, rows.second, ts_ns.first, ts_ns.second, types, {cgroups.begin(), cgroups.end()},
                              offsets.first, offsets.second, {sample.first, sample.second}};
                 new (cut) Cut(std::move(what), reach);
             },
             nb::arg("reach"), nb::kw_only(), nb::arg("rows"), nb::arg("ts_ns"), nb::arg("types"), nb::arg("cgroups"),
             nb::arg("offsets"), nb::arg("sample"))
        .def("next",
             [](Cut& cut, nb::handle batch) {
                 ArrowBatch arrow(batch);
                 EventBatch rows = numbered_events(arrow);
                 if (!rows.ts_ns.values) throw nb::type_error("a batch to cut needs the column ts_ns (int64)");
                 nb::gil_scoped_release release;
                 Cut::Kept kept = cut.next(rows);
                 ColumnsOut out;
                 out.add("keep", "C", std::move(kept.keep));
                 out.add("call_rows", "I", std::move(kept.call_rows), kept.has_call);
                 out.add("alloc_rows", "I", std::move(kept.alloc_rows), kept.has_alloc);
                 return out;
             },
             nb::arg("batch"))
        .def_prop_ro("past_end", &Cut::past_end);
}

}  // namespace zreplay
