// A swap index beside the slow and obvious one, an ordered map: each answer is compared as it is given. Costs and decisions are the
// index's own, so that a replay that is verified comes to the same.
#include "plugin/verified.hpp"

#include <map>
#include <utility>

#include "plugin/wrong_answer.hpp"

namespace zreplay {

namespace {

class VerifiedIndex final : public SwapIndex {
  public:
    VerifiedIndex(std::unique_ptr<SwapIndex> index, std::string name) : index_(std::move(index)), name_(std::move(name)) {
        nodes_empty_ = index_->nodes();
        bytes_empty_ = index_->bytes();
        require_answer(name_, "memory() of an empty index: entries", index_->entries(), 0);
    }

    Location find(SwapEntry entry) override {
        const Location found = charged().find(entry);
        compare("find()", entry, found, there(entry));
        return found;
    }

    Location insert(SwapEntry entry, Location location) override {
        const Location old = charged().insert(entry, location);
        compare("insert(): the old location", entry, old, there(entry));
        map_[entry.word] = location;
        compare_entries();
        return old;
    }

    Location erase(SwapEntry entry) override {
        const Location old = charged().erase(entry);
        compare("erase()", entry, old, there(entry));
        map_.erase(entry.word);
        compare_entries();
        return old;
    }

    Location update(SwapEntry entry, Location moved) override {
        const Location old = charged().update(entry, moved);
        compare("move(): the old location", entry, old, there(entry));
        map_[entry.word] = moved;
        return old;
    }

    void for_each(uint32_t type, const std::function<void(uint64_t offset, Location)>& visit) const override {
        index_->for_each(type, visit);
    }

    int look_steps() const override { return index_->look_steps(); }
    void look(int step, uint32_t group, Ahead& ahead) override {
        index_->look(step, group, ahead);
        if (step + 1 < look_steps() || !ahead.wants_found) return;
        for (uint32_t i = 0; i < ahead.count; ++i)
            if (ahead.found[i]) compare("look()", ahead.entries[i], ahead.found[i], there(ahead.entries[i]));
    }

    // Also everything that is in it against everything that should be.
    void check() const override {
        index_->check();
        auto expected = map_.begin();
        for (uint32_t type = 0; type < swap_types; ++type)
            index_->for_each(type, [&](uint64_t offset, Location location) {
                const SwapEntry entry(type, offset);
                if (expected == map_.end())
                    wrong_answer(name_, "for_each(): " + of_slot(entry), word(location), "nothing more");
                if (expected->first != entry.word)
                    wrong_answer(name_, "for_each() of type " + std::to_string(type), of_slot(entry),
                                 of_slot(SwapEntry::from_word(expected->first)) + ", which is next");
                compare("for_each()", entry, location, expected->second);
                ++expected;
            });
        if (expected != map_.end())
            wrong_answer(name_, "for_each()", "no more", of_slot(SwapEntry::from_word(expected->first)) + ", which is next");
        compare_entries();
    }

    // Nothing is asked of it afterwards: everything is erased, and nothing may be left.
    void erase_all() {
        charge_nobody();
        while (!map_.empty()) erase(SwapEntry::from_word(map_.begin()->first));
        index_->check();
        require_answer(name_, "memory() after the last erase(): nodes", index_->nodes(), nodes_empty_);
        require_answer(name_, "memory() after the last erase(): bytes", index_->bytes(), bytes_empty_);
    }

    uint64_t entries() const override { return index_->entries(); }
    uint64_t nodes() const override { return index_->nodes(); }
    uint64_t bytes() const override { return index_->bytes(); }
    bool has_entries() const override { return index_->has_entries(); }
    bool positions_in_tags() const override { return index_->positions_in_tags(); }
    bool reads_together() const override { return false; }
    const void* root(uint32_t type) const override { return index_->root(type); }

  private:
    SwapIndex& charged() {
        index_->charge(*cost_);
        return *index_;
    }
    Location there(SwapEntry entry) const {
        const auto place = map_.find(entry.word);
        return place == map_.end() ? Location() : place->second;
    }
    static std::string word(Location location) {
        if (!location) return "nothing";
        return "location " + std::to_string(location.word());
    }
    void compare(const char* call, SwapEntry entry, Location found, Location expected) const {
        if (found != expected) [[unlikely]]
            wrong_answer(name_, std::string(call) + " of " + of_slot(entry), word(found), word(expected));
    }
    void compare_entries() const { require_answer(name_, "memory(): entries", index_->entries(), map_.size()); }

    std::unique_ptr<SwapIndex> index_;
    const std::string name_;
    std::map<uint64_t, Location> map_;  // by the slot's word: types, then offsets, ascending
    uint64_t nodes_empty_ = 0, bytes_empty_ = 0;
};

}  // namespace

std::unique_ptr<SwapIndex> verified(std::unique_ptr<SwapIndex> index, const std::string& name) {
    return std::make_unique<VerifiedIndex>(std::move(index), name);
}

void erase_all(SwapIndex& verified) { static_cast<VerifiedIndex&>(verified).erase_all(); }

}  // namespace zreplay
