// Python's values as ours where ours allocate. nanobind's own conversions of strings and lists must not throw, so that one
// for which there is no memory would end the process instead of raising MemoryError.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string_view.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace zreplay {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

// Throws as nanobind::cast does for what is not of that type.
template <class T>
T converted(nanobind::handle value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return std::string(nanobind::cast<std::string_view>(value));
    } else if constexpr (is_vector<T>) {
        T items;
        for (nanobind::handle item : value) items.push_back(converted<typename T::value_type>(item));
        return items;
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
