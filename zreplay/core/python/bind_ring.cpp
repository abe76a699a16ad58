// The ring buffer of a kernel that is being recorded.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "converted.hpp"
#include "module.hpp"
#include "trace/ring_buffer.hpp"

namespace zreplay {

void bind_ring(nanobind::module_& module) {
    namespace nb = nanobind;
    using Field = std::tuple<std::string, uint32_t, uint32_t, std::string>;
    nb::class_<RingBuffer>(module, "RingBuffer")
        .def(nb::init<>())
        .def("add_event",
             [](RingBuffer& ring, uint16_t number, std::string_view name, std::string_view function, bool at_return,
                nb::sequence fields) {
                 RingEvent event{std::string(name), std::string(function), at_return, {}};
                 for (const auto& [field, offset, size, kind] : converted<std::vector<Field>>(fields))
                     event.fields.push_back({field, offset, size, kind == "signed", kind == "hex", kind == "string"});
                 ring.add_event(number, std::move(event));
             },
             nb::arg("number"), nb::arg("name"), nb::arg("function"), nb::arg("at_return"), nb::arg("fields"))
        .def("feed",
             [](RingBuffer& ring, uint16_t cpu, nb::bytes page) { return ring.feed(cpu, {page.c_str(), page.size()}); },
             nb::arg("cpu"), nb::arg("page"))
        .def("take",
             [](RingBuffer& ring, uint64_t before_ns) {
                 const std::string text = ring.take(before_ns);
                 return nb::bytes(text.data(), text.size());
             },
             nb::arg("before_ns"))
        .def_prop_ro("events", &RingBuffer::events);
}

}  // namespace zreplay
