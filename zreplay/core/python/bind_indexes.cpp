// One swap index at a time, for tests and experiments: call by call, or a record batch of calls.
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "index/registry.hpp"
#include "index/time_index.hpp"
#include "mm/registry.hpp"
#include "python/converted.hpp"
#include "module.hpp"
#include "python/arrow.hpp"

namespace nb = nanobind;

namespace zreplay {

namespace {

enum Call : uint8_t { call_insert, call_find, call_erase, call_update, call_kinds };

SwapEntry entry_of(uint64_t type, uint64_t offset) {
    if (type >= swap_types) throw std::invalid_argument("swap type " + std::to_string(type) + ", expected 0 to 31");
    if (offset > SwapEntry::offset_mask)
        throw std::invalid_argument("offset " + std::to_string(offset) + ", expected less than 2^58");
    return {static_cast<uint32_t>(type), offset};
}

SlotWords slot_words(std::string_view name) {
    if (name == "narrow") return SlotWords::narrow;
    if (name == "wide") return SlotWords::wide;
    if (name == "value") return SlotWords::value;
    throw std::invalid_argument("words '" + std::string(name) + "', expected narrow, wide or value");
}

// What words an index is given, and what is wrong with one.
class WordRule {
  public:
    WordRule(const IndexKind& kind, SlotWords words)
        : words_(words),
          positions_(kind.positions_64 ? kind.positions_64 : handle_positions) {
        if (words == SlotWords::value && !kind.takes_values)
            throw std::invalid_argument("swap index " + std::string(kind.name) +
                                        " takes no values, expected narrow or wide words");
    }

    Location location(uint64_t word) const {
        const char* expected = wrong(word);
        if (!expected) return Location::from_word(word);
        std::string message = "location word " + std::to_string(word) + ", expected " + expected;
        if (words_ == SlotWords::wide) message += std::to_string(positions_);
        throw std::invalid_argument(message);
    }

  private:
    // A handle is a word of the pool's own; bit 0 is kept clear as in any location.
    static constexpr uint32_t handle_positions = 32;

    const char* wrong(uint64_t word) const {
        constexpr uint64_t same_filled = Location::same_filled_bit;
        switch (words_) {
            case SlotWords::narrow:
                return word & 1 || !(word & ~Location::position_mask) ? "bit 0 clear and a descriptor" : nullptr;
            case SlotWords::wide: {
                bool has_descriptor = word & ~Location::wide_low_bits;
                bool fits = Location::from_word(word).wide_position() < positions_;
                return word == same_filled || (has_descriptor && fits) ? nullptr : "8, or a descriptor and a position below ";
            }
            default: {
                bool is_pointer = word && !(word & Location::wide_low_bits);
                bool is_value = word & 1 && word != 1;
                return word == same_filled || is_pointer || is_value ? nullptr
                                                                     : "8, a value other than 0, or a pointer aligned to 64";
            }
        }
    }

    SlotWords words_;
    uint32_t positions_;
};

// The batch's columns, read once and checked as they are read.
class Calls {
  public:
    explicit Calls(const ArrowBatch& batch)
        : rows(static_cast<size_t>(batch.rows())),
          op_(values<uint8_t>(batch, "op", "C")),
          type_(values<uint8_t>(batch, "type", "C")),
          offset_(values<uint64_t>(batch, "offset", "L")),
          word_(values<uint64_t>(batch, "word", "L")) {}

    const size_t rows;

    Call call(size_t row) const {
        if (op_[row] >= call_kinds)
            throw std::invalid_argument("op " + std::to_string(op_[row]) + ", expected 0 to 3, in row " +
                                        std::to_string(row));
        return static_cast<Call>(op_[row]);
    }
    SwapEntry entry(size_t row) const { return entry_of(type_[row], offset_[row]); }
    uint64_t word(size_t row) const { return word_[row]; }

  private:
    template <class T>
    static const T* values(const ArrowBatch& batch, const char* name, const char* format) {
        const ArrowArray* column = batch.column(name, format);
        if (!column) throw std::invalid_argument(std::string("no column '") + name + "'");
        return static_cast<const T*>(column->buffers[1]) + column->offset + batch.offset();
    }

    const uint8_t* op_;
    const uint8_t* type_;
    const uint64_t* offset_;
    const uint64_t* word_;
};

struct PythonIndex {
    PythonIndex(std::string_view name, bool small, std::string_view words, bool kernels_layout)
        : rule(index_kind(name), slot_words(words)) {
        IndexOptions options{.words = slot_words(words), .kernels_layout = kernels_layout};
        index = small ? index_kind(name).make_small(options) : index_kind(name).make(options);
        index->charge(cost);
    }

    uint64_t apply_one(Call call, SwapEntry entry, Location location) {
        switch (call) {
            case call_insert: return index->insert(entry, location).word();
            case call_find: return index->find(entry).word();
            case call_erase: return index->erase(entry).word();
            default: return index->find(entry) ? index->update(entry, location).word() : 0;
        }
    }

    ColumnsOut apply(nb::handle columns, uint64_t check_every, bool warm) {
        ArrowBatch batch(columns);
        Calls calls(batch);
        std::vector<uint64_t> old(calls.rows);
        {
            nb::gil_scoped_release running;
            auto happen = [&](size_t row, size_t end) {
                for (; row < end; ++row) {
                    Call call = calls.call(row);
                    bool has_location = call == call_insert || call == call_update;
                    old[row] = apply_one(call, calls.entry(row), has_location ? rule.location(calls.word(row)) : Location());
                    if (check_every && (row + 1) % check_every == 0) index->check();
                }
            };
            // As in a replay: groups are looked at while others' calls are made.
            const uint64_t groups = (calls.rows + Ahead::lanes - 1) / Ahead::lanes;
            for (uint64_t group = 0; warm && group < groups; ++group) {
                const size_t first = group * Ahead::lanes;
                look_ahead(
                    group, groups, index->look_steps(), static_cast<uint32_t>(std::min(calls.rows - first, size_t{Ahead::lanes})),
                    [&](int step, uint64_t number) { look(calls, step, number); },
                    [&](uint32_t from, uint32_t to) { happen(first + from, first + to); });
            }
            if (!warm) happen(0, calls.rows);
        }
        ColumnsOut out;
        out.add("old", "L", std::move(old));
        return out;
    }

    void look(const Calls& calls, int step, uint64_t group) {
        Ahead& to_come = ahead[group % Ahead::groups];
        if (step == 0) {
            const size_t first = group * Ahead::lanes;
            to_come.count = static_cast<uint32_t>(std::min<size_t>(Ahead::lanes, calls.rows - first));
            to_come.changing = 0;
            for (uint32_t i = 0; i < to_come.count; ++i) {
                to_come.entries[i] = calls.entry(first + i);
                to_come.changing |= uint32_t{calls.call(first + i) != call_find} << i;
            }
        }
        index->look(step, group % Ahead::groups, to_come);
    }

    // What find() would give, found by looking ahead.
    std::vector<uint64_t> found(const std::vector<SwapEntry>& entries) {
        std::vector<uint64_t> words;
        Ahead to_come;
        for (size_t first = 0; first < entries.size(); first += Ahead::lanes) {
            to_come.count = static_cast<uint32_t>(std::min<size_t>(Ahead::lanes, entries.size() - first));
            std::copy_n(entries.begin() + static_cast<ptrdiff_t>(first), to_come.count, to_come.entries.begin());
            for (int step = 0; step < index->look_steps(); ++step) index->look(step, 0, to_come);
            for (uint32_t i = 0; i < to_come.count; ++i) words.push_back(to_come.found[i].word());
        }
        return words;
    }

    WordRule rule;
    std::array<Ahead, Ahead::groups> ahead;
    std::unique_ptr<SwapIndex> index;
    Cost cost;
};

nb::dict cost_dict(const Cost& cost) {
    nb::dict out;
    out["nodes_visited"] = cost.nodes_visited;
    out["cache_lines"] = cost.cache_lines;
    out["nodes_allocated"] = cost.nodes_allocated;
    out["nodes_freed"] = cost.nodes_freed;
    out["slots_written"] = cost.slots_written;
    out["tag_words_written"] = cost.tag_words_written;
    return out;
}

}  // namespace

void bind_indexes(nb::module_& module) {
    module.def("index_kinds", [] {
        std::vector<std::pair<std::string, std::string>> kinds;
        for (const IndexKind& kind : index_kinds()) kinds.emplace_back(kind.name, kind.summary);
        return kinds;
    }, "Name and one-line summary of each swap index there is.");

    module.def("order_kinds", [] {
        std::vector<std::pair<std::string, std::string>> kinds;
        for (const OrderKind& kind : order_kinds()) kinds.emplace_back(kind.name, kind.summary);
        return kinds;
    }, "Name and one-line summary of each reclaim order of entries there is, beside 6.12's own.");

    module.def("index_positions", [](std::string_view name) {
        const IndexKind& kind = index_kind(name);
        nb::dict out;
        out["positions_64"] = kind.positions_64;
        out["positions_32"] = kind.positions_32;
        out["takes_values"] = kind.takes_values;
        out["is_bound"] = kind.is_bound;
        return out;
    }, nb::arg("name"), "What a slot of the index can say beside the pointer; 0 positions: its entries hold handles.");

    nb::class_<PythonIndex>(module, "Index", "A swap index: a tree for each type. Locations are words; 0: none.")
        .def(nb::init<std::string_view, bool, std::string_view, bool>(), nb::arg("name"), nb::arg("small") = false,
             nb::arg("words") = "narrow", nb::arg("kernels_layout") = false)
        .def("find", [](PythonIndex& self, uint64_t type, uint64_t offset) {
            return self.index->find(entry_of(type, offset)).word();
        }, nb::arg("type"), nb::arg("offset"))
        .def("insert", [](PythonIndex& self, uint64_t type, uint64_t offset, uint64_t word) {
            return self.index->insert(entry_of(type, offset), self.rule.location(word)).word();
        }, nb::arg("type"), nb::arg("offset"), nb::arg("word"), "Replaces; gives the old word.")
        .def("erase", [](PythonIndex& self, uint64_t type, uint64_t offset) {
            return self.index->erase(entry_of(type, offset)).word();
        }, nb::arg("type"), nb::arg("offset"))
        .def("update", [](PythonIndex& self, uint64_t type, uint64_t offset, uint64_t word) {
            Cost uncharged;
            self.index->charge(uncharged);
            bool there = static_cast<bool>(self.index->find(entry_of(type, offset)));
            self.index->charge(self.cost);
            if (!there) throw nb::key_error("update of an entry that is not there");
            return self.index->update(entry_of(type, offset), self.rule.location(word)).word();
        }, nb::arg("type"), nb::arg("offset"), nb::arg("word"),
             "The object moved; gives the old word. KeyError if it is not there.")
        .def("items", [](PythonIndex& self, uint64_t type) {
            std::vector<std::pair<uint64_t, uint64_t>> items;
            self.index->for_each(entry_of(type, 0).type(), [&](uint64_t offset, Location location) {
                items.emplace_back(offset, location.word());
            });
            return items;
        }, nb::arg("type"), "(offset, word) of each entry, in ascending order of offset.")
        .def("warm", [](PythonIndex& self, nb::sequence keys) {
            std::vector<SwapEntry> entries;
            for (auto [type, offset] : converted<std::vector<std::pair<uint64_t, uint64_t>>>(keys)) entries.push_back(entry_of(type, offset));
            return self.found(entries);
        }, nb::arg("keys"), "What find() would give for each (type, offset); counts nothing.")
        .def("apply", &PythonIndex::apply, nb::arg("columns"), nb::arg("check_every") = 0, nb::arg("warm") = false,
             "Makes the calls of a record batch (op: 0 insert, 1 find, 2 erase, 3 find and update if there; type,\n"
             "offset, word) and gives each one's answer as column `old`. ValueError names a value out of range.")
        .def("check", [](PythonIndex& self) { self.index->check(); }, "CheckFailed if an invariant does not hold.")
        .def("root_address", [](PythonIndex& self, uint64_t type) {
            return reinterpret_cast<uint64_t>(self.index->root(entry_of(type, 0).type()));
        }, nb::arg("type"), "Where the type's tree begins, laid out as the kernel's (rbtree: with kernels_layout).")
        .def("cost", [](PythonIndex& self) { return cost_dict(self.cost); }, "What all calls so far have cost.")
        .def_prop_ro("entries", [](PythonIndex& self) { return self.index->entries(); })
        .def_prop_ro("nodes", [](PythonIndex& self) { return self.index->nodes(); })
        .def_prop_ro("bytes", [](PythonIndex& self) { return self.index->bytes(); });

    nb::class_<TimedIndex>(module, "TimedIndex", "An index by itself against the clock, on a stream of random operations.")
        .def(nb::init<std::string_view, uint32_t, uint64_t, bool>(), nb::arg("name"), nb::arg("entries"), nb::arg("seed"),
             nb::arg("timing") = false, nb::call_guard<nb::gil_scoped_release>(),
             "Filled with so many entries in random slots of twice as many. `timing`: as a replay with --timing.")
        .def("run", &TimedIndex::run, nb::arg("operations"), nb::call_guard<nb::gil_scoped_release>(),
             "Nanoseconds of processor time for the next operations: 37 % stores, 40 % loads, 23 % invalidates.")
        .def_prop_ro("sum", &TimedIndex::sum, "Of the words found, replaced and erased so far, modulo 2^64.")
        .def_prop_ro("entries", [](const TimedIndex& self) { return self.index().entries(); });
}

}  // namespace zreplay
