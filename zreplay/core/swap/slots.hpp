// What a slot of the swap index says of the object it leads to (kernel-model 7.3 to 7.6 and 7.10), and the changes in it that
// moving objects and pages asks for. To a model the index holds objects, whatever its slots say.
//
//   object   | what the pool gave for it: zbud's page and buddy, or a handle cell   | 0 |   as the kernel has it: indirection
//   header   | zbud's page                                                      | 0 | 0 |   v3: its header says which buddy
//   bits     | the page the object starts in          | which of those, six bits      |   as many as the index has tags or bits
//   value    | page frame number, 40 bits | which of those, 23 bits               | 1 |   an xarray's value entry
//
// An object that a slot cannot express, because too many start in its page or a pointer has too few bits, spills: its slot
// names a handle cell of 8 bytes, which is rewritten when the object moves. Once spilled it stays so. Wherever slots name
// pages, each object that moves has its slot rewritten, one walk each; cells are rewritten without a walk.
#pragma once

#include <unordered_map>
#include <utility>

#include "arena.hpp"
#include "counters.hpp"
#include "index/index.hpp"
#include "pool/frames.hpp"
#include "pool/pool.hpp"

namespace zreplay {

enum class Locate : uint8_t { object, header, bits, value };

struct SlotOptions {
    Locate locate = Locate::object;
    uint32_t positions = 0;  // bits, value: objects of a page that a slot can tell apart
};

template <class P>
class Slots {
    static constexpr bool has_headers = requires(const P& pool) { pool.find_in_page(Location(), SwapEntry()); };
    static constexpr bool has_places = requires(const P& pool) { pool.place(Location()); };

  public:
    Slots(SwapIndex& index, P& pool, SlotOptions options, Counters& counters)
        : index_(index), pool_(pool), options_(options), counters_(counters) {}
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;

    Location find(SwapEntry entry) const { return object(entry, index_.find(entry)); }

    Location insert(SwapEntry entry, Location object) {
        return options_.locate == Locate::object ? index_.insert(entry, object) : insert_word(entry, object);
    }

    Location erase(SwapEntry entry) {
        return options_.locate == Locate::object ? index_.erase(entry) : erase_word(entry);
    }

    // Whether a tree that does not replace would refuse the slot, having one already. It is the tree's own insert that finds
    // out, so only a refusal costs something here: one walk.
    bool refuses(SwapEntry entry) {
        const bool there = static_cast<bool>(peek(entry));
        if (there) index_.find(entry);
        return there;
    }

    // What find() gives, on nobody's account: where the kernel comes by it with the walk of another call.
    Location peek(SwapEntry entry) const {
        Cost& account = index_.charge_nobody();
        const Location found = find(entry);
        index_.charge(account);
        return found;
    }

    // visit(offset, object) in ascending order of offset.
    template <class Visit>
    void for_each(uint32_t type, Visit&& visit) const {
        index_.for_each(type, [&](uint64_t offset, Location word) { visit(offset, object({type, offset}, word)); });
    }

    // The pool's hook: the object of a slot that is there has moved.
    void moved(SwapEntry entry, Location object) {
        if (Cell* cell = spilled(entry)) {
            cell->object = object;
            ++counters_.handles_rewritten;
            return;
        }
        index_.update(entry, word(entry, object));
        ++(index_.has_entries() ? counters_.handles_rewritten : counters_.index_slots_rewritten);
    }

    // Whether an object's slot has to be told when the object moves within a page or between pages.
    bool names_places() const { return options_.locate == Locate::bits || options_.locate == Locate::value; }
    bool holds_locations() const { return options_.locate == Locate::object || options_.locate == Locate::header; }

    // What the slot of an object in the pool holds; counts nothing and spills nothing. Empty: its cell, which is missing.
    Location expected(SwapEntry entry, Location object) const {
        if (Cell* cell = spilled(entry)) return cell->object == object ? Location::wide(cell, 0) : Location();
        return direct(entry, object);
    }

    uint64_t cells() const { return cells_.live(); }

  private:
    [[gnu::noinline]] Location insert_word(SwapEntry entry, Location object) {
        Cell* old_cell = forget_cell(entry);
        const Location old = this->object(entry, index_.insert(entry, word(entry, object)));
        if (old_cell) release(old_cell);
        return old;
    }

    [[gnu::noinline]] Location erase_word(SwapEntry entry) {
        const Location old = object(entry, index_.erase(entry));
        if (Cell* cell = forget_cell(entry)) release(cell);
        return old;
    }

    // A handle cell; 8 bytes in the kernel, in a slab of its own.
    struct alignas(64) Cell {
        SlotTarget target = SlotTarget::cell;
        Location object;
    };

    Cell* spilled(SwapEntry entry) const {
        if (spilled_.empty()) return nullptr;
        auto place = spilled_.find(entry.word);
        return place == spilled_.end() ? nullptr : place->second;
    }

    // Empty: a slot cannot express it.
    Location direct([[maybe_unused]] SwapEntry entry, Location object) const {
        if (options_.locate == Locate::object || object == Location::same_filled()) return object;
        if constexpr (has_headers)
            if (options_.locate == Locate::header) return Location::from_word(object.word() & ~Location::position_mask);
        if constexpr (has_places) {
            const Place place = pool_.place(object);
            if (place.nth >= options_.positions) return {};
            if (options_.locate == Locate::bits) return Location::wide(place.frame, place.nth);
            return Location::from_word((place.frame->number << 23 | place.nth) << 1 | 1);
        }
        return object;
    }

    Cell* forget_cell(SwapEntry entry) {
        Cell* cell = spilled(entry);
        if (cell) spilled_.erase(entry.word);
        return cell;
    }

    void release(Cell* cell) {
        cells_.release(cell);
        --counters_.slots_spilled;
    }

    Location word(SwapEntry entry, Location object) {
        if (Location word = direct(entry, object)) return word;
        Cell* cell = cells_.make();
        cell->object = object;
        spilled_[entry.word] = cell;
        ++counters_.slots_spilled;
        ++counters_.objects_spilled;
        return Location::wide(cell, 0);
    }

    Location object(SwapEntry entry, Location word) const {
        return options_.locate == Locate::object || !word ? word : object_of_word(entry, word);
    }

    [[gnu::noinline]] Location object_of_word([[maybe_unused]] SwapEntry entry, Location word) const {
        if (word == Location::same_filled()) return word;
        if constexpr (has_headers)
            if (options_.locate == Locate::header) return pool_.find_in_page(word, entry);
        if constexpr (has_places) {
            auto& pool = pool_of(entry);
            if (options_.locate == Locate::value && word.word() & 1) {
                const uint64_t payload = word.word() >> 1;
                return pool.object_at({pool.frame(payload >> 23), static_cast<uint32_t>(payload & ((1u << 23) - 1))});
            }
            auto* target = word.wide_descriptor<Frame>();
            if (target->target == SlotTarget::cell) return reinterpret_cast<Cell*>(target)->object;
            return pool.object_at({target, word.wide_position()});
        }
        return word;
    }

    auto& pool_of([[maybe_unused]] SwapEntry entry) const {
        if constexpr (requires { pool_.of(entry); }) return pool_.of(entry);
        else return pool_;
    }

    SwapIndex& index_;
    P& pool_;
    SlotOptions options_;
    Counters& counters_;
    Arena<Cell> cells_;
    std::unordered_map<uint64_t, Cell*> spilled_;
};

}  // namespace zreplay
