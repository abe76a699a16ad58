// swap-table: a page of words for each cluster of 512 slots, allocated while the cluster has an entry (6.18).
//
// "mm, swap: use the swap table for the swap cache and switch API" gave each swap cluster a page of 512 words, one for each
// slot: empty, a folio, or a shadow. zswap's entries are still in xarrays there; patches of 2025 and 2026 would keep their
// pointers in such a table, and that is what this index asks about.
//
//      cluster's descriptor   | table | used |      array, one for each cluster of the area
//                                 │
//      table, 4096 bytes      | word 0 | word 1 | … | word 511 |
//
// A lookup is two array indexings, descriptor and word. The words are the design's own, so a location is kept as it is;
// a narrow or wide one keeps bit 0 clear, which tells it from a value. Later revisions of the kernel's table give the low
// bits types of their own; those would leave fewer positions than these.
//
// The kernel frees a table through RCU; here it is gone at once.
#pragma once

#include <array>

#include "arena.hpp"
#include "index/broken.hpp"
#include "index/index.hpp"
#include "pieces.hpp"
#include "prefetch.hpp"

namespace zreplay {

// ClusterBits: 9, or fewer in a test.
template <int ClusterBits>
class SwapTable final : public SwapIndex {
    static constexpr uint64_t slots = uint64_t{1} << ClusterBits;
    struct alignas(slots * 8) Words {
        std::array<uint64_t, slots> word;
    };
    struct Cluster {
        Words* table;
        uint64_t used;
    };
    // Descriptors come 2^ClusterBits at a time, as nobody says how large the area is.
    struct Piece {
        std::array<Cluster, slots> cluster;
    };
    using Clusters = Pieces<Piece, 2 * ClusterBits, 2 * ClusterBits + 16>;

  public:
    explicit SwapTable(IndexOptions options = {}) : words_(options.words) {}

    Location find(SwapEntry entry) override {
        const uint64_t* word = word_of(clusters_.find(entry), entry);
        return word ? Location::from_word(*word) : Location();
    }

    Location insert(SwapEntry entry, Location location) override {
        Cluster& cluster = cluster_in(clusters_.make(entry), entry);
        if (!cluster.table) {
            cluster.table = tables_.make();
            ++cost_->nodes_allocated;
            ++cost_->slots_written;
        }
        Location old = write(cluster, entry, location.word());
        cluster.used += !old;
        entries_ += !old;
        return old;
    }

    Location erase(SwapEntry entry) override {
        Piece* piece = clusters_.find(entry);
        const uint64_t* word = word_of(piece, entry);
        if (!word || !*word) return {};
        Cluster& cluster = cluster_in(*piece, entry);
        Location old = Location::from_word(*word);
        cluster.table->word[entry.offset() % slots] = 0;
        ++cost_->slots_written;
        --entries_;
        if (--cluster.used == 0) {
            tables_.release(cluster.table);
            cluster.table = nullptr;
            ++cost_->nodes_freed;
            ++cost_->slots_written;
        }
        return old;
    }

    Location update(SwapEntry entry, Location moved) override {
        return write(cluster_in(*clusters_.find(entry), entry), entry, moved.word());
    }

    void for_each(uint32_t type, const std::function<void(uint64_t, Location)>& visit) const override {
        for_each_cluster(type, [&](uint64_t first, const Cluster& cluster) {
            for (uint64_t i = 0; cluster.table && i < slots; ++i)
                if (cluster.table->word[i]) visit(first + i, Location::from_word(cluster.table->word[i]));
        });
    }

    // Descriptors, words, what the words say.
    int look_steps() const override { return 3; }
    void look(int step, uint32_t, Ahead& ahead) override {
        for (uint32_t i = 0; i < ahead.count; ++i) {
            const SwapEntry entry = ahead.entries[i];
            const Piece* piece = clusters_.find(entry);
            const Cluster* cluster = piece ? &cluster_in(*piece, entry) : nullptr;
            if (step == 0) {
                if (cluster) prefetch(cluster);
                continue;
            }
            const uint64_t* word = cluster && cluster->table ? &cluster->table->word[entry.offset() % slots] : nullptr;
            if (step == 2) ahead.found[i] = word ? Location::from_word(*word) : Location();
            else if (word) prefetch_to_write(word);
        }
    }

    void check() const override {
        uint64_t entries = 0, tables = 0;
        for (uint32_t type = 0; type < swap_types; ++type)
            for_each_cluster(type, [&](uint64_t first, const Cluster& cluster) {
                require_at(type, first, (cluster.table != nullptr) == (cluster.used != 0),
                           "swap table is there while its cluster has entries", cluster.table != nullptr, cluster.used != 0);
                if (!cluster.table) return;
                uint64_t used = 0;
                for (uint64_t i = 0; i < slots; ++i) {
                    uint64_t word = cluster.table->word[i];
                    bool may_be_there = words_ == SlotWords::value || !(word & 1);
                    require_at(type, first + i, may_be_there, "swap table's word is no value", word, word & ~uint64_t{1});
                    used += word != 0;
                }
                require_at(type, first, used == cluster.used, "swap cluster's used slots", cluster.used, used);
                entries += used;
                ++tables;
            });
        require(entries == entries_, "swap table entries", entries_, entries);
        require(tables == tables_.live(), "swap tables allocated but in no cluster", tables_.live(), tables);
    }

    uint64_t entries() const override { return entries_; }
    uint64_t nodes() const override { return tables_.live(); }
    uint64_t bytes() const override { return tables_.live() * sizeof(Words); }

    // The descriptors of a type's first clusters; null before the first store there.
    const void* root(uint32_t type) const override { return clusters_.find(SwapEntry(type, 0)); }

  private:
    template <class P>
    static auto& cluster_in(P& piece, SwapEntry entry) {
        return piece.cluster[entry.offset() >> ClusterBits & (slots - 1)];
    }

    // The word of an entry, null where there is no table. Descriptors that were never needed are as empty as others.
    uint64_t* word_of(Piece* piece, SwapEntry entry) {
        ++cost_->cache_lines;
        Words* table = piece ? cluster_in(*piece, entry).table : nullptr;
        if (!table) return nullptr;
        ++cost_->nodes_visited;
        ++cost_->cache_lines;
        return &table->word[entry.offset() % slots];
    }

    Location write(Cluster& cluster, SwapEntry entry, uint64_t word) {
        uint64_t& place = cluster.table->word[entry.offset() % slots];
        Location old = Location::from_word(place);
        place = word;
        ++cost_->nodes_visited;
        cost_->cache_lines += 2;
        ++cost_->slots_written;
        return old;
    }

    template <class Visit>
    void for_each_cluster(uint32_t type, Visit&& visit) const {
        clusters_.for_each(type, [&](uint64_t first, const Piece& piece) {
            for (uint64_t i = 0; i < slots; ++i) visit(first + i * slots, piece.cluster[i]);
        });
    }

    Clusters clusters_;
    Arena<Words> tables_;
    uint64_t entries_ = 0;
    SlotWords words_;
};

}  // namespace zreplay
