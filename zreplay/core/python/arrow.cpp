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
void free_capsule(PyObject* capsule) {
    auto* item = static_cast<Struct*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
    if (item->release) item->release(item);
    delete item;
}

}  // namespace

nanobind::tuple ColumnsOut::capsules() {
    auto parent = std::make_shared<Parent>();
    parent->columns = std::move(columns_);
    for (auto& column : parent->columns) {
        column->buffers[0] = column->bits.empty() ? nullptr : column->bits.data();
        column->buffers[1] = column->data;
        constexpr int64_t nullable = 2;
        column->schema = {column->format, column->name.c_str(), nullptr, column->bits.empty() ? 0 : nullable, 0, nullptr,
                          nullptr, release_shared<ArrowSchema>, new std::shared_ptr<void>(parent)};
        column->array = {column->rows, column->nulls, 0, 2, 0, column->buffers, nullptr, nullptr,
                         release_shared<ArrowArray>, new std::shared_ptr<void>(parent)};
        parent->schemas.push_back(&column->schema);
        parent->arrays.push_back(&column->array);
    }
    int64_t children = static_cast<int64_t>(parent->columns.size());
    int64_t rows = children ? parent->columns.front()->rows : 0;
    auto* schema = new ArrowSchema{"+s", "", nullptr, 0, children, parent->schemas.data(), nullptr,
                                   release_parent<ArrowSchema>, new std::shared_ptr<void>(parent)};
    auto* array = new ArrowArray{rows, 0, 0, 1, children, parent->buffers, parent->arrays.data(), nullptr,
                                 release_parent<ArrowArray>, new std::shared_ptr<void>(parent)};
    return nanobind::make_tuple(
        nanobind::steal(PyCapsule_New(schema, "arrow_schema", free_capsule<ArrowSchema>)),
        nanobind::steal(PyCapsule_New(array, "arrow_array", free_capsule<ArrowArray>)));
}

void bind_arrow(nanobind::module_& module) {
    nanobind::class_<ColumnsOut>(module, "Columns", "A record batch of the engine's; `pyarrow.record_batch(columns)`, once.")
        .def("__arrow_c_array__", [](ColumnsOut& columns, nanobind::object) { return columns.capsules(); },
             nanobind::arg("requested_schema") = nanobind::none());
}

}  // namespace zreplay
