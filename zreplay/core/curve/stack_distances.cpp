#include "curve/stack_distances.hpp"

#include <algorithm>
#include <bit>

namespace zreplay {

void StackDistances::replay(const CurveEvents& events) {
    held_.resize(events.most_pages);
    looked_.resize(events.most_calls);
    page_at_.assign(places(), nowhere);
    for (const CurveOp& op : events.ops()) {
        switch (op.what) {
            case CurveOp::decide:
                look();
                looked_[op.call] = 1;
                break;
            case CurveOp::store:
            case CurveOp::refused: {
                if (op.call == CurveOp::none || !looked_[op.call]) look();
                if (op.call != CurveOp::none) looked_[op.call] = 0;
                if (next_ == places()) rebuild();
                Page old = op.page == CurveOp::none ? Page() : held_[op.page];
                if (op.what == CurveOp::store) insert(op.page, op.size_bytes);
                else if (op.page != CurveOp::none) held_[op.page] = {};
                leave(old, false);
                break;
            }
            case CurveOp::load: leave(held_[op.page], true); break;
            case CurveOp::drop:
                if (op.call != CurveOp::none) looked_[op.call] = 0;
                if (op.page != CurveOp::none) leave(held_[op.page], false);
                break;
            default: break;
        }
    }
    for (Page& page : held_) leave(page, false);
}

void StackDistances::insert(uint32_t page, uint32_t size_bytes) {
    const uint32_t leaf = walk(next_, size_bytes);
    tree_[leaf] = {static_cast<int64_t>(size_bytes), 0};
    page_at_[next_] = page;
    held_[page] = {next_++, size_bytes};
    bytes_ += size_bytes;
    peak_bytes = std::max(peak_bytes, bytes_);
}

// Down to a place: what is to be told on the way is told, and all older ones are told of a change.
uint32_t StackDistances::walk(uint32_t place, int64_t change) {
    uint32_t node = 1;
    for (uint32_t half = places() / 2; half; half /= 2) {
        push(node);
        const uint32_t right = place & half ? 1 : 0;
        if (right) tree_[2 * node].add += change;
        node = 2 * node + right;
    }
    return node;
}

void StackDistances::push(uint32_t node) {
    Node& told = tree_[node];
    for (uint32_t child : {2 * node, 2 * node + 1}) {
        Node& below = tree_[child];
        below.most = std::max(below.most, below.add + told.most);
        below.add += told.add;
    }
    told = {};
}

void StackDistances::leave(Page& page, bool is_loaded) {
    if (page.place == nowhere) return;
    const uint64_t limit = least_limit(remove(page));
    if (limit >= pages.size()) pages.resize(limit + 1), hits.resize(limit + 1);
    ++pages[limit];
    hits[limit] += is_loaded;
}

uint64_t StackDistances::least_limit(int64_t distance_bytes) const {
    const auto of_machine = static_cast<double>(distance_bytes) * static_cast<double>(of_) / static_cast<double>(keep_);
    return (static_cast<uint64_t>(of_machine) + page_bytes - 1) / page_bytes + 1;
}

int64_t StackDistances::remove(Page& page) {
    const uint32_t leaf = walk(page.place, -static_cast<int64_t>(page.size_bytes));
    const int64_t distance = tree_[leaf].most;
    page_at_[page.place] = nowhere;
    bytes_ -= page.size_bytes;
    page = {};
    return distance;
}

// Those that are there, in their order, in a tree twice as large at least.
void StackDistances::rebuild() {
    for (uint32_t node = 1; node < places(); ++node) push(node);
    std::vector<uint32_t> page_at;
    std::vector<Node> bottom;
    for (uint32_t place = 0; place < next_; ++place) {
        if (page_at_[place] == nowhere) continue;
        held_[page_at_[place]].place = static_cast<uint32_t>(page_at.size());
        page_at.push_back(page_at_[place]);
        bottom.push_back(tree_[places() + place]);
    }
    next_ = static_cast<uint32_t>(page_at.size());
    const uint32_t wanted = std::max(least, std::bit_ceil(2 * next_));
    tree_.assign(2 * size_t{wanted}, {});
    std::ranges::copy(bottom, tree_.begin() + wanted);
    page_at_ = std::move(page_at);
    page_at_.resize(wanted, nowhere);
}

}  // namespace zreplay
