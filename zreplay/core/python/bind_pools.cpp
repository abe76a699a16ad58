// One pool by itself, for tests and experiments: what the replay loop calls, call by call. A location is its word.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "converted.hpp"
#include "module.hpp"
#include "pool/registry.hpp"

namespace nb = nanobind;

namespace zreplay {

namespace {

template <class List>
struct AnyOf;
template <class... Kinds>
struct AnyOf<PoolList<Kinds...>> {
    using Variant = std::variant<std::unique_ptr<Kinds>...>;
};

[[noreturn]] void cannot(std::string_view pool, const char* what) {
    throw nb::type_error((std::string(pool) + " cannot " + what).c_str());
}

template <class P>
concept Compacts = requires(P pool) { pool.compact(); };
template <class P>
concept SaysWhatCompacts = requires(P pool) { pool.can_compact(); };
template <class P>
concept MovesObjects = requires(P pool) { pool.moves(); };

[[noreturn]] void no_choice(std::string_view option, std::string_view found, const char* choices) {
    throw nb::value_error((std::string(option) + " '" + std::string(found) + "', expected " + choices).c_str());
}

void set_option(ZsmallocOptions& options, std::string_view option, nb::handle value) {
    if (option == "class_rule") {
        auto rule = converted<std::string>(value);
        if (rule != "a" && rule != "b") no_choice(option, rule, "a or b");
        options.class_rule = rule == "a" ? ClassRule::a : ClassRule::b;
    } else if (option == "fullness_groups") {
        auto groups = converted<std::string>(value);
        if (groups != "four" && groups != "twelve") no_choice(option, groups, "four or twelve");
        options.fullness_groups = groups == "four" ? FullnessGroups::four : FullnessGroups::twelve;
    } else if (option == "chain_limit") {
        options.chain_limit = nb::cast<uint32_t>(value);
    } else if (option == "frames") {
        options.frames = nb::cast<bool>(value);
    } else if (option == "sample") {
        std::tie(options.sample_keep, options.sample_of) = converted<std::pair<uint64_t, uint64_t>>(value);
    } else {
        throw nb::type_error(("zsmalloc has no option '" + std::string(option) + "'").c_str());
    }
}

void set_option(ZbudOptions& options, std::string_view option, nb::handle value) {
    if (option == "movable") options.movable = nb::cast<bool>(value);
    else throw nb::type_error(("zbud has no option '" + std::string(option) + "'").c_str());
}

void set_option(Z3foldOptions& options, std::string_view option, nb::handle value) {
    if (option == "work") {
        auto work = converted<std::string>(value);
        if (work != "immediate" && work != "deferred") no_choice(option, work, "immediate or deferred");
        options.deferred_work = work == "deferred";
    } else if (option == "cpus") {
        options.cpus = nb::cast<uint32_t>(value);
    } else if (option == "claimed_after_migration") {
        options.claimed_after_migration = nb::cast<bool>(value);
    } else if (option == "frames") {
        options.frames = nb::cast<bool>(value);
    } else {
        throw nb::type_error(("z3fold has no option '" + std::string(option) + "'").c_str());
    }
}

template <class P>
std::unique_ptr<P> make_pool(std::string_view name, nb::kwargs given) {
    if constexpr (requires { typename P::Options; }) {
        typename P::Options options;
        for (auto [key, value] : given) set_option(options, converted<std::string>(key), value);
        return std::make_unique<P>(options);
    } else {
        if (given.size()) throw nb::type_error((std::string(name) + " has no options").c_str());
        return std::make_unique<P>(pool_kind(name).make());
    }
}

nb::dict to_dict(const PoolUsage& usage) {
    nb::dict out;
    out["pages"] = usage.pages;
    out["objects"] = usage.objects;
    out["asked_bytes"] = usage.asked_bytes;
    out["used_bytes"] = usage.used_bytes;
    out["movable_pages"] = usage.movable_pages;
    return out;
}

nb::dict to_dict(const ClassRow& row) {
    nb::dict out;
    out["class_size"] = row.class_size;
    out["free_chunks"] = row.free_chunks;
    out["pages"] = row.pages;
    out["objects_used"] = row.objects_used;
    out["objects_allocated"] = row.objects_allocated;
    out["almost_empty"] = row.almost_empty;
    out["almost_full"] = row.almost_full;
    out["full"] = row.full;
    return out;
}

nb::dict to_dict(const Moves& moves) {
    nb::dict out;
    out["pages_compacted"] = moves.pages_compacted;
    out["objects_copied"] = moves.objects_copied;
    out["handles_rewritten"] = moves.handles_rewritten;
    out["pages_migrated"] = moves.pages_migrated;
    return out;
}

class AnyPool;

class AnyReclaim {
  public:
    AnyReclaim(AnyPool& pool, uint32_t retries);
    uint64_t victim() const { return attempt_->victim().word(); }
    void result(bool evicted) { attempt_->result(evicted); }
    int error() const { return attempt_->error(); }

  private:
    struct Attempt {
        virtual ~Attempt() = default;
        virtual Location victim() const = 0;
        virtual void result(bool evicted) = 0;
        virtual int error() const = 0;
    };
    template <class P>
    struct AttemptOn final : Attempt {
        AttemptOn(P& pool, uint32_t retries) : reclaim(pool, retries) {}
        Location victim() const override { return reclaim.victim(); }
        void result(bool evicted) override { reclaim.result(evicted); }
        int error() const override { return reclaim.error(); }
        typename P::Reclaim reclaim;
    };
    std::unique_ptr<Attempt> attempt_;
};

class AnyPool {
  public:
    template <class Visit>
    decltype(auto) visit(Visit&& visit) {
        return std::visit([&](auto& pool) -> decltype(auto) { return visit(*pool); }, pool_);
    }

    AnyPool(std::string_view name, nb::kwargs options)
        : pool_(with_pool(
              name, [&]<class P>(std::type_identity<P>) -> AnyOf<Pools>::Variant { return make_pool<P>(name, options); })),
          name_(name) {
        visit([&](auto& pool) { pool.charge(cost_); });
    }

    std::pair<uint64_t, int> alloc(uint32_t size_bytes, uint32_t type, uint64_t offset, bool own) {
        const SwapEntry entry(type, offset);
        Allocation made = visit([&](auto& pool) {
            if constexpr (requires { pool.alloc(size_bytes, entry, own); }) return pool.alloc(size_bytes, entry, own);
            else if (own) cannot(name_, "be made to take a new page");
            else return pool.alloc(size_bytes, entry);
        });
        return {made.location.word(), made.error};
    }

    void on_move(nb::callable told) {
        visit([&](auto& pool) {
            pool.on_move([told](SwapEntry entry, Location now) {
                nb::gil_scoped_acquire locked;  // apply() has let go of it
                told(entry.type(), entry.offset(), now.word());
            });
        });
    }

    int reclaim(uint32_t retries, nb::callable evict) {
        const std::function<bool(Location)> leaves = [&](Location victim) { return nb::cast<bool>(evict(victim.word())); };
        return visit([&]<class P>(P& pool) -> int {
            if constexpr (P::evictable)
                if (evicts(pool)) return pool.reclaim(retries, leaves);
            cannot(name_, "reclaim");
        });
    }

    // Steps are the appendix's: n > 0 allocates n bytes and appends the object to the live list, n ≤ 0 frees live[−n]
    // and moves the last one into its place. Gives (allocations, rejections).
    std::pair<uint64_t, uint64_t> apply(nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> steps) {
        return visit([&](auto& pool) {
            nb::gil_scoped_release unlocked;
            uint64_t rejections = 0, allocations = 0;
            for (size_t k = 0; k < steps.shape(0); ++k) {
                const int32_t step = steps.data()[k];
                if (step > 0) {
                    Allocation made = pool.alloc(static_cast<uint32_t>(step), SwapEntry(0, k));
                    if (made.error == 0) live_.push_back(made.location);
                    ++(made.error ? rejections : allocations);
                } else {
                    Location& chosen = live_.at(static_cast<size_t>(-static_cast<int64_t>(step)));
                    pool.free(chosen);
                    chosen = live_.back();
                    live_.pop_back();
                }
            }
            return std::pair{allocations, rejections};
        });
    }

    const Cost& cost() const { return cost_; }
    const std::string& name() const { return name_; }

  private:
    Cost cost_;
    AnyOf<Pools>::Variant pool_;
    std::string name_;
    std::vector<Location> live_;  // apply()'s
};

AnyReclaim::AnyReclaim(AnyPool& pool, uint32_t retries) {
    pool.visit([&]<class P>(P& kind) {
        if constexpr (P::evictable && !std::is_same_v<P, VirtualPool>)
            attempt_ = std::make_unique<AttemptOn<P>>(kind, retries);
        else
            cannot(pool.name(), "reclaim in steps");
    });
}

// zsmalloc's compaction, with others' calls between its steps.
class AnyCompaction {
  public:
    explicit AnyCompaction(AnyPool& pool) {
        pool.visit([&]<class P>(P& kind) {
            if constexpr (std::is_same_v<P, Zsmalloc>) steps_.emplace(kind);
            else cannot(pool.name(), "compact in steps");
        });
    }
    bool step() { return steps_->step(); }
    bool next_step_shows() const { return steps_->next_step_shows(); }
    uint64_t pages_freed() const { return steps_->pages_freed(); }

  private:
    std::optional<Zsmalloc::Compaction> steps_;
};

// Binds a method that every pool has, locations as words.
#define ON_LOCATION(method)                                                                   \
    [](AnyPool& any, uint64_t word) {                                                         \
        return any.visit([&](auto& pool) { return pool.method(Location::from_word(word)); }); \
    }

// Gives what the expression gives for a pool that has it.
#define OF_SOME_POOLS(Result, what, ...)                                                 \
    any.visit([&](auto& pool) -> Result {                                                \
        if constexpr (requires { __VA_ARGS__; }) return static_cast<Result>(__VA_ARGS__); \
        else cannot(any.name(), what);                                                   \
    })

}  // namespace

void bind_pools(nb::module_& module) {
    module.def("pool_kinds", [] {
        nb::list kinds;
        for (const PoolKind& kind : pool_kinds()) kinds.append(nb::make_tuple(kind.name, kind.summary));
        return kinds;
    }, "(name, one-line summary) of each pool.");

    module.def("pool_is_bound", [](std::string_view name) {
        return pool_kind(name).is_bound;
    }, nb::arg("name"), "Whether it is no allocator but a bound.");

    nb::class_<AnyPool>(module, "Pool", "One pool, call by call.")
        .def(
            "__init__",
            [](AnyPool* self, std::string_view name, nb::kwargs options) { new (self) AnyPool(name, options); },
            nb::arg("name"), nb::arg("options"))
        .def("alloc", &AnyPool::alloc, nb::arg("size_bytes"), nb::arg("type") = 0, nb::arg("offset") = 0,
             nb::arg("own") = false)
        .def("has_room", [](AnyPool& any, uint32_t size_bytes) {
            return OF_SOME_POOLS(bool, "say whether it has room", pool.has_room(size_bytes));
        }, nb::arg("size_bytes"))
        .def("free", ON_LOCATION(free), nb::arg("location"))
        .def("size", ON_LOCATION(size), nb::arg("location"))
        .def(
            "entry",
            [](AnyPool& any, uint64_t word) {
                SwapEntry entry = any.visit([&](auto& pool) { return pool.entry(Location::from_word(word)); });
                return std::pair{entry.type(), entry.offset()};
            },
            nb::arg("location"))
        .def(
            "position",
            [](AnyPool& any, uint64_t word) {
                return any.visit([&]<class P>(P& pool) -> uint32_t {
                    if constexpr (requires { pool.position(Location()); })
                        return pool.position(Location::from_word(word));
                    return Location::from_word(word).position();
                });
            },
            nb::arg("location"))
        .def("page_id", ON_LOCATION(page_id), nb::arg("location"))
        .def("is_resident", [](AnyPool& any, uint64_t word) {
            return any.visit([&]<class P>(P& pool) -> bool {
                if constexpr (P::evictable)
                    if (evicts(pool)) return pool.is_resident(Location::from_word(word));
                cannot(any.name(), "evict, so nothing in it is marked resident");
            });
        }, nb::arg("location"))
        .def("set_resident", [](AnyPool& any, uint64_t word, bool resident) {
            any.visit([&]<class P>(P& pool) {
                if constexpr (P::evictable)
                    if (evicts(pool)) return pool.set_resident(Location::from_word(word), resident);
                cannot(any.name(), "evict, so nothing in it is marked resident");
            });
        }, nb::arg("location"), nb::arg("resident") = true)
        .def("map", [](AnyPool& any, uint64_t word, bool length_known) {
            any.visit([&](auto& pool) { pool.map(Location::from_word(word), length_known); });
        }, nb::arg("location"), nb::arg("length_known") = false, "The object is read.")
        .def("object_index", [](AnyPool& any, uint64_t word) {
            return any.visit([&]<class P>(P& pool) -> uint32_t {
                if constexpr (requires { pool.object_index(Location()); }) return pool.object_index(Location::from_word(word));
                cannot(any.name(), "say an object's index");
            });
        }, nb::arg("location"))
        .def("start_bytes", [](AnyPool& any, uint64_t word) {
            return any.visit([&]<class P>(P& pool) -> uint32_t {
                if constexpr (requires { pool.start_bytes(Location()); }) return pool.start_bytes(Location::from_word(word));
                cannot(any.name(), "say where an object starts");
            });
        }, nb::arg("location"))
        .def("can_compact", [](AnyPool& any) {
            return any.visit([&]<class P>(P& pool) -> uint64_t {
                if constexpr (SaysWhatCompacts<P>) return pool.can_compact();
                cannot(any.name(), "compact");
            });
        })
        .def("compact", [](AnyPool& any) {
            return any.visit([&]<class P>(P& pool) -> uint64_t {
                if constexpr (Compacts<P>) return pool.compact();
                cannot(any.name(), "compact");
            });
        })
        .def("migrate", [](AnyPool& any, uint64_t word) {
            return any.visit([&]<class P>(P& pool) -> std::optional<uint32_t> {
                Migration migration = pool.migrate(Location::from_word(word));
                return migration.error ? std::nullopt : std::optional(migration.objects);
            });
        }, nb::arg("location"), "Moves the object's page. The objects in it, or None when the move was refused.")
        .def("migrate_page", [](AnyPool& any, uint64_t word, uint32_t page) {
            return OF_SOME_POOLS(uint32_t, "move a page by its number", pool.migrate(Location::from_word(word), page).objects);
        }, nb::arg("location"), nb::arg("page"), "Moves that page of the object's zspage. The objects that start in it.")
        .def("on_move", &AnyPool::on_move, nb::arg("told"), "told(type, offset, location) of each object that moves from now on.")
        .def("place", [](AnyPool& any, uint64_t word) {
            return any.visit([&](auto& pool) -> std::pair<uint64_t, uint32_t> {
                if constexpr (requires { pool.place(Location()); }) {
                    Place place = pool.place(Location::from_word(word));
                    return {place.frame->number, place.nth};
                }
                cannot(any.name(), "say an object's page frame");
            });
        }, nb::arg("location"), "With frames: the number of the page frame, and which object of it.")
        .def("object_at", [](AnyPool& any, uint64_t frame, uint32_t nth) {
            return OF_SOME_POOLS(uint64_t, "find an object by its page frame", pool.object_at({pool.frame(frame), nth}).word());
        }, nb::arg("frame"), nb::arg("nth"), "The location of which place() says this.")
        .def("buddy", [](AnyPool& any, uint64_t word) {
            return OF_SOME_POOLS(uint64_t, "say an object's buddy", pool.buddy(Location::from_word(word)).word());
        }, nb::arg("location"), "The other object of the page; 0: there is none.")
        .def("find_in_page", [](AnyPool& any, uint64_t word, uint32_t type, uint64_t offset) {
            return OF_SOME_POOLS(uint64_t, "find an object by its entry",
                                 pool.find_in_page(Location::from_word(word), SwapEntry(type, offset)).word());
        }, nb::arg("location"), nb::arg("type"), nb::arg("offset"), "Of the entry, in the location's page; 0: not there.")
        .def("locations", [](AnyPool& any, uint64_t first, uint64_t most) {
            std::vector<uint64_t> words;
            any.visit([&](auto& pool) {
                pool.objects_from(first, [&](Location object) { words.push_back(object.word()); return words.size() < most; });
            });
            return words;
        }, nb::arg("first") = 0, nb::arg("most") = ~uint64_t{0},
           "Of the objects there are, in order of address from that place on and round.")
        .def("moves", [](AnyPool& any) {
            return any.visit([&]<class P>(P& pool) -> nb::dict {
                if constexpr (MovesObjects<P>) return to_dict(pool.moves());
                cannot(any.name(), "move objects");
            });
        })
        .def("run_work", [](AnyPool& any) {
            any.visit([&]<class P>(P& pool) {
                if constexpr (requires { pool.run_work(); }) pool.run_work();
                else cannot(any.name(), "queue work");
            });
        })
        .def("set_cpu", [](AnyPool& any, uint32_t cpu) {
            any.visit([&]<class P>(P& pool) {
                if constexpr (requires { pool.set_cpu(cpu); }) pool.set_cpu(cpu);
                else cannot(any.name(), "tell CPUs apart");
            });
        }, nb::arg("cpu"))
        .def("reclaim", &AnyPool::reclaim, nb::arg("retries"), nb::arg("evict"))
        .def("apply", &AnyPool::apply, nb::arg("steps"))
        .def_prop_ro("pages", [](AnyPool& any) { return any.visit([](auto& pool) { return pool.pages(); }); })
        .def_prop_ro("headers_read", [](AnyPool& any) { return any.cost().headers_read; })
        .def_prop_ro("movable", [](AnyPool& any) { return any.visit([](auto& pool) { return pool.movable(); }); })
        .def_prop_ro("huge_bytes", [](AnyPool& any) {
            return OF_SOME_POOLS(uint32_t, "say from which size on an object is given a page", pool.huge_bytes());
        })
        .def_prop_ro("handle_bytes", [](AnyPool& any) {
            return OF_SOME_POOLS(uint64_t, "say the bytes of handles, as it has none", pool.handle_bytes());
        })
        .def("usage", [](AnyPool& any) { return to_dict(any.visit([](auto& pool) { return pool.usage(); })); })
        .def("classes",
             [](AnyPool& any) {
                 nb::list rows;
                 for (const ClassRow& row : any.visit([](auto& pool) { return pool.classes(); }))
                     rows.append(to_dict(row));
                 return rows;
             })
        .def("check", [](AnyPool& any) { any.visit([](auto& pool) { pool.check(); }); });

    nb::class_<AnyReclaim>(module, "Reclaim", "A reclaim under way: evict victim, report result(), until victim is 0.")
        .def(nb::init<AnyPool&, uint32_t>(), nb::arg("pool"), nb::arg("retries"), nb::keep_alive<1, 2>())
        .def_prop_ro("victim", &AnyReclaim::victim)
        .def("result", &AnyReclaim::result, nb::arg("evicted"))
        .def_prop_ro("error", &AnyReclaim::error);

    nb::class_<AnyCompaction>(module, "Compaction", "zsmalloc's compaction under way: step() until it gives False.")
        .def(nb::init<AnyPool&>(), nb::arg("pool"), nb::keep_alive<1, 2>())
        .def("step", &AnyCompaction::step)
        .def_prop_ro("next_step_shows", &AnyCompaction::next_step_shows)
        .def_prop_ro("pages_freed", &AnyCompaction::pages_freed);
}

}  // namespace zreplay
