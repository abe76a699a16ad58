// The rows of a sample of a trace's slots, out of its batches.
#include <nanobind/stl/tuple.h>

#include <string>
#include <tuple>

#include "event_batch.hpp"
#include "module.hpp"
#include "trace/slot_sample.hpp"

namespace zreplay {

namespace nb = nanobind;

namespace {

template <class T>
void gather(ColumnsOut& out, const ArrowBatch& batch, const char* name, const char* format, const std::vector<uint32_t>& rows) {
    const Column<T> column = column_of<T>(batch, name, format);
    const size_t count = rows.size();
    std::vector<T> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = column[rows[i]];
    std::vector<uint8_t> valid(column.validity ? count : 0);
    for (size_t i = 0; i < valid.size(); ++i) valid[i] = column.has(rows[i]);
    out.add(name, format, std::move(values), valid);
}

// How many rows a call stands before its own, of the rows that stayed. Null where it was, or where the trace has no such row.
void recount(ColumnsOut& out, const SampledRows& sampled, const Column<uint32_t>& column, const char* name,
             const std::vector<uint32_t>& rows) {
    std::vector<uint32_t> values(rows.size());
    std::vector<uint8_t> valid(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        if (!column.has(rows[i])) continue;
        const auto counted = sampled.kept_among(i, column[rows[i]]);
        values[i] = counted.value_or(0);
        valid[i] = counted.has_value();
    }
    out.add(name, "I", std::move(values), valid);
}

ColumnsOut next(SampledRows& sampled, const ArrowBatch& batch) {
    const EventBatch events = numbered_events(batch);
    const std::vector<uint32_t>& rows = sampled.next(events);
    ColumnsOut out;
    const ArrowSchema& schema = *batch.schema();
    for (int64_t i = 0; i < schema.n_children; ++i) {
        const char* name = schema.children[i]->name;
        const std::string_view column = name;
        if (column == "call_rows") recount(out, sampled, events.call_rows, name, rows);
        else if (column == "alloc_rows") recount(out, sampled, events.alloc_rows, name, rows);
        else switch (schema.children[i]->format[0]) {
            case 'c': gather<int8_t>(out, batch, name, "c", rows); break;
            case 'C': gather<uint8_t>(out, batch, name, "C", rows); break;
            case 'S': gather<uint16_t>(out, batch, name, "S", rows); break;
            case 'i': gather<int32_t>(out, batch, name, "i", rows); break;
            case 'I': gather<uint32_t>(out, batch, name, "I", rows); break;
            case 'l': gather<int64_t>(out, batch, name, "l", rows); break;
            case 'L': gather<uint64_t>(out, batch, name, "L", rows); break;
            default: throw nb::type_error((std::string("column ") + name + " has Arrow type " + schema.children[i]->format).c_str());
        }
    }
    return out;
}

}  // namespace

void bind_sample(nb::module_& module) {
    nb::class_<SampledRows>(module, "SampledRows", "The rows of a sample of slots, batch by batch.")
        .def("__init__",
             [](SampledRows* sampled, std::tuple<uint64_t, uint64_t, uint64_t, uint64_t> sample, uint64_t reach, bool counts) {
                 auto [keep, of, within, first] = sample;
                 new (sampled) SampledRows({keep, of, within, first}, reach, counts);
             },
             nb::arg("sample"), nb::arg("reach"), nb::arg("counts") = false)
        .def("next",
             [](SampledRows& sampled, nb::handle record_batch) {
                 ArrowBatch batch(record_batch);
                 nb::gil_scoped_release unlocked;
                 return next(sampled, batch);
             },
             nb::arg("batch"), "Those of the next batch; words as their numbers.")
        .def_prop_ro("slots", &SampledRows::slots, "That stayed.")
        .def_prop_ro("stores", &SampledRows::stores, "That came, whether or not they stayed.")
        .def_prop_ro("loads", &SampledRows::loads, "Likewise.");
}

}  // namespace zreplay
