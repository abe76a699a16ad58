// An instance of a class that is plugged in, and how its methods are called.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plugin/zreplay_plugin.h"
#include "python_plugin.hpp"

namespace zreplay {

// What operations have cost, as Python has it: seven counters to add to, without a call for each.
void bind_python_cost(nanobind::module_& module);

// The locations that an index has been given and has not given back yet, and how often each. The engine follows what an index answers as
// an address: one that is none of these is a mistake to be told, and not to be followed.
class Given {
  public:
    bool has(uint64_t location) const { return words_.contains(location); }
    void add(uint64_t location) { ++words_[location]; }
    bool take(uint64_t location) {
        const auto place = words_.find(location);
        if (place == words_.end()) return false;
        if (!--place->second) words_.erase(place);
        return true;
    }

  private:
    std::unordered_map<uint64_t, uint32_t> words_;
};

struct Instance;

// What a pool in Python has of its host; of an instance that is gone, nothing.
struct PoolHost {
    Instance* instance = nullptr;
};

struct Instance {
    const PythonClass& of;
    std::initializer_list<const char*> names;  // of its methods, in the same order
    std::vector<nanobind::object> methods;
    zr_host* host;
    zr_cost* account = nullptr;  // of the call under way
    PoolHost* pool_host = nullptr;
    Given given;

    // Throws PluginFailed, or Python's error.
    Instance(const PythonClass& python_class, zr_host* its_host, std::initializer_list<const char*> method_names, const nanobind::object& self);

    // What has been counted since the last time goes on the account of the call under way.
    void charge() {
        if (!account) return;
        auto* to = reinterpret_cast<uint64_t*>(account);
        for (size_t i = 0; i < counters; ++i) to[i] += std::exchange(counts_[i], 0);
    }

  private:
    static constexpr size_t counters = sizeof(zr_cost) / sizeof(uint64_t);

    nanobind::object cost_;
    uint64_t* counts_;  // in it
};

std::string call_text(const Instance& in, int method, std::initializer_list<uint64_t> arguments);
// Python's error, which is set, as one line of the plugin's. An interrupt is nobody's error, and goes on as it is.
[[noreturn]] void raised(const PythonClass& of, const std::string& call);
[[noreturn]] void answered(const Instance& in, const std::string& call, nanobind::handle found, const char* expected);

template <class T>
PyObject* number(T value) {
    if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
    else return PyLong_FromUnsignedLongLong(value);
}

// in.method(arguments…), by vectorcall: it is made for every event.
template <class... Arguments>
nanobind::object call(Instance& in, int method, zr_cost* account, Arguments... arguments) {
    constexpr size_t count = sizeof...(Arguments);
    PyObject* values[count + 1] = {nullptr, number(arguments)...};
    zr_cost* const before = std::exchange(in.account, account);
    PyObject* result = PyObject_Vectorcall(in.methods[static_cast<size_t>(method)].ptr(), values + 1,
                                           count | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
    in.charge();
    in.account = before;
    for (size_t i = 1; i <= count; ++i) Py_DECREF(values[i]);
    if (!result) [[unlikely]] raised(in.of, call_text(in, method, {uint64_t{arguments}...}));
    return nanobind::steal(result);
}

bool as_word(nanobind::handle value, uint64_t& word);

// The numbers of a tuple.
template <size_t N>
bool as_words(nanobind::handle value, std::array<uint64_t, N>& words) {
    if (!PyTuple_Check(value.ptr()) || PyTuple_Size(value.ptr()) != Py_ssize_t{N}) return false;
    for (size_t i = 0; i < N; ++i)
        if (!as_word(PyTuple_GetItem(value.ptr(), static_cast<Py_ssize_t>(i)), words[i])) return false;
    return true;
}

template <class... Arguments>
uint64_t word_of(Instance& in, int method, const char* expected, zr_cost* account, Arguments... arguments) {
    const nanobind::object result = call(in, method, account, arguments...);
    uint64_t word = 0;
    if (!as_word(result, word)) [[unlikely]] answered(in, call_text(in, method, {uint64_t{arguments}...}), result, expected);
    return word;
}

// A word that is not 0, or 0 for None.
template <class... Arguments>
uint64_t word_or_none(Instance& in, int method, const char* expected, zr_cost* account, Arguments... arguments) {
    const nanobind::object result = call(in, method, account, arguments...);
    uint64_t word = 0;
    if (!result.is_none() && (!as_word(result, word) || !word)) [[unlikely]]
        answered(in, call_text(in, method, {uint64_t{arguments}...}), result, expected);
    return word;
}

// A word, or a negative errno.
template <class... Arguments>
int word_or_error(Instance& in, int method, uint64_t& word, const char* expected, zr_cost* account, Arguments... arguments) {
    const nanobind::object result = call(in, method, account, arguments...);
    if (as_word(result, word)) [[likely]] return 0;
    PyErr_Clear();
    int error = 0;
    if (!nanobind::try_cast(result, error) || error >= 0) answered(in, call_text(in, method, {uint64_t{arguments}...}), result, expected);
    return error;
}

template <size_t N, class... Arguments>
std::array<uint64_t, N> words_of(Instance& in, int method, const char* expected, Arguments... arguments) {
    const nanobind::object result = call(in, method, nullptr, arguments...);
    std::array<uint64_t, N> words{};
    if (!as_words(result, words)) [[unlikely]] answered(in, call_text(in, method, {uint64_t{arguments}...}), result, expected);
    return words;
}

}  // namespace zreplay
