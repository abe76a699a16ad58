// The interpreter's lock while the engine is at work: given up at first; whoever has to call Python after all takes it back for the rest
// of the engine's call. A plugin that is called for every event would have to fight for it every time else, and one that never is costs nothing.
#pragma once

#include <nanobind/nanobind.h>

#include <optional>
#include <utility>

namespace zreplay {

class Unlocked {
  public:
    Unlocked() : outer_(std::exchange(current_, this)), thread_(PyEval_SaveThread()) {}
    ~Unlocked() {
        take_back();
        current_ = outer_;
    }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

    // This thread's, if it is in one.
    static Unlocked* current() { return current_; }
    void take_back() {
        if (thread_) PyEval_RestoreThread(std::exchange(thread_, nullptr));
    }

  private:
    static inline thread_local Unlocked* current_ = nullptr;
    Unlocked* outer_;
    PyThreadState* thread_;  // null: the lock is held
};

// That Python may be called, in whatever thread.
class Locked {
  public:
    Locked() {
        if (Unlocked* unlocked = Unlocked::current()) unlocked->take_back();
        else acquired_.emplace();
    }

  private:
    std::optional<nanobind::gil_scoped_acquire> acquired_;
};

}  // namespace zreplay
