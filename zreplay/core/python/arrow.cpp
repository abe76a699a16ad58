#include "arrow.hpp"

#include "module.hpp"

namespace zreplay {

namespace {

// Both halves of a batch share one owner; each release drops its share, a child's release is the parent's affair.
template <class Struct>
void release_shared(Struct* item) {
    delete static_cast<std::shared_ptr<void>*>(item->private_data);
    item->release = nullptr;
}

template <class Struct>
void release_parent(Struct* item) {
    for (int64_t i = 0; i < item->n_children; ++i)
        if (item->children[i]->release) item->children[i]->release(item->children[i]);
    release_shared(item);
}

template <class Struct>
struct Released {
    void operator()(Struct* item) const {
        if (item->release) item->release(item);
        delete item;
    }
};

template <class Struct>
void free_capsule(PyObject* capsule) {
    Released<Struct>()(static_cast<Struct*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule))));
}

template <class Struct>
nanobind::object capsule(std::unique_ptr<Struct, Released<Struct>> item, const char* name) {
    PyObject* made = PyCapsule_New(item.get(), name, free_capsule<Struct>);
    if (!made) nanobind::raise_python_error();
    static_cast<void>(item.release());
    return nanobind::steal(made);
}

}  // namespace

// All that can fail for want of memory comes first: then columns and parent hold each other, and only a release undoes that.
nanobind::tuple ColumnsOut::capsules() {
    auto parent = std::make_shared<Parent>();
    parent->schemas.reserve(columns_.size());
    parent->arrays.reserve(columns_.size());
    std::vector<std::unique_ptr<std::shared_ptr<void>>> shares(2 * columns_.size() + 2);
    for (auto& share : shares) share = std::make_unique<std::shared_ptr<void>>(parent);
    std::unique_ptr<ArrowSchema, Released<ArrowSchema>> schema(new ArrowSchema{});
    std::unique_ptr<ArrowArray, Released<ArrowArray>> array(new ArrowArray{});

    auto take_share = [&] {
        void* share = shares.back().release();
        shares.pop_back();
        return share;
    };
    parent->columns = std::move(columns_);
    for (auto& column : parent->columns) {
        column->buffers[0] = column->bits.empty() ? nullptr : column->bits.data();
        column->buffers[1] = column->data;
        constexpr int64_t nullable = 2;
        column->schema = {column->format, column->name.c_str(), nullptr, column->bits.empty() ? 0 : nullable, 0, nullptr,
                          nullptr, release_shared<ArrowSchema>, take_share()};
        column->array = {column->rows, column->nulls, 0, 2, 0, column->buffers, nullptr, nullptr,
                         release_shared<ArrowArray>, take_share()};
        parent->schemas.push_back(&column->schema);
        parent->arrays.push_back(&column->array);
    }
    int64_t children = static_cast<int64_t>(parent->columns.size());
    int64_t rows = children ? parent->columns.front()->rows : 0;
    *schema = {"+s", "", nullptr, 0, children, parent->schemas.data(), nullptr, release_parent<ArrowSchema>, take_share()};
    *array = {rows, 0, 0, 1, children, parent->buffers, parent->arrays.data(), nullptr, release_parent<ArrowArray>, take_share()};
    nanobind::object schema_capsule = capsule(std::move(schema), "arrow_schema");
    return nanobind::make_tuple(schema_capsule, capsule(std::move(array), "arrow_array"));
}

void bind_arrow(nanobind::module_& module) {
    nanobind::class_<ColumnsOut>(module, "Columns", "A record batch of the engine's; `pyarrow.record_batch(columns)`, once.")
        .def("__arrow_c_array__", [](ColumnsOut& columns, nanobind::object) { return columns.capsules(); },
             nanobind::arg("requested_schema") = nanobind::none());
}

}  // namespace zreplay
