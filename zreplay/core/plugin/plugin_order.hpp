// A reclaim order of a plugin's as one of ours. The entries are zswap's own; what the plugin calls one stands in its `pool`, which is
// unused else.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "mm/virtual_order.hpp"
#include "plugin/failed.hpp"
#include "plugin/host.hpp"
#include "plugin/plugin_index.hpp"

namespace zreplay {

class PluginOrder final : public OrderInterface {
  public:
    // Throws PluginFailed.
    PluginOrder(const zr_mm_ops& ops, std::string label, const void* context = nullptr)
        : ops_(ops), label_(std::move(label)), host_(context) {
        const zr_mm_options given{.size = sizeof(zr_mm_options), .reserved = 0};
        if (const int error = ops_.create(&given, host_.table(), &state_)) gave(label_, "create()", error, "0");
        if (!(ops_.capabilities & ZR_MM_GROUPS)) groups_.push_back(0);
    }
    ~PluginOrder() override { destroy(); }
    // Before its time, so that the host can be asked what is left.
    void destroy() {
        if (state_) ops_.destroy(std::exchange(state_, nullptr));
    }

    bool makes_room() const override { return ops_.capabilities & ZR_MM_MAKES_ROOM; }

    CompressedEntry* make(SwapEntry slot, Location object, uint32_t length_bytes, uint64_t /*next_load*/, uint64_t group) override {
        CompressedEntry* entry = entries_.make();
        entry->slot = slot;
        entry->object = object;
        entry->length_bytes = length_bytes;
        entry->referenced = false;  // when it goes is the plugin's affair alone
        if (has_groups()) add_group(group);
        const zr_mm_entry told{.size = sizeof(zr_mm_entry), .type = slot.type(), .offset = slot.offset(), .group = group,
                               .length_bytes = length_bytes};
        uint64_t handle = 0;
        if (const int error = ops_.stored(state_, &told, reinterpret_cast<uint64_t>(entry), &handle, as_c(&cost_))) {
            entry->object = {};
            entries_.release(entry);
            gave(label_, "stored() of " + of_slot(slot), error, "0");
        }
        entry->pool = reinterpret_cast<void*>(handle);
        return entry;
    }

    void release(CompressedEntry* entry) override {
        ops_.gone(state_, handle(entry), as_c(&cost_));
        entry->object = {};
        entries_.release(entry);
    }

    void loaded(CompressedEntry* entry, uint64_t) override { ops_.loaded(state_, handle(entry), as_c(&cost_)); }

    CompressedEntry* oldest(uint64_t group) const override {
        uint64_t cookie = 0;
        const int error = ops_.next(state_, has_groups() ? group : 0, &cookie, as_c(&cost_));
        if (error == -e_noent) return nullptr;
        if (error) gave(label_, "next()", error, "0 or −2");
        auto* entry = reinterpret_cast<CompressedEntry*>(cookie);
        if (!entries_.holds(entry) || !entry->object)
            throw PluginFailed(label_, "next(): cookie " + std::to_string(cookie) + ", expected an entry's that is live");
        return entry;
    }

    void rotate(CompressedEntry* entry) override { ops_.visited(state_, handle(entry), as_c(&cost_)); }

    bool has_groups() const override { return ops_.capabilities & ZR_MM_GROUPS; }
    void add_group(uint64_t group) override {
        if (has_groups() && place_of(group) == groups_.size()) groups_.push_back(group);
    }
    size_t groups() const override { return groups_.size(); }
    CompressedEntry* oldest_of_nth(size_t n) const override { return oldest(groups_[n]); }
    size_t place_of(uint64_t group) const override {
        if (!has_groups()) return 0;
        return static_cast<size_t>(std::find(groups_.begin(), groups_.end(), group) - groups_.begin());
    }

    uint64_t entries() const override { return entries_.live(); }
    uint64_t bytes() const override { return memory().bytes + entries_.live() * sizeof(CompressedEntry); }
    void for_each(const Visit& visit) const override {
        entries_.visit_from(0, [&](const CompressedEntry* entry) {
            if (entry->object) visit(entry);
            return true;
        });
    }
    void check() const override {
        char message[400] = "";
        const int error = ops_.check(state_, message, sizeof message);
        message[sizeof message - 1] = 0;
        require_checked(label_, error, message);
        if (memory().entries != entries_.live())
            gave(label_, "memory(): entries", static_cast<int64_t>(memory().entries), std::to_string(entries_.live()).c_str());
    }

    const zr_mm_ops& ops() const { return ops_; }
    Host& host() { return host_; }

  private:
    static uint64_t handle(const CompressedEntry* entry) { return reinterpret_cast<uint64_t>(entry->pool); }
    zr_mm_memory memory() const {
        zr_mm_memory memory{};
        ops_.memory(state_, &memory);
        return memory;
    }

    const zr_mm_ops ops_;
    const std::string label_;
    Host host_;
    void* state_ = nullptr;
    Arena<CompressedEntry, 64> entries_;
    std::vector<uint64_t> groups_;  // in the order in which they came
    mutable Cost cost_;             // of nobody's account yet
};

}  // namespace zreplay
