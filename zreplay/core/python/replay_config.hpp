// What Python says of a replay, and what a replay is fed with, where more than one binding needs it.
#pragma once

#include <nanobind/nanobind.h>

#include <span>
#include <vector>

#include "replay/calls.hpp"
#include "replay/config.hpp"

namespace zreplay {

// The keywords of Replay.make. Throws nanobind::type_error, nanobind::value_error.
ReplayConfig replay_config(const nanobind::kwargs& given);

struct CallBatch {
    std::vector<Call> calls;
};

inline std::span<const Call> calls_of(const CallBatch* batch) {
    return batch ? std::span<const Call>(batch->calls) : std::span<const Call>();
}

}  // namespace zreplay
