// A swap index of a plugin's as one of ours.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "index/index.hpp"
#include "plugin/failed.hpp"
#include "plugin/host.hpp"

namespace zreplay {

static_assert(sizeof(zr_cost) == sizeof(Cost) && offsetof(zr_cost, headers_read) == offsetof(Cost, headers_read));
static_assert(ZR_AHEAD == Ahead::lanes && sizeof(SwapEntry) == 8 && sizeof(Location) == 8);
static_assert(offsetof(zr_ahead, changing) == offsetof(Ahead, changing) && offsetof(zr_ahead, slots) == offsetof(Ahead, entries) &&
              offsetof(zr_ahead, found) == offsetof(Ahead, found) && offsetof(zr_ahead, wants_found) == offsetof(Ahead, wants_found));

inline zr_cost* as_c(Cost* cost) { return reinterpret_cast<zr_cost*>(cost); }

class PluginIndex final : public SwapIndex {
  public:
    // Throws PluginFailed.
    PluginIndex(const zr_index_ops& ops, std::string label, IndexOptions options, bool small, const void* context = nullptr)
        : ops_(ops), label_(std::move(label)), host_(context) {
        const zr_index_options given{.size = sizeof(zr_index_options),
                                     .words = static_cast<zr_words>(options.words),
                                     .entry_bytes = options.entry_bytes,
                                     .small = small,
                                     .timing = options.kernels_layout,
                                     .reserved = 0};
        if (const int error = ops_.create(&given, host_.table(), &state_)) gave(label_, "create()", error, "0");
    }
    ~PluginIndex() override { destroy(); }
    // Before its time, so that the host can be asked what is left.
    void destroy() {
        if (state_) ops_.destroy(std::exchange(state_, nullptr));
    }

    Location find(SwapEntry entry) override {
        uint64_t word = 0;
        const int error = ops_.find(state_, entry.type(), entry.offset(), &word, as_c(cost_));
        if (error == -e_noent) return {};
        if (error || !word) [[unlikely]] failed("find", entry, error, word, "0 and a location, or −2");
        return Location::from_word(word);
    }

    Location insert(SwapEntry entry, Location location) override {
        uint64_t old = 0;
        const int error = ops_.insert(state_, entry.type(), entry.offset(), location.word(), &old, as_c(cost_));
        if (error) [[unlikely]] failed("insert", entry, error, old, "0");
        return Location::from_word(old);
    }

    Location erase(SwapEntry entry) override {
        uint64_t old = 0;
        const int error = ops_.erase(state_, entry.type(), entry.offset(), &old, as_c(cost_));
        if (error == -e_noent) return {};
        if (error || !old) [[unlikely]] failed("erase", entry, error, old, "0 and the location, or −2");
        return Location::from_word(old);
    }

    Location update(SwapEntry entry, Location moved) override {
        uint64_t old = 0;
        const int error = ops_.move(state_, entry.type(), entry.offset(), moved.word(), &old, as_c(cost_));
        if (error || !old) [[unlikely]] failed("move", entry, error, old, "0 and the location that was there");
        return Location::from_word(old);
    }

    void for_each(uint32_t type, const std::function<void(uint64_t offset, Location)>& visit) const override {
        struct Walk {
            const std::function<void(uint64_t, Location)>& visit;
            std::exception_ptr thrown;
        } walk{visit, nullptr};
        ops_.for_each(state_, type, [](void* arg, uint64_t offset, uint64_t location) {
            auto& walk = *static_cast<Walk*>(arg);
            if (walk.thrown) return;
            try {
                walk.visit(offset, Location::from_word(location));
            } catch (...) {
                walk.thrown = std::current_exception();
            }
        }, &walk);
        if (walk.thrown) std::rethrow_exception(walk.thrown);
    }

    int look_steps() const override { return ops_.look ? static_cast<int>(ops_.look_steps) : 1; }
    void look(int step, uint32_t group, Ahead& ahead) override {
        if (ops_.look) return ops_.look(state_, static_cast<uint32_t>(step), group, reinterpret_cast<zr_ahead*>(&ahead));
        ahead.found.fill({});
    }

    void check() const override {
        char message[400] = "";
        const int error = ops_.check(state_, message, sizeof message);
        message[sizeof message - 1] = 0;
        require_checked(label_, error, message);
    }

    uint64_t entries() const override { return memory().entries; }
    uint64_t nodes() const override { return memory().nodes; }
    uint64_t bytes() const override { return memory().bytes; }

    bool has_entries() const override { return ops_.capabilities & ZR_INDEX_ENTRIES; }
    bool positions_in_tags() const override { return ops_.capabilities & ZR_INDEX_TAGS; }
    bool reads_together() const override { return false; }
    const void* root(uint32_t) const override { return nullptr; }

    const zr_index_ops& ops() const { return ops_; }
    void* state() const { return state_; }
    Host& host() { return host_; }

  private:
    zr_index_memory memory() const {
        zr_index_memory memory{};
        ops_.memory(state_, &memory);
        return memory;
    }

    [[noreturn]] void failed(const char* call, SwapEntry entry, int error, uint64_t word, const char* expected) const {
        if (error == -e_nomem) throw PluginOutOfMemory(label_, std::string(call) + "() of " + of_slot(entry) + ": out of memory");
        throw PluginFailed(label_, std::string(call) + "() of " + of_slot(entry) + " gave " + std::to_string(error) + " and location " +
                                       std::to_string(word) + ", expected " + expected);
    }

    const zr_index_ops ops_;
    const std::string label_;
    Host host_;
    void* state_ = nullptr;
};

}  // namespace zreplay
