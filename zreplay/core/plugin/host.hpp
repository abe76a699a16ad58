// What a plugin's instance may call: the host's side of zreplay_plugin.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <utility>

#include "plugin/zreplay_plugin.h"

namespace zreplay {

class Host {
    struct Table : zr_host {
        Host* host;
    };

  public:
    Host() : table_{{take, give, evict_object, object_moved}, this} {}
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    zr_host* table() { return &table_; }

    uint64_t allocations() const { return allocations_; }
    uint64_t live() const { return live_; }
    // The n-th allocation from now on fails, n = 1, …; once.
    void fail_at(uint64_t n) { fail_in_ = n; }

    // What evict() and moved() do. What they throw is kept and thrown on by rethrow(), as C has no exceptions.
    std::function<bool(uint64_t cookie)> on_evict;
    std::function<void(uint64_t cookie, uint64_t handle)> on_moved;
    void rethrow() {
        if (thrown_) [[unlikely]] std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

  private:
    static Host& of(zr_host* table) { return *static_cast<Table*>(table)->host; }

    static void* take(zr_host* table, size_t bytes, size_t alignment) {
        Host& host = of(table);
        ++host.allocations_;
        if (host.fail_in_ && --host.fail_in_ == 0) return nullptr;
        alignment = std::max<size_t>(alignment, 16);
        const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
        void* memory = std::aligned_alloc(alignment, rounded);
        if (!memory) return nullptr;
        ++host.live_;
        return std::memset(memory, 0, rounded);
    }
    static void give(zr_host* table, void* memory) {
        if (!memory) return;
        --of(table).live_;
        std::free(memory);
    }
    static int evict_object(zr_host* table, uint64_t cookie) {
        Host& host = of(table);
        constexpr int refused = -11;  // −EAGAIN
        if (!host.on_evict || host.thrown_) return refused;
        try {
            return host.on_evict(cookie) ? 0 : refused;
        } catch (...) {
            host.thrown_ = std::current_exception();
            return refused;
        }
    }
    static void object_moved(zr_host* table, uint64_t cookie, uint64_t handle) {
        Host& host = of(table);
        if (!host.on_moved || host.thrown_) return;
        try {
            host.on_moved(cookie, handle);
        } catch (...) {
            host.thrown_ = std::current_exception();
        }
    }

    Table table_;
    uint64_t allocations_ = 0, live_ = 0, fail_in_ = 0;
    std::exception_ptr thrown_;
};

// A table as long as this version's, of one that may be shorter: what it does not have is NULL.
template <class Ops>
Ops whole(const Ops& given) {
    Ops ops{};
    std::memcpy(&ops, &given, std::min<size_t>(given.size, sizeof(Ops)));
    return ops;
}

}  // namespace zreplay
