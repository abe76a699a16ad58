// A library to load before all others (LD_PRELOAD): it counts what one module of the process allocates, has the n-th of
// those allocations fail, and knows what of them is still there.
//
// Whose an allocation is, is where it was called from: the module itself, or the C++ library on the module's behalf (a
// string that grows). Memory that Python, Arrow and whoever else take is neither counted nor refused.
//
//      watch("_zreplay")     whose allocations count from now on; 0: there is no such module
//      fail_at(n, lasting)   the n-th from now on fails, or all from the n-th on; 0: none
//      counted()             allocations since fail_at()
//      live(), mapped()      allocations, and bytes of mappings, that are there
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

struct Range {
    uintptr_t begin = 0, end = 0;
    bool holds(const void* address) const {
        const auto at = reinterpret_cast<uintptr_t>(address);
        return at >= begin && at < end;
    }
};

Range watched, cpp_library;
std::atomic<uint64_t> count{0}, failing{0};
std::atomic<bool> is_lasting{false};
std::atomic<int64_t> mapped_bytes{0};

// The places of what is live: open addressing, nobody allocates for it.
constexpr size_t slots = size_t{1} << 22;
uintptr_t places[slots];  // 0: never used; 1: was used
std::atomic<int64_t> live_places{0};
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

size_t slot_of(uintptr_t place) { return static_cast<size_t>(place * 0x9e3779b97f4a7c15u >> 42); }

void note(void* place) {
    const auto word = reinterpret_cast<uintptr_t>(place);
    pthread_mutex_lock(&lock);
    size_t slot = slot_of(word);
    while (places[slot] > 1) slot = (slot + 1) % slots;
    places[slot] = word;
    pthread_mutex_unlock(&lock);
    ++live_places;
}

void forget(void* place) {
    if (!place || !watched.end) return;
    const auto word = reinterpret_cast<uintptr_t>(place);
    pthread_mutex_lock(&lock);
    size_t slot = slot_of(word);
    while (places[slot] && places[slot] != word) slot = (slot + 1) % slots;
    const bool found = places[slot] == word;
    if (found) places[slot] = places[(slot + 1) % slots] ? 1 : 0;
    pthread_mutex_unlock(&lock);
    if (found) --live_places;
}

thread_local bool unwinding = false;

bool is_watched(const void* caller) {
    if (!watched.end || unwinding) return false;
    const void* of = caller;
    if (cpp_library.holds(caller)) {
        unwinding = true;
        void* frames[12];
        const int depth = backtrace(frames, 12);
        unwinding = false;
        int frame = 0;
        while (frame < depth && !cpp_library.holds(frames[frame])) ++frame;
        while (frame < depth && cpp_library.holds(frames[frame])) ++frame;
        if (frame == depth) return false;
        of = frames[frame];
    }
    return watched.holds(of);
}

// Whether this one is to fail.
bool counts_as_failing() {
    const uint64_t n = ++count, at = failing;
    return at && (n == at || (is_lasting && n > at));
}

template <class Function>
Function* real(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void* take(size_t bytes, size_t alignment, const void* caller) {
    const bool is_ours = is_watched(caller);
    if (is_ours && counts_as_failing()) return nullptr;
    void* place = alignment ? std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment) : std::malloc(bytes ? bytes : 1);
    if (is_ours && place) note(place);
    return place;
}
void* take_or_throw(size_t bytes, size_t alignment, const void* caller) {
    if (void* place = take(bytes, alignment, caller)) return place;
    throw std::bad_alloc();
}
void give(void* place) {
    forget(place);
    std::free(place);
}

void* map(void* hint, size_t bytes, int protection, int flags, int file, off_t offset, const void* caller) {
    static auto* const next = real<decltype(mmap)>("mmap");
    const bool is_ours = is_watched(caller);
    if (is_ours && counts_as_failing()) return errno = ENOMEM, MAP_FAILED;
    void* place = next(hint, bytes, protection, flags, file, offset);
    if (is_ours && place != MAP_FAILED) mapped_bytes += static_cast<int64_t>(bytes);
    return place;
}

struct Search {
    const char* name;
    Range found;
};
int match(dl_phdr_info* info, size_t, void* data) {
    auto& search = *static_cast<Search*>(data);
    const char* slash = std::strrchr(info->dlpi_name, '/');
    if (!std::strstr(slash ? slash : info->dlpi_name, search.name)) return 0;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& header = info->dlpi_phdr[i];
        if (header.p_type != PT_LOAD) continue;
        begin = header.p_vaddr < begin ? header.p_vaddr : begin;
        end = header.p_vaddr + header.p_memsz > end ? header.p_vaddr + header.p_memsz : end;
    }
    search.found = {info->dlpi_addr + begin, info->dlpi_addr + end};
    return 1;
}
Range module(const char* name) {
    Search search{name, {}};
    dl_iterate_phdr(match, &search);
    return search.found;
}

}  // namespace

extern "C" {
uint64_t watch(const char* name) {
    void* frames[4];
    backtrace(frames, 4);  // it allocates the first time
    cpp_library = module("libstdc++");
    watched = module(name);
    return watched.begin;
}
void fail_at(uint64_t n, int lasting) {
    is_lasting = lasting;
    failing = n;
    count = 0;
}
uint64_t counted() { return count; }
int64_t live() { return live_places; }
int64_t mapped() { return mapped_bytes; }

void* mmap(void* hint, size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
    return map(hint, bytes, protection, flags, file, offset, __builtin_return_address(0));
}
void* mmap64(void* hint, size_t bytes, int protection, int flags, int file, off64_t offset) noexcept {
    return map(hint, bytes, protection, flags, file, offset, __builtin_return_address(0));
}
void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
    static auto* const next = real<decltype(aligned_alloc)>("aligned_alloc");
    if (is_watched(__builtin_return_address(0)) && counts_as_failing()) return errno = ENOMEM, nullptr;
    return next(alignment, bytes);
}
int munmap(void* place, size_t bytes) noexcept {
    static auto* const next = real<decltype(munmap)>("munmap");
    if (is_watched(__builtin_return_address(0))) mapped_bytes -= static_cast<int64_t>(bytes);
    return next(place, bytes);
}
void* mremap(void* old, size_t old_bytes, size_t bytes, int flags, ...) noexcept {
    static auto* const next = real<decltype(mremap)>("mremap");
    va_list more;
    va_start(more, flags);
    void* to = flags & MREMAP_FIXED ? va_arg(more, void*) : nullptr;
    va_end(more);
    const bool is_ours = is_watched(__builtin_return_address(0));
    if (is_ours && counts_as_failing()) return errno = ENOMEM, MAP_FAILED;
    void* place = next(old, old_bytes, bytes, flags, to);
    if (is_ours && place != MAP_FAILED) mapped_bytes += static_cast<int64_t>(to ? 0 : bytes) - static_cast<int64_t>(old_bytes);
    return place;
}
int mprotect(void* place, size_t bytes, int protection) noexcept {
    static auto* const next = real<decltype(mprotect)>("mprotect");
    if (is_watched(__builtin_return_address(0)) && counts_as_failing()) return errno = ENOMEM, -1;
    return next(place, bytes, protection);
}
}

void* operator new(size_t bytes) { return take_or_throw(bytes, 0, __builtin_return_address(0)); }
void* operator new[](size_t bytes) { return take_or_throw(bytes, 0, __builtin_return_address(0)); }
void* operator new(size_t bytes, std::align_val_t to) { return take_or_throw(bytes, size_t(to), __builtin_return_address(0)); }
void* operator new[](size_t bytes, std::align_val_t to) { return take_or_throw(bytes, size_t(to), __builtin_return_address(0)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return take(bytes, 0, __builtin_return_address(0)); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return take(bytes, 0, __builtin_return_address(0)); }
void operator delete(void* place) noexcept { give(place); }
void operator delete[](void* place) noexcept { give(place); }
void operator delete(void* place, size_t) noexcept { give(place); }
void operator delete[](void* place, size_t) noexcept { give(place); }
void operator delete(void* place, std::align_val_t) noexcept { give(place); }
void operator delete[](void* place, std::align_val_t) noexcept { give(place); }
void operator delete(void* place, size_t, std::align_val_t) noexcept { give(place); }
void operator delete[](void* place, size_t, std::align_val_t) noexcept { give(place); }
