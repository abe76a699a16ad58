#include "replay/crash.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "counted.hpp"

namespace zreplay {

namespace {

constexpr std::array fatal{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

int report_fd = -1;
// Initial-exec: a handler may not be the first to ask for a thread's storage, as that allocates.
[[gnu::tls_model("initial-exec")]] thread_local const Counters* under_way = nullptr;

// Where a handler runs when the thread's own stack is used up.
class HandlerStack {
  public:
    HandlerStack() {
        stack_t stack{};
        stack.ss_sp = memory_.get();
        stack.ss_size = bytes;
        sigaltstack(&stack, nullptr);
    }
    ~HandlerStack() {
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        sigaltstack(&none, nullptr);
    }

  private:
    static constexpr size_t bytes = 1 << 16;
    std::unique_ptr<char[]> memory_ = std::make_unique<char[]>(bytes);
};

// Only what a signal handler may do: no allocation, no locale.
class Line {
  public:
    void add(const char* word) {
        while (*word) text_[length_++] = *word++;
    }
    void add(int64_t number) {
        char digits[20];
        int count = 0;
        uint64_t rest = number < 0 ? static_cast<uint64_t>(-number) : static_cast<uint64_t>(number);
        do digits[count++] = static_cast<char>('0' + rest % 10);
        while (rest /= 10);
        if (number < 0) digits[count++] = '-';
        while (count) text_[length_++] = digits[--count];
    }
    void write_to(int fd) const {
        // A line this short is written whole or not at all; whoever is to read it may be gone.
        [[maybe_unused]] const ssize_t written = ::write(fd, text_, length_);
    }

  private:
    char text_[160];
    size_t length_ = 0;
};

void say_to(int fd, const char* what, int64_t number, const char* end) {
    Line line;
    line.add(what);
    line.add(number);
    line.add(end);
    line.write_to(fd);
}
void say(const char* what, int64_t number) { say_to(report_fd, what, number, "\n"); }

int64_t events() { return under_way ? static_cast<int64_t>(under_way->events) : -1; }

void crashed(int signal) {
    Line line;
    line.add("crash ");
    line.add(signal);
    line.add(" ");
    line.add(events());
    line.add("\n");
    line.write_to(report_fd);
    raise(signal);  // the default is in place again (SA_RESETHAND)
}

char names[400] = "";

void exiting_untold() {
    if (report_fd >= 0 || !under_way) return;
    Line line;
    line.add("zreplay: plugin ");
    line.write_to(STDERR_FILENO);
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, names, std::strlen(names));
    say_to(STDERR_FILENO, ": called exit() after event ", events(), "; nothing was written\n");
    constexpr int plugin_failed = 7;  // zreplay/errors.py
    write_counts();
    _exit(plugin_failed);
}

void exiting() {
    say("exit ", events());
    write_counts();
    _exit(1);  // what others have registered would find threads at work
}

}  // namespace

void report_crashes(int fd) {
    report_fd = fd;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    static HandlerStack of_this_thread;
    struct sigaction action{};
    action.sa_handler = crashed;
    action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    for (const int signal : fatal) sigaction(signal, &action, nullptr);
    std::atexit(exiting);
}

void tell_of_exit(const char* name) {
    if (!*names) std::atexit(exiting_untold);
    else if (std::strlen(names) + 2 < sizeof names) std::strcat(names, ", ");
    std::strncat(names, name, sizeof names - std::strlen(names) - 1);
}

UnderWay::UnderWay(const Counters& counters) : before_(under_way) {
    if (report_fd >= 0) {
        static thread_local HandlerStack of_this_thread;
        (void)of_this_thread;
    }
    under_way = &counters;
}

UnderWay::~UnderWay() {
    if (report_fd >= 0) say("fed ", events());
    under_way = before_;
}

}  // namespace zreplay
