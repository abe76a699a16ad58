#include "trace/workload.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "trace/page_ring.hpp"
#include "trace/synth_rows.hpp"

namespace zreplay {

namespace {

constexpr uint32_t reclaim_batch = 32;      // SWAP_CLUSTER_MAX
constexpr uint32_t freed_together = 64;     // of an exit, in one step
constexpr uint32_t background_weight = 8;
constexpr uint64_t half = uint64_t{1} << 31;  // of 2^32: of a young process's turns, new pages
constexpr uint8_t count_bits = 0x3f, most_users = 0x3e, stored = 0x80;  // of swap_map; SWAP_MAP_MAX

// A share of 2^32; exact at 0 and at 1.
uint64_t threshold(double share) { return static_cast<uint64_t>(share * 4294967296.0); }

struct Process {
    Process(const WorkloadProcess& recipe, SwapSlots& slots)
        : slots(&slots), swapped(recipe.pages), cached(recipe.pages), most_pages(recipe.pages), fork_of(recipe.fork_of),
          new_below(threshold(recipe.new_share)), write_below(threshold(recipe.write_share)),
          zipf_below(threshold(recipe.zipf)), uniform_below(threshold(recipe.zipf + recipe.uniform)),
          loop_below(threshold(recipe.zipf + recipe.uniform + recipe.loop)), dirtied_below(threshold(recipe.dirtied)),
          exit_below(threshold(recipe.exits)), same_filled_below(threshold(recipe.same_filled)), cgroup(recipe.cgroup),
          sizes(recipe.sizes) {}

    uint64_t in_memory() const { return uint64_t{dirty} + cached.size(); }
    uint64_t pages() const { return in_memory() + swapped.size(); }

    SwapSlots* slots;
    PageRing swapped, cached;
    uint32_t dirty = 0, most_pages, fork_of;
    bool in_foreground = false, has_own_area = false;
    bool is_young = true;  // it has not had all its pages yet
    uint64_t new_below, write_below, zipf_below, uniform_below, loop_below, dirtied_below, exit_below, same_filled_below;
    uint64_t cgroup;
    uint32_t sizes;
};

struct Front {  // a place in the foreground
    uint32_t process = 0, cpu = 0;
    uint64_t until = 0;  // rows
};

class WorkloadSynth final : public Synth {
  public:
    explicit WorkloadSynth(const WorkloadRecipe& recipe)
        : recipe_(recipe), random_(recipe.seed), size_random_(recipe.seed ^ 0x73697a65), slot_random_(recipe.seed ^ 0x736c6f74),
          rows_(recipe.seed ^ 0x726f7773, recipe.mean_gap_ns, columns(recipe)) {
        for (const auto& weights : recipe.size_weights) sizes_.emplace_back(weights);
        areas_.reserve(1 + recipe.processes.size());
        areas_.emplace_back(recipe.areas, slot_random_);
        uint64_t pages = 0;
        for (const WorkloadProcess& process : recipe.processes) {
            pages += process.pages;
            SwapSlots* slots = &areas_.front();
            if (process.own_area_pages) {
                SwapSlotsOptions own = recipe.areas;
                own.first_type = own_type_count_++ + recipe.areas.types;
                own.types = 1;
                own.area_pages = process.own_area_pages;
                slots = &areas_.emplace_back(own, slot_random_);
            }
            processes_.emplace_back(process, *slots);
            processes_.back().has_own_area = process.own_area_pages != 0;
        }
        patience_ = 1'000'000 + 16 * pages;
        next_compact_ = recipe.compact_every ? recipe.compact_every : never;
        next_migrate_ = recipe.migrate_every ? recipe.migrate_every : never;
        next_cma_ = recipe.cma_every ? recipe.cma_every : never;
        next_housekeeping_ = std::min({next_compact_, next_migrate_, next_cma_});
        turns_.resize(recipe.phases.size());
        exiting_.reserve(processes_.size());
        begin_phase(0);
    }

    std::shared_ptr<const SynthBatch> next(size_t rows) override {
        rows_.begin(rows);
        for (uint64_t steps = 0, count = rows_.count(); !rows_.is_full(); ++steps) {
            step();
            if (rows_.count() != count) {
                count = rows_.count();
                steps = 0;
            }
            if (steps > patience_) throw std::invalid_argument("the recipe comes to a point where nothing is swapped any more");
        }
        return rows_.end();
    }

  private:
    static constexpr uint64_t never = ~uint64_t{0};

    static SynthRows::Columns columns(const WorkloadRecipe& recipe) {
        SynthRows::Columns columns;
        columns.may_lack_slot = recipe.compact_every || recipe.migrate_every || recipe.cma_every;
        for (const WorkloadProcess& process : recipe.processes) {
            columns.may_lack_offset_only |= process.own_area_pages != 0;
            columns.cgroup |= process.cgroup != 0;
        }
        columns.may_lack_slot |= columns.may_lack_offset_only;
        return columns;
    }

    // ---- Steps ----

    void step() {
        if (rows_.count() >= next_housekeeping_) housekeeping();
        else if (!exiting_.empty()) exit_on();
        else if (in_memory_ > reclaim_above_) reclaim();
        else if (rows_.count() >= phase_until_) begin_phase((phase_ + 1) % recipe_.phases.size());
        else turn();
    }

    void housekeeping() {
        auto cpu = random_.below(recipe_.areas.cpus);
        auto due = [&](uint64_t& next, uint64_t every, Op op, uint32_t size) {
            if (rows_.count() < next) return;
            rows_.row(op, cpu, 0, size);
            next += every;
        };
        due(next_compact_, recipe_.compact_every, Op::compact, 0);
        due(next_migrate_, recipe_.migrate_every, Op::migrate, 0);
        due(next_cma_, recipe_.cma_every, Op::cma, recipe_.cma_pages);
        next_housekeeping_ = std::min({next_compact_, next_migrate_, next_cma_});
    }

    void begin_phase(size_t number) {
        const WorkloadPhase& phase = recipe_.phases[number];
        phase_ = number;
        phase_until_ = rows_.count() + phase.events;
        for (const Front& front : fronts_) leave(front);
        fronts_.resize(phase.at_once);
        for (uint32_t i = 0; i < phase.at_once; ++i) {
            come_to(fronts_[i]);
            fronts_[i].until = rows_.count() + phase.slice_events * (i + 1) / phase.at_once;  // so that not all change at once
        }
        uint32_t during_burst = recipe_.memory_pages - std::min(recipe_.memory_pages, phase.burst_pages);
        reclaim_above_ = in_memory_ > during_burst ? during_burst : recipe_.memory_pages;
    }

    // Somebody who is not in the foreground yet comes into it.
    void come_to(Front& front) {
        const WorkloadPhase& phase = recipe_.phases[phase_];
        auto count = static_cast<uint32_t>(phase.processes.size());
        uint32_t place = phase.order == WorkloadPhase::Order::cycle     ? turns_[phase_]++ % count
                         : phase.order == WorkloadPhase::Order::uniform ? random_.below(count)
                                                                        : zipf(count) - 1;
        while (processes_[phase.processes[place]].in_foreground) place = (place + 1) % count;
        front.process = phase.processes[place];
        front.cpu = random_.below(recipe_.areas.cpus);
        front.until = rows_.count() + phase.slice_events;
        processes_[front.process].in_foreground = true;
    }

    void leave(const Front& front) {
        Process& process = processes_[front.process];
        process.in_foreground = false;
        if (random_.next() >> 32 < process.exit_below) exiting_.push_back(front);
    }

    void change(Front& front) {
        leave(front);
        come_to(front);
    }

    // All it has is in memory, and it waits. When that seems to be so of everybody in the foreground, it makes way for
    // another; and when it is so of everybody who comes into the phase, the phase is over.
    void nothing_to_do(Front& front) {
        if (++idle_turns_ < 16 * fronts_.size()) return;
        idle_turns_ = 0;
        idle_leaves_ = rows_.count() == idle_since_ ? idle_leaves_ + 1 : 0;
        idle_since_ = rows_.count();
        if (idle_leaves_ > 2 * recipe_.phases[phase_].processes.size()) phase_until_ = rows_.count();
        change(front);
    }

    void turn() {
        Front& front = fronts_[fronts_.size() == 1 ? 0 : random_.below(static_cast<uint32_t>(fronts_.size()))];
        if (rows_.count() >= front.until) return change(front);
        Process& process = processes_[front.process];
        if (process.fork_of != WorkloadProcess::nobody && process.pages() == 0) fork(processes_[process.fork_of], process);
        uint64_t drawn = random_.next();
        bool may_grow = process.pages() < process.most_pages;
        process.is_young &= may_grow;
        uint64_t new_below = process.is_young ? std::max(process.new_below, half) : process.new_below;
        if (may_grow && (drawn >> 32 < new_below || process.swapped.empty())) {
            // Nobody sees how long it takes to fill memory, so what can only grow grows by more than a page.
            uint64_t pages = 1, missing = process.most_pages - process.pages();
            if (process.swapped.empty()) pages = std::min({uint64_t{reclaim_batch}, missing, reclaim_above_ + 1 - in_memory_});
            process.dirty += static_cast<uint32_t>(pages);
            in_memory_ += pages;
            idle_turns_ = 0;
            return;
        }
        if (process.swapped.empty()) return nothing_to_do(front);
        idle_turns_ = 0;
        fault(process, front.cpu, drawn);
    }

    void fault(Process& process, uint32_t cpu, uint64_t drawn) {
        bool writes = (drawn & 0xffffffff) < process.write_below;
        uint64_t way = random_.next() >> 32;
        uint32_t slot, swapped = process.swapped.size();
        if (way < process.zipf_below) slot = process.swapped.take(zipf(swapped));
        else if (way < process.uniform_below) slot = process.swapped.take(1 + random_.below(swapped));
        else slot = process.swapped.take_oldest();
        uint8_t& map = process.slots->map(slot);
        if (map & stored) {
            rows_.row(Op::load, cpu, slot);
            if (recipe_.exclusive_loads) map &= static_cast<uint8_t>(~stored);
        }
        if (way >= process.loop_below) {  // a scan is done with it
            let_go(*process.slots, cpu, slot);
            return;
        }
        ++in_memory_;
        // vm_swap_full(): with more than half of the slots in use, a page that is in memory does not keep its own.
        if (writes || 2 * process.slots->used() > process.slots->pages()) {
            let_go(*process.slots, cpu, slot);
            ++process.dirty;
        } else {
            process.cached.push(slot);
        }
    }

    // 1 to count; k with a chance of 1/k. Ranks [2^b, 2^(b+1)) share one bucket, every bucket is as likely, a rank in it
    // 1/2^b, and it is kept with a chance of 2^b/rank: 1/rank in all, and about two tries.
    uint32_t zipf(uint32_t count) {
        auto buckets = static_cast<uint32_t>(std::bit_width(count));
        for (;;) {
            uint64_t drawn = random_.next();
            uint32_t bucket = static_cast<uint32_t>((drawn >> 32) * buckets >> 32);
            uint32_t width = uint32_t{1} << bucket;
            uint32_t rank = width | (static_cast<uint32_t>(drawn) & (width - 1));
            if (rank <= count && random_.below(rank) < width) return rank;
        }
    }

    // One user of a slot less.
    void let_go(SwapSlots& slots, uint32_t cpu, uint32_t slot) {
        uint8_t& map = slots.map(slot);
        if ((--map & count_bits) != 0) return;
        if (recipe_.exclusive_loads) {  // zswap_invalidate() is in free_swap_slot(), before the cache
            rows_.row(Op::invalidate, cpu, slot);
            slots.free(cpu, slot, [](uint32_t) {});
        } else {  // in swap_range_free(), behind it
            slots.free(cpu, slot, [&](uint32_t freed) { rows_.row(Op::invalidate, cpu, freed); });
        }
    }

    void fork(Process& parent, Process& child) {
        uint32_t count = std::min(child.most_pages, parent.swapped.size());
        for (uint32_t rank = count; rank > 0; --rank) {
            uint32_t slot = parent.swapped.at(rank);
            uint8_t& map = parent.slots->map(slot);
            if ((map & count_bits) >= most_users) continue;
            ++map;
            child.swapped.push(slot);
        }
    }

    // A piece of an exit: its pages in memory at once, its slots 64 at a time.
    void exit_on() {
        Process& process = processes_[exiting_.back().process];
        const uint32_t cpu = exiting_.back().cpu;
        in_memory_ -= process.in_memory();
        process.dirty = 0;
        if (process.has_own_area) {
            rows_.row(Op::invalidate_area, cpu, Slot::word(process_type(process), 0));
            process.slots->clear();
            process.swapped.clear();
            process.cached.clear();
        }
        uint32_t freed = 0;
        while (!process.swapped.empty() && freed++ < freed_together) let_go(*process.slots, cpu, process.swapped.take_oldest());
        while (!process.cached.empty() && freed++ < freed_together) let_go(*process.slots, cpu, process.cached.take_oldest());
        in_memory_ += process.in_memory();
        if (process.pages()) return;
        process.is_young = true;
        exiting_.pop_back();
    }

    uint32_t process_type(const Process& process) const {
        return recipe_.areas.types + static_cast<uint32_t>(process.slots - &areas_[1]);
    }

    // ---- Reclaim ----

    void store(Process& process, uint32_t cpu, uint32_t slot) {
        uint64_t drawn = size_random_.next();
        bool same = drawn >> 44 < process.same_filled_below >> 12;
        if (same && recipe_.exclusive_loads) return;
        uint32_t size = sizes_[process.sizes].pick(static_cast<uint32_t>(drawn & 0xfff), static_cast<uint32_t>(drawn >> 12));
        process.slots->map(slot) |= stored;
        rows_.row(Op::store, cpu, slot, same ? 0 : size, process.cgroup);
    }

    void reclaim() {
        uint64_t total = 0;
        for (const Process& process : processes_) total += weight(process);
        uint64_t chosen = random_.below(static_cast<uint32_t>(total));  // of at most 8 × 2^28 pages
        size_t victim = 0;
        while (chosen >= weight(processes_[victim])) chosen -= weight(processes_[victim++]);
        Process& process = processes_[victim];
        uint32_t cpu = random_.below(recipe_.areas.cpus);
        auto pages = static_cast<uint32_t>(std::min<uint64_t>(reclaim_batch, process.in_memory()));
        in_memory_ -= pages;
        for (; pages > 0; --pages) {
            bool is_cached = random_.below(process.dirty + process.cached.size()) < process.cached.size();
            uint32_t slot;
            if (is_cached) {
                slot = process.cached.take_oldest();
                uint8_t& map = process.slots->map(slot);
                if ((map & stored) && !recipe_.exclusive_loads && random_.next() >> 32 < process.dirtied_below) {
                    rows_.row(Op::invalidate, cpu, slot);  // frontswap's, of the copy that is no longer good
                    map &= static_cast<uint8_t>(~stored);
                }
                if (!(map & stored)) store(process, cpu, slot);
            } else {
                slot = take_slot(process, cpu);
                --process.dirty;
                ++process.slots->map(slot);
                store(process, cpu, slot);
            }
            process.swapped.push(slot);
        }
        if (in_memory_ <= reclaim_above_) reclaim_above_ = recipe_.memory_pages;  // a burst is over
    }

    static uint64_t weight(const Process& process) {
        return process.in_memory() * (process.in_foreground ? 1 : background_weight);
    }

    uint32_t take_slot(Process& process, uint32_t cpu) {
        // Where slots run short, those of pages in memory are taken from them first (__try_to_reclaim_swap()).
        SwapSlots& slots = *process.slots;
        if (slots.used() + 192 * uint64_t{recipe_.areas.cpus} > slots.pages()) drop_cached(slots, cpu);
        uint32_t slot = slots.allocate(cpu);
        require(slot != 0, "a free slot is always left");
        return slot;
    }

    void drop_cached(SwapSlots& slots, uint32_t cpu) {
        for (size_t tried = 0; tried < processes_.size(); ++tried) {
            Process& process = processes_[dropping_];
            if (process.slots == &slots && !process.cached.empty()) {
                let_go(slots, cpu, process.cached.take_oldest());
                ++process.dirty;
                return;
            }
            dropping_ = (dropping_ + 1) % processes_.size();
        }
    }

    WorkloadRecipe recipe_;
    Random random_, size_random_, slot_random_;
    SynthRows rows_;
    std::vector<SizeTable> sizes_;
    std::vector<SwapSlots> areas_;  // the common ones, then those of one process each
    std::vector<Process> processes_;
    uint32_t own_type_count_ = 0;
    uint64_t patience_ = 0;

    uint64_t in_memory_ = 0, reclaim_above_ = 0;
    size_t phase_ = 0, dropping_ = 0;
    uint64_t phase_until_ = 0;
    std::vector<uint32_t> turns_;  // of each phase: who is next
    uint64_t idle_turns_ = 0, idle_leaves_ = 0, idle_since_ = 0;
    std::vector<Front> fronts_;
    std::vector<Front> exiting_;  // where they were; the last one first

    uint64_t next_compact_ = never, next_migrate_ = never, next_cma_ = never, next_housekeeping_ = never;
};

}  // namespace

std::unique_ptr<Synth> make_workload(const WorkloadRecipe& recipe) { return std::make_unique<WorkloadSynth>(recipe); }

}  // namespace zreplay
