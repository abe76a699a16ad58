// One pool of a kind for each swap type, in place of one for all: what zswap 3.12 has. A pool itself, as far as the replay
// loop and the books of entries go; which of the pools is meant is said by the entry, or by the object's own.
//
// Pages are numbered within the pool of their type.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "pool/pool.hpp"

namespace zreplay {

template <Pool P>
class PerType {
  public:
    static constexpr std::string_view name = P::name;
    static constexpr bool evictable = P::evictable;
    static constexpr bool locations_move = P::locations_move;
    using Reclaim = typename ReclaimOf<P>::type;

    // A type's pool is made when it is first needed. make() gives a new one.
    explicit PerType(std::function<P()> make) : make_(std::move(make)) {}

    P& of(SwapEntry entry) {
        auto& pool = pools_[entry.type() % swap_types];  // an event without a slot may say any type
        if (!pool) [[unlikely]] {
            pool = std::unique_ptr<P>(new P(make_()));
            pool->charge(*cost_);
            if constexpr (requires { pool->set_cpu(cpu_); }) pool->set_cpu(cpu_);
            if (on_move_) pool->on_move(on_move_);
            made_.push_back(pool.get());
        }
        return *pool;
    }

    Allocation alloc(uint32_t size_bytes, SwapEntry entry) { return of(entry).alloc(size_bytes, entry); }
    void free(Location location) { of(entry(location)).free(location); }
    uint32_t size(Location location) const { return any().size(location); }
    void map(Location location, bool length_known) const { any().map(location, length_known); }
    SwapEntry entry(Location location) const { return any().entry(location); }
    uint64_t page_id(Location location) const { return of_object(location).page_id(location); }
    bool is_resident(Location location) const { return any().is_resident(location); }
    void set_resident(Location location, bool resident) { any().set_resident(location, resident); }

    uint64_t pages() const {
        uint64_t pages = 0;
        for (const P* pool : made_) pages += pool->pages();
        return pages;
    }
    PoolUsage usage() const {
        PoolUsage all;
        for (const P* pool : made_) {
            PoolUsage one = pool->usage();
            all.pages += one.pages;
            all.objects += one.objects;
            all.asked_bytes += one.asked_bytes;
            all.used_bytes += one.used_bytes;
            all.movable_pages += one.movable_pages;
        }
        return all;
    }
    std::vector<ClassRow> classes() const {
        std::map<std::pair<std::optional<uint32_t>, std::optional<uint32_t>>, ClassRow> rows;
        for (const P* pool : made_)
            for (const ClassRow& row : pool->classes()) {
                auto [place, is_new] = rows.try_emplace({row.class_size, row.free_chunks}, row);
                if (!is_new) add(place->second, row);
            }
        std::vector<ClassRow> all;
        for (auto& [key, row] : rows) all.push_back(std::move(row));
        return all;
    }

    uint64_t compact()
        requires requires(P& pool) { pool.compact(); }
    {
        uint64_t freed = 0;
        for (P* pool : made_) freed += pool->compact();
        return freed;
    }

    template <class Visit>
    void objects_from(uint64_t number, Visit&& visit) const {
        bool more = true;
        for (size_t i = 0; i < made_.size() && more; ++i)
            made_[(number + i) % made_.size()]->objects_from(number, [&](Location object) { return more = visit(object); });
    }
    bool movable() const { return made_.empty() || any().movable(); }
    Migration migrate(Location location) { return of(entry(location)).migrate(location); }
    Migration migrate(Location location, uint32_t page)
        requires requires(P& pool) { pool.migrate(location, page); }
    {
        return of(entry(location)).migrate(location, page);
    }
    uint32_t pages_of(Location location) const
        requires requires(const P& pool) { pool.pages_of(location); }
    {
        return of_object(location).pages_of(location);
    }
    uint32_t page_of(Location location) const
        requires requires(const P& pool) { pool.page_of(location); }
    {
        return of_object(location).page_of(location);
    }
    uint64_t page_id(Location location, uint32_t page) const
        requires requires(const P& pool) { pool.page_id(location, page); }
    {
        return of_object(location).page_id(location, page);
    }
    void on_move(OnMove told) {
        on_move_ = std::move(told);
        for (P* pool : made_) pool->on_move(on_move_);
    }

    // What only some pools can do.
    Location buddy(Location location) const
        requires requires(const P& pool) { pool.buddy(location); }
    {
        return any().buddy(location);
    }
    Location find_in_page(Location page, SwapEntry entry) const
        requires requires(const P& pool) { pool.find_in_page(page, entry); }
    {
        return any().find_in_page(page, entry);
    }
    auto place(Location location) const
        requires requires(const P& pool) { pool.place(location); }
    {
        return of_object(location).place(location);
    }
    uint64_t handle_bytes() const
        requires requires(const P& pool) { pool.handle_bytes(); }
    {
        uint64_t bytes = 0;
        for (const P* pool : made_) bytes += pool->handle_bytes();
        return bytes;
    }
    Moves moves() const
        requires requires(const P& pool) { pool.moves(); }
    {
        Moves all;
        for (const P* pool : made_) {
            const Moves one = pool->moves();
            all.pages_compacted += one.pages_compacted;
            all.objects_copied += one.objects_copied;
            all.handles_rewritten += one.handles_rewritten;
            all.pages_migrated += one.pages_migrated;
        }
        return all;
    }
    void set_cpu(uint32_t cpu)
        requires requires(P& pool) { pool.set_cpu(cpu); }
    {
        cpu_ = cpu;
        for (P* pool : made_) pool->set_cpu(cpu);
    }
    void run_work()
        requires requires(P& pool) { pool.run_work(); }
    {
        for (P* pool : made_) pool->run_work();
    }

    static constexpr int warm_steps = P::warm_steps;
    void warm(Location location, int step, bool freeing) const {
        if (!made_.empty()) (step ? of_object(location) : any()).warm(location, step, freeing);
    }
    static constexpr int warm_alloc_steps = P::warm_alloc_steps;
    void warm_alloc(uint32_t size_bytes) const {
        if (!made_.empty()) any().warm_alloc(size_bytes);
    }

    void check() const {
        for (const P* pool : made_) pool->check();
    }
    void charge(Cost& cost) {
        cost_ = &cost;
        for (P* pool : made_) pool->charge(cost);
    }

  private:
    // What an object says of itself any pool can read. There is one: the object's.
    P& any() const { return *made_.front(); }
    // What it is part of only its own knows. (One freed since it was looked at may say anything.)
    P& of_object(Location location) const {
        const auto& pool = pools_[entry(location).type() % swap_types];
        return pool ? *pool : any();
    }

    static void add(ClassRow& sum, const ClassRow& row) {
        sum.pages += row.pages;
        sum.objects_used += row.objects_used;
        for (auto member : {&ClassRow::objects_allocated, &ClassRow::almost_empty, &ClassRow::almost_full, &ClassRow::full})
            if (sum.*member) *(sum.*member) += *(row.*member);
    }

    std::function<P()> make_;
    std::array<std::unique_ptr<P>, swap_types> pools_;
    std::vector<P*> made_;
    uint32_t cpu_ = 0;
    OnMove on_move_;
    Cost nowhere_;
    Cost* cost_ = &nowhere_;
};

}  // namespace zreplay
