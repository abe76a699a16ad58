/* Calls that change or read files below one folder, counted; the n-th is where the process dies, or what it is refused.

   Loaded with LD_PRELOAD, and idle until faults_arm() is called: so one process can load everything once and fork
   children that are armed (server.py). The counts are in memory that parent and children share. What a program does by
   system calls of its own or inside libc (stdio's buffers) passes by: test_interposer.py holds the counts against
   strace's.

   Kinds of calls are bits, so that a campaign says which of them it counts. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { K_OPEN, K_READ, K_WRITE, K_SYNC, K_RENAME, K_MKDIR, K_REMOVE, K_CHANGE, KINDS };

enum how { HOW_COUNT = 0, HOW_KILL = -1, HOW_TEAR = -2, HOW_SHORT = -3 }; /* else: an errno */

#define LOGGED 2000
#define LOGGED_BYTES 120

struct state {
    atomic_long calls;          /* of the kinds asked for */
    atomic_long by_kind[KINDS]; /* all kinds */
    atomic_long fired;
    struct {
        int kind;
        char path[LOGGED_BYTES];
    } log[LOGGED];
};

static struct state *state;
static char below[PATH_MAX];
static size_t below_bytes;
static unsigned kinds;
static long at, how, forever;
static atomic_int armed;

__attribute__((constructor)) static void begin(void)
{
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (state == MAP_FAILED) _exit(99);
}

struct state *faults_state(void) { return state; }

void faults_reset(void) { memset(state, 0, sizeof *state); }

/* From now on, in this process and those it forks. */
void faults_arm(const char *folder, unsigned of_kinds, long nth, long what, int and_all_after)
{
    snprintf(below, sizeof below, "%s/", folder);
    below_bytes = strlen(below);
    kinds = of_kinds;
    at = nth;
    how = what;
    forever = and_all_after;
    atomic_store(&armed, 1);
}

/* The real one of a name. */
#define REAL(name)                                       \
    static __typeof__(&name) real;                       \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static const char *path_of_fd(int fd, char out[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
    out[bytes < 0 ? 0 : bytes] = 0;
    return out;
}

static const char *path_at(int folder, const char *path, char out[PATH_MAX])
{
    if (path[0] == '/') return path;
    char base[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0) return "";
    } else {
        path_of_fd(folder, base);
    }
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return "";
    return out;
}

/* What is to become of a call: 0, an errno, or HOW_SHORT and HOW_TEAR for a write of half. Does not return if it is
   where the process dies. `errno` is kept. */
static long passes(enum kind kind, const char *path)
{
    if (strncmp(path, below, below_bytes) != 0) return 0;
    atomic_fetch_add(&state->by_kind[kind], 1);
    if (!(kinds & 1u << kind)) return 0;
    long number = atomic_fetch_add(&state->calls, 1) + 1;
    if (number <= LOGGED) {
        state->log[number - 1].kind = kind;
        strncpy(state->log[number - 1].path, path + below_bytes, LOGGED_BYTES - 1);
    }
    if (how == HOW_COUNT || number < at || (number > at && !forever)) return 0;
    if ((how == HOW_TEAR || how == HOW_SHORT) && kind != K_WRITE && !(how == HOW_SHORT && kind == K_READ)) return 0;
    atomic_fetch_add(&state->fired, 1);
    if (how == HOW_KILL) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        for (;;) syscall(SYS_pause);
    }
    return how;
}

static long passes_fd(enum kind kind, int fd)
{
    if (!atomic_load(&armed)) return 0;
    int before = errno;
    char path[PATH_MAX];
    long fate = passes(kind, path_of_fd(fd, path));
    errno = before;
    return fate;
}

static long passes_at(enum kind kind, int folder, const char *path)
{
    if (!atomic_load(&armed) || !path) return 0;
    int before = errno;
    char whole[PATH_MAX];
    long fate = passes(kind, path_at(folder, path, whole));
    errno = before;
    return fate;
}

#define REFUSE(call)              \
    {                             \
        long refused = (call);    \
        if (refused > 0) {        \
            errno = refused;      \
            return -1;            \
        }                         \
    }

/* Half of the bytes for a short or torn one, never none. */
static size_t of_it(long fate, size_t bytes) { return fate < 0 && bytes > 1 ? bytes / 2 : bytes; }

static void torn(long fate)
{
    if (fate == HOW_TEAR) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* ---- opening */

#define OPENING(flags, mode)                              \
    mode_t mode = 0;                                      \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {              \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        mode = va_arg(rest, mode_t);                      \
        va_end(rest);                                     \
    }

#define OPEN(name)                                                 \
    int name(const char *path, int flags, ...)                     \
    {                                                              \
        REAL(name);                                                \
        OPENING(flags, mode)                                       \
        REFUSE(passes_at(K_OPEN, AT_FDCWD, path))                  \
        return real(path, flags, mode);                            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                               \
    int name(int folder, const char *path, int flags, ...)         \
    {                                                              \
        REAL(name);                                                \
        OPENING(flags, mode)                                       \
        REFUSE(passes_at(K_OPEN, folder, path))                    \
        return real(folder, path, flags, mode);                    \
    }
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name)                                                \
    int name(const char *path, mode_t mode)                        \
    {                                                              \
        REAL(name);                                                \
        REFUSE(passes_at(K_OPEN, AT_FDCWD, path))                  \
        return real(path, mode);                                   \
    }
CREAT(creat)
CREAT(creat64)

#define FOPEN(name)                                                \
    FILE *name(const char *path, const char *mode)                 \
    {                                                              \
        REAL(name);                                                \
        long fate = passes_at(K_OPEN, AT_FDCWD, path);             \
        if (fate > 0) {                                            \
            errno = fate;                                          \
            return NULL;                                           \
        }                                                          \
        return real(path, mode);                                   \
    }
FOPEN(fopen)
FOPEN(fopen64)

DIR *opendir(const char *path)
{
    REAL(opendir);
    long fate = passes_at(K_OPEN, AT_FDCWD, path);
    if (fate > 0) {
        errno = fate;
        return NULL;
    }
    return real(path);
}

/* ---- reading and writing */

ssize_t read(int fd, void *to, size_t bytes)
{
    REAL(read);
    long fate = passes_fd(K_READ, fd);
    REFUSE(fate)
    return real(fd, to, of_it(fate, bytes));
}

#define PREAD(name, offset_type)                                   \
    ssize_t name(int fd, void *to, size_t bytes, offset_type from) \
    {                                                              \
        REAL(name);                                                \
        long fate = passes_fd(K_READ, fd);                         \
        REFUSE(fate)                                               \
        return real(fd, to, of_it(fate, bytes), from);             \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t write(int fd, const void *from, size_t bytes)
{
    REAL(write);
    long fate = passes_fd(K_WRITE, fd);
    REFUSE(fate)
    ssize_t written = real(fd, from, of_it(fate, bytes));
    torn(fate);
    return written;
}

#define PWRITE(name, offset_type)                                        \
    ssize_t name(int fd, const void *from, size_t bytes, offset_type to) \
    {                                                                    \
        REAL(name);                                                      \
        long fate = passes_fd(K_WRITE, fd);                              \
        REFUSE(fate)                                                     \
        ssize_t written = real(fd, from, of_it(fate, bytes), to);        \
        torn(fate);                                                      \
        return written;                                                  \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    long fate = passes_fd(K_WRITE, fd);
    REFUSE(fate)
    ssize_t written = real(fd, parts, fate < 0 && count > 1 ? count / 2 : count);
    torn(fate);
    return written;
}

ssize_t sendfile(int to, int from, off_t *offset, size_t bytes)
{
    REAL(sendfile);
    REFUSE(passes_fd(K_WRITE, to))
    return real(to, from, offset, bytes);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t bytes)
{
    REAL(sendfile64);
    REFUSE(passes_fd(K_WRITE, to))
    return real(to, from, offset, bytes);
}

ssize_t copy_file_range(int from, off64_t *at_from, int to, off64_t *at_to, size_t bytes, unsigned flags)
{
    REAL(copy_file_range);
    REFUSE(passes_fd(K_WRITE, to))
    return real(from, at_from, to, at_to, bytes, flags);
}

#define TRUNCATE(name, offset_type)                                \
    int name(int fd, offset_type bytes)                            \
    {                                                              \
        REAL(name);                                                \
        REFUSE(passes_fd(K_CHANGE, fd))                            \
        return real(fd, bytes);                                    \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define TRUNCATE_PATH(name, offset_type)                           \
    int name(const char *path, offset_type bytes)                  \
    {                                                              \
        REAL(name);                                                \
        REFUSE(passes_at(K_CHANGE, AT_FDCWD, path))                \
        return real(path, bytes);                                  \
    }
TRUNCATE_PATH(truncate, off_t)
TRUNCATE_PATH(truncate64, off64_t)

/* ---- to the disk */

#define SYNC(name)                                                 \
    int name(int fd)                                               \
    {                                                              \
        REAL(name);                                                \
        REFUSE(passes_fd(K_SYNC, fd))                              \
        return real(fd);                                           \
    }
SYNC(fsync)
SYNC(fdatasync)

/* ---- names */

int rename(const char *from, const char *to)
{
    REAL(rename);
    REFUSE(passes_at(K_RENAME, AT_FDCWD, to))
    return real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    REAL(renameat);
    REFUSE(passes_at(K_RENAME, to_folder, to))
    return real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    REAL(renameat2);
    REFUSE(passes_at(K_RENAME, to_folder, to))
    return real(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to)
{
    REAL(link);
    REFUSE(passes_at(K_RENAME, AT_FDCWD, to))
    return real(from, to);
}

int symlink(const char *from, const char *to)
{
    REAL(symlink);
    REFUSE(passes_at(K_RENAME, AT_FDCWD, to))
    return real(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    REFUSE(passes_at(K_MKDIR, AT_FDCWD, path))
    return real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(mkdirat);
    REFUSE(passes_at(K_MKDIR, folder, path))
    return real(folder, path, mode);
}

int unlink(const char *path)
{
    REAL(unlink);
    REFUSE(passes_at(K_REMOVE, AT_FDCWD, path))
    return real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    REAL(unlinkat);
    REFUSE(passes_at(K_REMOVE, folder, path))
    return real(folder, path, flags);
}

int rmdir(const char *path)
{
    REAL(rmdir);
    REFUSE(passes_at(K_REMOVE, AT_FDCWD, path))
    return real(path);
}

int chmod(const char *path, mode_t mode)
{
    REAL(chmod);
    REFUSE(passes_at(K_CHANGE, AT_FDCWD, path))
    return real(path, mode);
}

int fchmod(int fd, mode_t mode)
{
    REAL(fchmod);
    REFUSE(passes_fd(K_CHANGE, fd))
    return real(fd, mode);
}

int fchmodat(int folder, const char *path, mode_t mode, int flags)
{
    REAL(fchmodat);
    REFUSE(passes_at(K_CHANGE, folder, path))
    return real(folder, path, mode, flags);
}
