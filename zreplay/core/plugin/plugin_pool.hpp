// A pool of a plugin's as one of ours. Of each object there is a cell: the handle the plugin gave for it and what of an object the plugin
// need not know. The cell's address is the object's location, and the cookie by which the plugin names it.
//
//      byte 0       8        16     20         24         32
//           | entry | handle | size | resident |          |
#pragma once

#include <string>
#include <utility>

#include "arena.hpp"
#include "plugin/failed.hpp"
#include "plugin/host.hpp"
#include "plugin/plugin_index.hpp"
#include "pool/virtual_pool.hpp"

namespace zreplay {

class PluginPool final : public PoolInterface {
  public:
    // Throws PluginFailed.
    PluginPool(const zr_pool_ops& ops, std::string label, const void* context = nullptr)
        : ops_(ops), label_(std::move(label)), host_(context) {
        const zr_pool_options given{.size = sizeof(zr_pool_options), .reserved = 0};
        if (const int error = ops_.create(&given, host_.table(), &state_)) gave(label_, "create()", error, "0");
        host_.on_moved = [this](uint64_t cookie, uint64_t handle) {
            live(cookie, "moved()")->handle = handle;
            ++moved_;
        };
        refresh();
    }
    ~PluginPool() override { destroy(); }
    // Before its time, so that the host can be asked what is left.
    void destroy() {
        if (state_) ops_.destroy(std::exchange(state_, nullptr));
    }

    Allocation alloc(uint32_t size_bytes, SwapEntry entry) override {
        Cell* cell = cells_.make();
        *cell = {.entry = entry, .size_bytes = size_bytes};
        const int error = ops_.alloc(state_, size_bytes, cookie_of(cell), &cell->handle, as_c(cost_));
        host_.rethrow();
        if (error) {
            drop(cell);
            refresh();
            if (error != -e_nospc && error != -e_nomem && error != -e_inval)
                gave(label_, "alloc() of " + std::to_string(size_bytes) + " bytes", error, "0, −12, −22 or −28");
            return {{}, error};
        }
        asked_bytes_ += size_bytes;
        refresh();
        return {Location(cell, 0), 0};
    }

    void free(Location location) override {
        Cell* cell = of(location);
        ops_.free(state_, cell->handle, as_c(cost_));
        host_.rethrow();
        asked_bytes_ -= cell->size_bytes;
        drop(cell);
        refresh();
    }

    uint32_t size(Location location) const override { return of(location)->size_bytes; }
    SwapEntry entry(Location location) const override { return of(location)->entry; }
    void map(Location location, bool length_known) const override {
        if (ops_.map) ops_.map(state_, of(location)->handle, length_known, as_c(cost_));
    }

    uint64_t pages() const override { return memory_.pages; }
    PoolUsage usage() const override {
        return {.pages = memory_.pages, .objects = cells_.live(), .asked_bytes = asked_bytes_, .used_bytes = memory_.used_bytes,
                .movable_pages = memory_.movable_pages};
    }
    std::vector<ClassRow> classes() const override {
        if (!ops_.classes) return {};
        std::vector<zr_class_row> rows(64);
        uint32_t count = ops_.classes(state_, rows.data(), static_cast<uint32_t>(rows.size()));
        if (count > rows.size()) {
            rows.resize(count);
            count = std::min(count, ops_.classes(state_, rows.data(), count));
        }
        std::vector<ClassRow> all;
        for (uint32_t i = 0; i < count; ++i) {
            ClassRow row{.pages = rows[i].pages, .objects_used = rows[i].objects};
            if (rows[i].class_size) row.class_size = rows[i].class_size;
            else row.free_chunks = rows[i].free_chunks;
            all.push_back(row);
        }
        return all;
    }

    void objects_from(uint64_t number, const Visit& visit) const override {
        cells_.visit_from(number, [&](Cell* cell) { return !cell->size_bytes || visit(Location(cell, 0)); });
    }

    void check() const override {
        char message[400] = "";
        const int error = ops_.check(state_, message, sizeof message);
        message[sizeof message - 1] = 0;
        require_checked(label_, error, message);
        if (memory_.used_bytes < asked_bytes_)
            gave(label_, "memory(): used_bytes of " + std::to_string(cells_.live()) + " objects",
                 static_cast<int64_t>(memory_.used_bytes), ("at least the " + std::to_string(asked_bytes_) + " asked for").c_str());
        if (memory_.used_bytes > memory_.pages * page_bytes)
            gave(label_, "memory(): used_bytes", static_cast<int64_t>(memory_.used_bytes),
                 ("no more than " + std::to_string(memory_.pages) + " pages have").c_str());
    }
    void charge(Cost& cost) override { cost_ = &cost; }

    uint64_t handle(Location location) const override { return of(location)->handle; }
    bool has_pages() const override { return ops_.where && !(ops_.capabilities & ZR_POOL_SPANS); }
    uint64_t page_id(Location location) const override { return where(location).first; }
    int8_t position(Location location) const override { return static_cast<int8_t>(where(location).second); }

    bool evicts() const override { return ops_.capabilities & ZR_POOL_EVICTS; }
    int reclaim(uint32_t retries, const Visit& evict) override {
        if (!evicts()) return -e_inval;
        host_.on_evict = [&](uint64_t cookie) { return evict(Location(live(cookie, "evict()"), 0)); };
        Cost* account = cost_;  // evicting charges others
        const int error = ops_.reclaim(state_, retries, as_c(account));
        host_.on_evict = nullptr;
        host_.rethrow();
        refresh();
        if (error && error != -e_inval && error != -e_again) gave(label_, "reclaim()", error, "0, −11 or −22");
        return error;
    }
    bool is_resident(Location location) const override { return of(location)->resident; }
    void set_resident(Location location, bool resident) override { of(location)->resident = resident; }

    uint64_t compact() override {
        if (!(ops_.capabilities & ZR_POOL_COMPACTS)) return 0;
        const uint64_t moved_before = moved_, pages_before = memory_.pages;
        const uint64_t freed = ops_.compact(state_, as_c(cost_));
        host_.rethrow();
        refresh();
        if (pages_before - memory_.pages != freed)
            gave(label_, "compact()", static_cast<int64_t>(freed),
                 ("the pages freed: from " + std::to_string(pages_before) + " to " + std::to_string(memory_.pages)).c_str());
        moves_.objects_copied += moved_ - moved_before;
        moves_.pages_compacted += freed;
        return freed;
    }
    Moves moves() const override {
        Moves moves = moves_;
        moves.handles_rewritten = moved_;
        return moves;
    }
    bool movable() const override { return ops_.capabilities & ZR_POOL_MIGRATES; }
    Migration migrate(Location location) override {
        if (!movable()) return {-e_busy};
        uint32_t objects = 0;
        const int error = ops_.migrate(state_, of(location)->handle, &objects, as_c(cost_));
        host_.rethrow();
        refresh();
        if (error && error != -e_again && error != -e_busy) gave(label_, "migrate()", error, "0, −11 or −16");
        moves_.pages_migrated += !error;
        return {error, error ? 0 : objects};
    }

    const zr_pool_ops& ops() const { return ops_; }
    Host& host() { return host_; }

  private:
    struct alignas(32) Cell {
        SwapEntry entry;
        uint64_t handle = 0;
        uint32_t size_bytes = 0;  // 0: freed
        bool resident = false;
    };
    static_assert(sizeof(Cell) == 32);

    static Cell* of(Location location) { return location.descriptor<Cell>(); }
    static uint64_t cookie_of(const Cell* cell) { return reinterpret_cast<uint64_t>(cell); }

    Cell* live(uint64_t cookie, const char* call) const {
        auto* cell = reinterpret_cast<Cell*>(cookie);
        if (!cells_.holds(cell) || !cell->size_bytes)
            throw PluginFailed(label_, std::string(call) + " of cookie " + std::to_string(cookie) + ", expected an object's that is live");
        return cell;
    }
    void drop(Cell* cell) {
        cell->size_bytes = 0;
        cells_.release(cell);
    }
    void refresh() { ops_.memory(state_, &memory_); }
    std::pair<uint64_t, uint32_t> where(Location location) const {
        std::pair<uint64_t, uint32_t> place{};
        if (ops_.where) ops_.where(state_, of(location)->handle, &place.first, &place.second);
        return place;
    }

    const zr_pool_ops ops_;
    const std::string label_;
    Host host_;
    void* state_ = nullptr;
    Arena<Cell> cells_;
    zr_pool_memory memory_{};
    uint64_t asked_bytes_ = 0, moved_ = 0;
    Moves moves_;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

}  // namespace zreplay
