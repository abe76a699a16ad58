#include "python_plugin.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <utility>

#include "plugin/host.hpp"
#include "python_instance.hpp"
#include "types.hpp"
#include "unlocked.hpp"

namespace zreplay {

namespace nb = nanobind;

namespace {

enum IndexMethod { index_find, index_insert, index_erase, index_move, index_entries, index_memory, index_check };
constexpr std::initializer_list<const char*> index_methods{"find", "insert", "erase", "move", "entries", "memory", "check"};
enum PoolMethod { pool_alloc, pool_free, pool_memory, pool_check, pool_map, pool_where, pool_reclaim, pool_compact, pool_migrate, pool_classes };
constexpr std::initializer_list<const char*> pool_methods{"alloc", "free",    "memory",  "check",   "map",
                                                          "where", "reclaim", "compact", "migrate", "classes"};
enum OrderMethod { order_stored, order_gone, order_loaded, order_next, order_visited, order_memory, order_check };
constexpr std::initializer_list<const char*> order_methods{"stored", "gone", "loaded", "next", "visited", "memory", "check"};

Instance& at(void* state) { return *static_cast<Instance*>(state); }

/* ---- what all three have ---- */

template <class... Told>
int create(zr_host* host, std::initializer_list<const char*> methods, void** state, Told... told) {
    const Locked locked;
    const auto& of = *static_cast<const PythonClass*>(Host::context(host));
    try {
        const nb::object self = of.make(told...);
        auto made = std::make_unique<Instance>(of, host, methods, self);
        if (nb::hasattr(self, "_host")) {
            made->pool_host = nb::cast<PoolHost*>(self.attr("_host"));
            made->pool_host->instance = made.get();
        }
        *state = made.release();
    } catch (nb::python_error& error) {
        error.restore();
        raised(of, "__init__()");
    }
    return 0;
}

void destroy(void* state) {
    const Locked locked;
    if (PoolHost* host = at(state).pool_host) host->instance = nullptr;
    delete &at(state);
}

// What is wrong, check() raises.
template <int method>
int check(void* state, char*, size_t) {
    const Locked locked;
    call(at(state), method, nullptr);
    return 0;
}

/* ---- an index ---- */

constexpr const char* location_or_none = "a location that it was given, or None";

[[noreturn, gnu::cold]] void not_given(const Instance& in, int method, uint64_t found, std::initializer_list<uint64_t> arguments) {
    answered(in, call_text(in, method, arguments), nb::int_(found), location_or_none);
}

zr_index_ops index_table() {
    zr_index_ops ops{};
    ops.abi = ZR_PLUGIN_ABI;
    ops.size = sizeof ops;
    ops.create = [](const zr_index_options* options, zr_host* host, void** state) {
        constexpr const char* words[] = {"narrow", "wide", "value"};
        return create(host, index_methods, state, words[options->words], options->entry_bytes, options->small != 0, options->timing != 0);
    };
    ops.destroy = destroy;
    ops.find = [](void* state, uint32_t type, uint64_t offset, uint64_t* location, zr_cost* cost) {
        const Locked locked;
        Instance& in = at(state);
        *location = word_or_none(in, index_find, location_or_none, cost, type, offset);
        if (*location && !in.given.has(*location)) [[unlikely]] not_given(in, index_find, *location, {type, offset});
        return *location ? 0 : -e_noent;
    };
    ops.insert = [](void* state, uint32_t type, uint64_t offset, uint64_t location, uint64_t* old, zr_cost* cost) {
        const Locked locked;
        Instance& in = at(state);
        *old = word_or_none(in, index_insert, location_or_none, cost, type, offset, location);
        if (*old && !in.given.take(*old)) [[unlikely]] not_given(in, index_insert, *old, {type, offset, location});
        in.given.add(location);
        return 0;
    };
    ops.erase = [](void* state, uint32_t type, uint64_t offset, uint64_t* old, zr_cost* cost) {
        const Locked locked;
        Instance& in = at(state);
        *old = word_or_none(in, index_erase, location_or_none, cost, type, offset);
        if (*old && !in.given.take(*old)) [[unlikely]] not_given(in, index_erase, *old, {type, offset});
        return *old ? 0 : -e_noent;
    };
    ops.move = [](void* state, uint32_t type, uint64_t offset, uint64_t location, uint64_t* old, zr_cost* cost) {
        const Locked locked;
        Instance& in = at(state);
        *old = word_or_none(in, index_move, location_or_none, cost, type, offset, location);
        if (*old && !in.given.take(*old)) [[unlikely]] not_given(in, index_move, *old, {type, offset, location});
        if (*old) in.given.add(location);
        return *old ? 0 : -e_noent;
    };
    ops.for_each = [](void* state, uint32_t type, void (*visit)(void*, uint64_t, uint64_t), void* arg) {
        const Locked locked;
        Instance& in = at(state);
        const std::string text = call_text(in, index_entries, {type});
        const nb::object entries = call(in, index_entries, nullptr, type);
        PyObject* iterator = PyObject_GetIter(entries.ptr());
        if (!iterator) answered(in, text, entries, "what can be iterated over");
        const nb::object held = nb::steal(iterator);
        while (PyObject* next = PyIter_Next(iterator)) {
            const nb::object entry = nb::steal(next);
            std::array<uint64_t, 2> words{};
            if (!as_words(entry, words) || !in.given.has(words[1])) answered(in, text, entry, "pairs of offset and a location it was given");
            visit(arg, words[0], words[1]);
        }
        if (PyErr_Occurred()) raised(in.of, text);
    };
    ops.memory = [](void* state, zr_index_memory* memory) {
        const Locked locked;
        const auto [entries, nodes, bytes] = words_of<3>(at(state), index_memory, "entries, nodes and bytes");
        *memory = {.entries = entries, .nodes = nodes, .bytes = bytes};
    };
    ops.check = check<index_check>;
    return ops;
}

/* ---- a pool ---- */

int evict(PoolHost& host, uint64_t cookie) {
    if (!host.instance) throw nb::value_error("evict() of a pool that is in no replay");
    Instance& in = *host.instance;
    in.charge();
    zr_cost* const account = std::exchange(in.account, nullptr);  // evicting charges others
    const int error = in.host->evict(in.host, cookie);
    in.account = account;
    return error;
}

void moved(PoolHost& host, uint64_t cookie, uint64_t handle) {
    if (!host.instance) throw nb::value_error("moved() of a pool that is in no replay");
    host.instance->host->moved(host.instance->host, cookie, handle);
}

int alloc(void* state, uint32_t bytes, uint64_t cookie, uint64_t* handle, zr_cost* cost) {
    const Locked locked;
    return word_or_error(at(state), pool_alloc, *handle, "a handle, −12, −22 or −28", cost, bytes, cookie);
}

void free_object(void* state, uint64_t handle, zr_cost* cost) {
    const Locked locked;
    call(at(state), pool_free, cost, handle);
}

void map(void* state, uint64_t handle, int length_known, zr_cost* cost) {
    const Locked locked;
    call(at(state), pool_map, cost, handle, length_known != 0);
}

void where(void* state, uint64_t handle, uint64_t* page, uint32_t* position) {
    const Locked locked;
    const auto [its_page, its_position] = words_of<2>(at(state), pool_where, "page and position", handle);
    *page = its_page;
    *position = static_cast<uint32_t>(its_position);
}

int reclaim(void* state, uint32_t retries, zr_cost* cost) {
    const Locked locked;
    uint64_t pages = 0;
    return word_or_error(at(state), pool_reclaim, pages, "0, −11 or −22", cost, retries);
}

uint64_t compact(void* state, zr_cost* cost) {
    const Locked locked;
    return word_of(at(state), pool_compact, "the pages freed", cost);
}

int migrate(void* state, uint64_t handle, uint32_t* objects, zr_cost* cost) {
    const Locked locked;
    uint64_t moved_objects = 0;
    const int error = word_or_error(at(state), pool_migrate, moved_objects, "the number of objects, −11 or −16", cost, handle);
    *objects = static_cast<uint32_t>(moved_objects);
    return error;
}

uint32_t classes(void* state, zr_class_row* row, uint32_t rows) {
    const Locked locked;
    Instance& in = at(state);
    constexpr const char* expected = "a list of (class_size, free_chunks, pages, objects)";
    const nb::object result = call(in, pool_classes, nullptr);
    if (!PyList_Check(result.ptr())) answered(in, "classes()", result, expected);
    uint32_t n = 0;
    for (const nb::handle one : nb::borrow<nb::list>(result)) {
        std::array<uint64_t, 4> words{};
        if (!as_words(one, words)) answered(in, "classes()", one, expected);
        if (n < rows)
            row[n] = {.class_size = static_cast<uint32_t>(words[0]),
                      .free_chunks = static_cast<uint32_t>(words[1]),
                      .pages = words[2],
                      .objects = words[3]};
        ++n;
    }
    return n;
}

zr_pool_ops pool_table(const PythonClass& of) {
    auto has = [&](const char* name) { return std::find(of.optional.begin(), of.optional.end(), name) != of.optional.end(); };
    zr_pool_ops ops{};
    ops.abi = ZR_PLUGIN_ABI;
    ops.size = sizeof ops;
    ops.create = [](const zr_pool_options*, zr_host* host, void** state) { return create(host, pool_methods, state); };
    ops.destroy = destroy;
    ops.alloc = alloc;
    ops.free = free_object;
    ops.memory = [](void* state, zr_pool_memory* memory) {
        const Locked locked;
        const auto [pages, used_bytes, movable_pages] = words_of<3>(at(state), pool_memory, "pages, used_bytes and movable_pages");
        *memory = {.pages = pages, .used_bytes = used_bytes, .movable_pages = movable_pages};
    };
    ops.check = check<pool_check>;
    if (has("map")) ops.map = map;
    if (has("where")) ops.where = where;
    if (has("reclaim")) ops.reclaim = reclaim;
    if (has("compact")) ops.compact = compact;
    if (has("migrate")) ops.migrate = migrate;
    if (has("classes")) ops.classes = classes;
    return ops;
}

/* ---- a reclaim order ---- */

template <int method>
void tell(void* state, uint64_t handle, zr_cost* cost) {
    const Locked locked;
    call(at(state), method, cost, handle);
}

zr_mm_ops order_table() {
    zr_mm_ops ops{};
    ops.abi = ZR_PLUGIN_ABI;
    ops.size = sizeof ops;
    ops.create = [](const zr_mm_options*, zr_host* host, void** state) { return create(host, order_methods, state); };
    ops.destroy = destroy;
    ops.stored = [](void* state, const zr_mm_entry* entry, uint64_t cookie, uint64_t* handle, zr_cost* cost) {
        const Locked locked;
        return word_or_error(at(state), order_stored, *handle, "a handle", cost, cookie, entry->type, entry->offset,
                             entry->length_bytes, entry->group);
    };
    ops.gone = tell<order_gone>;
    ops.loaded = tell<order_loaded>;
    ops.next = [](void* state, uint64_t group, uint64_t* cookie, zr_cost* cost) {
        const Locked locked;
        *cookie = word_or_none(at(state), order_next, "a cookie, or None", cost, group);
        return *cookie ? 0 : -e_noent;
    };
    ops.visited = tell<order_visited>;
    ops.memory = [](void* state, zr_mm_memory* memory) {
        const Locked locked;
        const auto [entries, bytes] = words_of<2>(at(state), order_memory, "entries and bytes");
        *memory = {.entries = entries, .bytes = bytes};
    };
    ops.check = check<order_check>;
    return ops;
}

template <class Ops>
Plugged plug(Ops ops, PythonClass& of, const std::string& suffix) {
    ops.name = of.name.c_str();
    ops.version = of.version.c_str();
    ops.summary = of.summary.c_str();
    ops.like = of.like.empty() ? nullptr : of.like.c_str();
    ops.capabilities = of.capabilities;
    if constexpr (requires { ops.positions_64; }) {
        ops.positions_64 = of.positions_64;
        ops.positions_32 = of.positions_32;
    }
    Plugged plugged = plug_in(ops, of.origin, suffix, &of);
    of.label = plugged.label;
    return plugged;
}

}  // namespace

Plugged plug_in_class(Plugged::Kind kind, PythonClass told, const std::string& suffix) {
    auto* of = new PythonClass(std::move(told));  // for good
    switch (kind) {
        case Plugged::Kind::index: return plug(index_table(), *of, suffix);
        case Plugged::Kind::pool: return plug(pool_table(*of), *of, suffix);
        default: return plug(order_table(), *of, suffix);
    }
}

void bind_python_plugin(nb::module_& module) {
    bind_python_cost(module);
    nb::class_<PoolHost>(module, "PoolHost", "What a pool in Python may ask of its replay.")
        .def(nb::init<>())
        .def("evict", &evict, nb::arg("cookie"), "0: the object is written and freed; else a negative errno, and it stays.")
        .def("moved", &moved, nb::arg("cookie"), nb::arg("handle"));
}

}  // namespace zreplay
