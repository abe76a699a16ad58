#include "trace/workload.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "trace/page_ring.hpp"

namespace zreplay {

namespace {

constexpr uint32_t reclaim_batch = 32;      // SWAP_CLUSTER_MAX
constexpr uint32_t freed_together = 64;     // of an exit, in one step
constexpr uint32_t background_weight = 8;
constexpr uint32_t rows_a_step = 512;       // at most; a batch has so much room behind its end
constexpr uint64_t half = uint64_t{1} << 31;  // of 2^32: of a young process's turns, new pages
constexpr uint8_t count_bits = 0x3f, most_users = 0x3e, stored = 0x80;  // of swap_map; SWAP_MAP_MAX

// A share of 2^32; exact at 0 and at 1.
uint64_t threshold(double share) { return static_cast<uint64_t>(share * 4294967296.0); }

struct Process {
    Process(const WorkloadProcess& recipe, SwapSlots& slots)
        : slots(&slots), swapped(recipe.pages), cached(recipe.pages), most_pages(recipe.pages), fork_of(recipe.fork_of),
          new_below(threshold(recipe.new_share)), write_below(threshold(recipe.write_share)), zipf_below(threshold(recipe.zipf)),
          uniform_below(threshold(recipe.zipf + recipe.uniform)),
          loop_below(threshold(recipe.zipf + recipe.uniform + recipe.loop)), exit_below(threshold(recipe.exits)),
          same_filled_below(threshold(recipe.same_filled)), cgroup(recipe.cgroup), sizes(recipe.sizes) {}

    uint64_t in_memory() const { return uint64_t{dirty} + cached.size(); }
    uint64_t pages() const { return in_memory() + swapped.size(); }

    SwapSlots* slots;
    PageRing swapped, cached;
    uint32_t dirty = 0, most_pages, fork_of;
    bool in_foreground = false, has_own_area = false;
    bool is_young = true;  // it has not had all its pages yet
    uint64_t new_below, write_below, zipf_below, uniform_below, loop_below, exit_below, same_filled_below;
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
        : recipe_(recipe), random_(recipe.seed), row_random_(recipe.seed ^ 0x726f7773), slot_random_(recipe.seed ^ 0x736c6f74),
          gap_span_(2 * uint64_t{recipe.mean_gap_ns} - 1) {
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
            has_cgroups_ |= process.cgroup != 0;
        }
        if (has_cgroups_) carry_.cgroup.resize(rows_a_step);
        patience_ = 1'000'000 + 16 * pages;
        may_lack_slot_ = recipe.compact_every || recipe.migrate_every || recipe.cma_every || own_type_count_;
        next_compact_ = recipe.compact_every ? recipe.compact_every : never;
        next_migrate_ = recipe.migrate_every ? recipe.migrate_every : never;
        next_cma_ = recipe.cma_every ? recipe.cma_every : never;
        next_housekeeping_ = std::min({next_compact_, next_migrate_, next_cma_});
        turns_.resize(recipe.phases.size());
        exiting_.reserve(processes_.size());
        begin_phase(0);
    }

    std::shared_ptr<const SynthBatch> next(size_t rows) override {
        std::shared_ptr<SynthBatch> batch = unused(rows);
        out_ = batch.get();
        at_ = 0;
        while (carried_first_ < carried_ && at_ < rows) copy_row(carry_, carried_first_++, *out_, at_++);
        uint64_t steps = 0, rows_then = at_;
        while (at_ < rows) {
            step();
            if (at_ != rows_then) {
                rows_then = at_;
                steps = 0;
            } else if (++steps > patience_) {
                throw std::invalid_argument("the recipe comes to a point where nothing is swapped any more");
            }
        }
        if (at_ > rows) {  // a step does not stop at the end of a batch
            carried_first_ = carried_ = 0;
            for (size_t row = rows; row < at_; ++row) copy_row(*out_, row, carry_, carried_++);
        }
        say_what_is_null(*batch, rows);
        return batch;
    }

  private:
    static constexpr uint64_t never = ~uint64_t{0};

    // ---- Rows ----

    void row(Op op, uint32_t cpu, uint32_t slot, uint32_t size = 0) {
        uint64_t drawn = row_random_.next();
        time_ns_ += 1 + static_cast<int64_t>((drawn >> 32) * gap_span_ >> 32);
        out_->ts_ns[at_] = time_ns_;
        out_->op[at_] = static_cast<int8_t>(op);
        out_->type[at_] = static_cast<uint8_t>(Slot::type(slot));
        out_->offset[at_] = Slot::offset(slot);
        out_->size[at_] = size;
        out_->cpu[at_] = static_cast<uint16_t>(cpu);
        if (has_cgroups_) out_->cgroup[at_] = 0;
        ++at_;
        ++rows_;
    }

    void store_row(Process& process, uint32_t cpu, uint32_t slot) {
        uint64_t drawn = row_random_.next();
        bool same = drawn >> 44 < process.same_filled_below >> 12;
        if (same && recipe_.exclusive_loads) return;
        uint32_t size = sizes_[process.sizes].pick(static_cast<uint32_t>(drawn & 0xfff), static_cast<uint32_t>(drawn >> 12));
        process.slots->map(slot) |= stored;
        row(Op::store, cpu, slot, same ? 0 : size);
        if (has_cgroups_) out_->cgroup[at_ - 1] = process.cgroup;
    }

    void copy_row(const SynthBatch& from, size_t row, SynthBatch& to, size_t at) const {
        to.ts_ns[at] = from.ts_ns[row];
        to.op[at] = from.op[row];
        to.type[at] = from.type[row];
        to.offset[at] = from.offset[row];
        to.size[at] = from.size[row];
        to.cpu[at] = from.cpu[row];
        if (has_cgroups_) to.cgroup[at] = from.cgroup[row];
    }

    std::shared_ptr<SynthBatch> unused(size_t rows) {
        auto make = [&] {
            auto batch = std::make_shared<SynthBatch>(rows + rows_a_step, may_lack_slot_);
            if (own_type_count_) batch->has_type.resize(batch->has_slot.size());
            if (has_cgroups_) {
                batch->cgroup.resize(rows + rows_a_step);
                batch->has_cgroup.resize(batch->has_size.size());
            }
            return batch;
        };
        std::shared_ptr<SynthBatch>& batch = batches_.unused(make);
        if (batch->op.size() < rows + rows_a_step) batch = make();
        batch->rows = rows;
        return batch;
    }

    template <class Has>
    static size_t bitmap(std::vector<uint8_t>& bits, size_t rows, Has&& has) {
        if (bits.empty()) return 0;
        size_t with = 0;
        for (size_t row = 0; row < rows; row += 8) {
            uint32_t byte = 0;
            for (size_t bit = 0; bit < 8; ++bit) byte |= static_cast<uint32_t>(has(row + bit)) << bit;  // behind the last row is room
            if (rows - row < 8) byte &= (1u << (rows - row)) - 1;
            bits[row / 8] = static_cast<uint8_t>(byte);
            with += static_cast<size_t>(std::popcount(byte));
        }
        return rows - with;
    }

    static void say_what_is_null(SynthBatch& batch, size_t rows) {
        const int8_t* op = batch.op.data();
        auto is = [op](size_t row, Op which) { return op[row] == static_cast<int8_t>(which); };
        batch.without_size = bitmap(batch.has_size, rows, [&](size_t row) { return is(row, Op::store) | is(row, Op::cma); });
        batch.without_slot = bitmap(batch.has_slot, rows, [&](size_t row) { return op[row] <= static_cast<int8_t>(Op::invalidate); });
        batch.without_type = bitmap(batch.has_type, rows, [&](size_t row) { return op[row] <= static_cast<int8_t>(Op::invalidate_area); });
        batch.without_cgroup = bitmap(batch.has_cgroup, rows, [&](size_t row) { return batch.cgroup[row] != 0; });
    }

    // ---- Steps ----

    void step() {
        if (rows_ >= next_housekeeping_) housekeeping();
        else if (!exiting_.empty()) exit_on();
        else if (in_memory_ > reclaim_above_) reclaim();
        else if (rows_ >= phase_until_) begin_phase((phase_ + 1) % recipe_.phases.size());
        else turn();
    }

    void housekeeping() {
        auto cpu = random_.below(recipe_.areas.cpus);
        auto due = [&](uint64_t& next, uint64_t every, Op op, uint32_t size) {
            if (rows_ < next) return;
            row(op, cpu, 0, size);
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
        phase_until_ = rows_ + phase.events;
        for (const Front& front : fronts_) leave(front);
        fronts_.resize(phase.at_once);
        for (uint32_t i = 0; i < phase.at_once; ++i) {
            come_to(fronts_[i]);
            fronts_[i].until = rows_ + phase.slice_events * (i + 1) / phase.at_once;  // so that not all change at once
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
        front.until = rows_ + phase.slice_events;
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
        idle_leaves_ = rows_ == idle_since_ ? idle_leaves_ + 1 : 0;
        idle_since_ = rows_;
        if (idle_leaves_ > 2 * recipe_.phases[phase_].processes.size()) phase_until_ = rows_;
        change(front);
    }

    void turn() {
        Front& front = fronts_[fronts_.size() == 1 ? 0 : random_.below(static_cast<uint32_t>(fronts_.size()))];
        if (rows_ >= front.until) return change(front);
        Process& process = processes_[front.process];
        if (process.fork_of != WorkloadProcess::nobody && process.pages() == 0) fork(processes_[process.fork_of], process);
        uint64_t drawn = random_.next();
        bool may_grow = process.pages() < process.most_pages;
        process.is_young &= may_grow;
        uint64_t new_below = process.is_young ? std::max(process.new_below, half) : process.new_below;
        if (may_grow && (drawn >> 32 < new_below || process.swapped.empty())) {
            // Nobody sees how long it takes to fill memory, so what can only grow grows by more than a page.
            uint64_t pages = 1;
            if (process.swapped.empty())
                pages = std::min({uint64_t{reclaim_batch}, process.most_pages - process.pages(), reclaim_above_ + 1 - in_memory_});
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
            row(Op::load, cpu, slot);
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
            row(Op::invalidate, cpu, slot);
            slots.free(cpu, slot, [](uint32_t) {});
        } else {  // in swap_range_free(), behind it
            slots.free(cpu, slot, [&](uint32_t freed) { row(Op::invalidate, cpu, freed); });
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
            row(Op::invalidate_area, cpu, Slot::word(process_type(process), 0));
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
                if (!(process.slots->map(slot) & stored)) store_row(process, cpu, slot);
            } else {
                slot = take_slot(process, cpu);
                --process.dirty;
                ++process.slots->map(slot);
                store_row(process, cpu, slot);
            }
            process.swapped.push(slot);
        }
        if (in_memory_ <= reclaim_above_) reclaim_above_ = recipe_.memory_pages;  // a burst is over
    }

    static uint64_t weight(const Process& process) { return process.in_memory() * (process.in_foreground ? 1 : background_weight); }

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
    Random random_, row_random_, slot_random_;
    uint64_t gap_span_;
    std::vector<SizeTable> sizes_;
    std::vector<SwapSlots> areas_;  // the common ones, then those of one process each
    std::vector<Process> processes_;
    uint32_t own_type_count_ = 0;
    bool has_cgroups_ = false, may_lack_slot_ = false;
    uint64_t patience_ = 0;

    uint64_t in_memory_ = 0, reclaim_above_ = 0;
    size_t phase_ = 0, dropping_ = 0;
    uint64_t phase_until_ = 0;
    std::vector<uint32_t> turns_;  // of each phase: who is next
    uint64_t idle_turns_ = 0, idle_leaves_ = 0, idle_since_ = 0;
    std::vector<Front> fronts_;
    std::vector<Front> exiting_;  // where they were; the last one first

    SynthBatches batches_;
    SynthBatch* out_ = nullptr;
    size_t at_ = 0;
    SynthBatch carry_{rows_a_step, false};  // rows of the last step that the next batch begins with
    size_t carried_first_ = 0, carried_ = 0;
    uint64_t rows_ = 0, next_compact_ = never, next_migrate_ = never, next_cma_ = never, next_housekeeping_ = never;
    int64_t time_ns_ = 0;
};

}  // namespace

std::unique_ptr<Synth> make_workload(const WorkloadRecipe& recipe) { return std::make_unique<WorkloadSynth>(recipe); }

}  // namespace zreplay
