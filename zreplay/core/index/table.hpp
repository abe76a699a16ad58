// table: zram's index, one 16-byte entry for every slot of the device, found by its number. No tree, no walk.
//
//      slot      0               1               2
//            | handle | flags | handle | flags | …          256 slots are one page of the table
//
// The kernel allocates the whole table when the device gets its size, 16 bytes × slots. A trace does not say that size,
// so what counts here are the pages of the table in which something is stored: nodes() pages of 4096 bytes. The flags
// (length, same-filled, huge) are the entry's size and are left empty, as the pool's descriptor knows them.
#pragma once

#include <array>

#include "index/broken.hpp"
#include "index/index.hpp"
#include "pieces.hpp"
#include "prefetch.hpp"

namespace zreplay {

template <int PieceBits>
class Table final : public SwapIndex {
    struct Slot {
        uint64_t handle;
        uint64_t flags;
    };
    static_assert(sizeof(Slot) == 16);
    static constexpr uint64_t slots = uint64_t{1} << PieceBits;
    struct Piece {
        std::array<Slot, slots> slot{};
        uint64_t used = 0;
    };

  public:
    Location find(SwapEntry entry) override {
        const Piece* piece = touch(entry);
        return piece ? Location::from_word(piece->slot[within(entry)].handle) : Location();
    }

    Location insert(SwapEntry entry, Location location) override {
        Piece& piece = pieces_.make(entry);
        Location old = write(piece, entry, location);
        if (old) return old;
        ++entries_;
        if (piece.used++ == 0) {
            ++pages_;
            ++cost_->nodes_allocated;
        }
        return {};
    }

    Location erase(SwapEntry entry) override {
        Piece* piece = touch(entry);
        if (!piece || !piece->slot[within(entry)].handle) return {};
        Location old = Location::from_word(piece->slot[within(entry)].handle);
        piece->slot[within(entry)].handle = 0;
        ++cost_->slots_written;
        --entries_;
        if (--piece->used == 0) {
            --pages_;
            ++cost_->nodes_freed;
        }
        return old;
    }

    Location update(SwapEntry entry, Location moved) override { return write(*pieces_.find(entry), entry, moved); }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        pieces_.for_each(type, [&](uint64_t first, const Piece& piece) {
            for (uint64_t i = 0; i < slots; ++i)
                if (piece.slot[i].handle) visit(first + i, Location::from_word(piece.slot[i].handle));
        });
    }

    int look_steps() const override { return 2; }
    void look(int step, uint32_t, Ahead& ahead) override {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const Piece* piece = pieces_.find(ahead.entries[i]);
            const Slot* slot = piece ? &piece->slot[within(ahead.entries[i])] : nullptr;
            if (step) ahead.found[i] = slot ? Location::from_word(slot->handle) : Location();
            else if (slot) prefetch_to_write(slot);
        }
    }

    void check() const override {
        uint64_t entries = 0, pages = 0;
        for (uint32_t type = 0; type < swap_types; ++type)
            pieces_.for_each(type, [&](uint64_t first, const Piece& piece) {
                uint64_t used = 0;
                for (uint64_t i = 0; i < slots; ++i) {
                    require_at(type, first + i, !(piece.slot[i].handle & 1), "table handle is a location",
                               piece.slot[i].handle, piece.slot[i].handle & ~uint64_t{1});
                    used += piece.slot[i].handle != 0;
                }
                require_at(type, first, used == piece.used, "table page's used slots", piece.used, used);
                entries += used;
                pages += used != 0;
            });
        require(entries == entries_, "table entries", entries_, entries);
        require(pages == pages_, "table pages in use", pages_, pages);
    }

    uint64_t entries() const override { return entries_; }
    uint64_t nodes() const override { return pages_; }
    uint64_t bytes() const override { return pages_ * sizeof(Slot) * slots; }
    bool has_entries() const override { return true; }
    const void* root(uint32_t type) const override { return pieces_.root(type); }

  private:
    static uint64_t within(SwapEntry entry) { return decltype(pieces_)::within(entry); }

    Piece* touch(SwapEntry entry) {
        Piece* piece = pieces_.find(entry);
        bool in_use = piece && piece->used;
        cost_->nodes_visited += in_use;
        cost_->cache_lines += in_use;
        return piece;
    }

    Location write(Piece& piece, SwapEntry entry, Location location) {
        uint64_t& handle = piece.slot[within(entry)].handle;
        Location old = Location::from_word(handle);
        handle = location.word();
        ++cost_->nodes_visited;
        ++cost_->cache_lines;
        ++cost_->slots_written;
        return old;
    }

    Pieces<Piece, PieceBits, PieceBits + 20> pieces_;
    uint64_t entries_ = 0;
    uint64_t pages_ = 0;
};

}  // namespace zreplay
