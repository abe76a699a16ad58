// A crash of native code, told to another process: which signal, and after how many events of the replay that the thread was at.
//
// Of use in a process that is there for one replay only (`zreplay run --isolate`): it is about to end, and who started it reads what it
// had to say.
#pragma once

#include "counters.hpp"

namespace zreplay {

// From now on a fatal signal writes the line "crash SIGNAL EVENTS" to the file descriptor and ends this process as it would have; exit()
// writes "exit EVENTS" and ends it at once. EVENTS is −1 where the thread is at no replay. After each batch there is a line "fed EVENTS",
// as who is killed by others says nothing. The process also ends when its parent does.
void report_crashes(int fd);

// From now on exit() called in the middle of a replay is said on the standard error, with the name of what may have called it, and ends
// this process with the exit code of a plugin's failure. Each name is added to those given before.
void tell_of_exit(const char* name);

// While it lives, what this thread does is that replay's affair.
class UnderWay {
  public:
    explicit UnderWay(const Counters& counters);
    ~UnderWay();
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

  private:
    const Counters* before_;
};

}  // namespace zreplay
