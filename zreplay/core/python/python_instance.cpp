#include "python_instance.hpp"

#include <nanobind/stl/string.h>
#include <structmember.h>

#include "converted.hpp"
#include "plugin/failed.hpp"

namespace zreplay {

namespace nb = nanobind;

struct PythonCost {
    PyObject_HEAD
    zr_cost counts;
};

namespace {

#define COUNTER(name, what) {#name, T_ULONGLONG, offsetof(PythonCost, counts) + offsetof(zr_cost, name), 0, what}
PyMemberDef cost_members[] = {
    COUNTER(nodes_visited, "Nodes of an index looked into."),
    COUNTER(cache_lines, "Lines of 64 bytes of them touched, once an access."),
    COUNTER(nodes_allocated, "Nodes that there are more."),
    COUNTER(nodes_freed, "Nodes that there are less."),
    COUNTER(slots_written, "Words written that name a location, a child or a link."),
    COUNTER(tag_words_written, "64-bit words of tags written."),
    COUNTER(headers_read, "Of a pool: page headers or descriptors looked into."),
    {}};
#undef COUNTER

PyObject* cost_type = nullptr;
constexpr size_t most_shown = 80;

}  // namespace

void bind_python_cost(nb::module_& module) {
    PyType_Slot slots[] = {{Py_tp_members, cost_members}, {Py_tp_doc, const_cast<char*>("What operations have cost: add to it.")}, {0, nullptr}};
    PyType_Spec spec = {"_zreplay.Cost", sizeof(PythonCost), 0, Py_TPFLAGS_DEFAULT, slots};
    cost_type = PyType_FromSpec(&spec);
    if (!cost_type) throw nb::python_error();
    module.attr("Cost") = nb::handle(cost_type);
}

Instance::Instance(const PythonClass& python_class, zr_host* its_host, std::initializer_list<const char*> method_names, const nb::object& self)
    : of(python_class), names(method_names), host(its_host), cost_(self.attr("cost")) {
    for (const char* name : names) methods.push_back(self.attr(name));
    if (Py_TYPE(cost_.ptr()) != reinterpret_cast<PyTypeObject*>(cost_type))
        throw PluginFailed(of.label, "has something else for cost, expected the zreplay.plugins.Cost that it was made with");
    counts_ = reinterpret_cast<uint64_t*>(&reinterpret_cast<PythonCost*>(cost_.ptr())->counts);
}

std::string call_text(const Instance& in, int method, std::initializer_list<uint64_t> arguments) {
    std::string text = in.names.begin()[method];
    const char* between = "(";
    for (uint64_t argument : arguments) text += std::exchange(between, ", ") + std::to_string(argument);
    return text + (arguments.size() ? ")" : "()");
}

[[gnu::cold]] void raised(const PythonClass& of, const std::string& call) {
    const bool is_error = !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);  // SystemExit too, which would end us as if all was well
    nb::python_error error;
    if (!is_error) throw error;
    throw PluginFailed(of.label, call + " raised " + converted<std::string>(of.told(error.value())));
}

[[gnu::cold]] void answered(const Instance& in, const std::string& call, nb::handle found, const char* expected) {
    PyErr_Clear();
    std::string text = nb::repr(found).c_str();
    if (text.size() > most_shown) text = text.substr(0, most_shown) + "…";
    throw PluginFailed(in.of.label, call + " gave " + text + ", expected " + expected);
}

bool as_word(nb::handle value, uint64_t& word) {
    if (!PyLong_CheckExact(value.ptr())) return false;
    word = PyLong_AsUnsignedLongLong(value.ptr());
    return !(word == ~uint64_t{0} && PyErr_Occurred());
}

}  // namespace zreplay
