// A record batch in the trace's schema, as the engine reads it.
#pragma once

#include "arrow.hpp"
#include "events.hpp"

namespace zreplay {

template <class T>
Column<T> column_of(const ArrowBatch& batch, std::string_view name, std::string_view format) {
    const ArrowArray* array = batch.column(name, format);
    if (!array) return {};
    const auto* validity = array->null_count == 0 ? nullptr : static_cast<const uint8_t*>(array->buffers[0]);
    return {static_cast<const T*>(array->buffers[1]), validity, array->offset + batch.offset()};
}

// Columns that are absent read as null. Throws nanobind::type_error when a column has another type than the schema's.
EventBatch event_batch(const ArrowBatch& batch);

// The same of what `Trace.batches` makes, before its rows are checked: the codes of `op` are the numbers of Op, and any
// column may be left out.
EventBatch numbered_events(const ArrowBatch& batch);

// A record batch, held, and its rows decoded.
class HeldBatch {
  public:
    explicit HeldBatch(nanobind::object batch);

    const nanobind::object batch;

  private:
    const ArrowBatch columns_;

  public:
    const DecodedBatch decoded;
};

}  // namespace zreplay
