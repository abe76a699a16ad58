// Python's values as ours where ours allocate. nanobind's own conversions of strings, lists and dictionaries must not throw, so
// that one for which there is no memory would end the process instead of raising MemoryError: no function that is bound takes a
// string, a vector or a map, but the handle it is made of here.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string_view.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace zreplay {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class T>
inline constexpr bool is_map = false;
template <class Key, class Value, class Less>
inline constexpr bool is_map<std::map<Key, Value, Less>> = true;

template <class T>
inline constexpr bool is_tuple = false;
template <class... Items>
inline constexpr bool is_tuple<std::tuple<Items...>> = true;
template <class First, class Second>
inline constexpr bool is_tuple<std::pair<First, Second>> = true;

// Throws as nanobind::cast does for what is not of that type.
template <class T>
T converted(nanobind::handle value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return std::string(nanobind::cast<std::string_view>(value));
    } else if constexpr (is_vector<T>) {
        T items;
        for (nanobind::handle item : value) items.push_back(converted<typename T::value_type>(item));
        return items;
    } else if constexpr (is_map<T>) {
        T items;
        for (auto [key, item] : nanobind::cast<nanobind::dict>(value))
            items.emplace(converted<typename T::key_type>(key), converted<typename T::mapped_type>(item));
        return items;
    } else if constexpr (is_tuple<T>) {
        const auto given = nanobind::cast<nanobind::sequence>(value);
        if (nanobind::len(given) != std::tuple_size_v<T>)
            throw nanobind::type_error(("expected " + std::to_string(std::tuple_size_v<T>) + " items").c_str());
        return [&]<size_t... I>(std::index_sequence<I...>) {
            return T{converted<std::tuple_element_t<I, T>>(nanobind::object(given[I]))...};
        }(std::make_index_sequence<std::tuple_size_v<T>>());
    } else {
        return nanobind::cast<T>(value);
    }
}

// A share in an object of Python's, which is there as long; none of None.
template <class T>
std::shared_ptr<const T> shared(nanobind::handle object) {
    if (object.is_none()) return nullptr;
    const T* of = nanobind::cast<const T*>(object);
    object.inc_ref();
    return {of, [object](const T*) {
                const nanobind::gil_scoped_acquire locked;
                object.dec_ref();
            }};
}

}  // namespace zreplay
