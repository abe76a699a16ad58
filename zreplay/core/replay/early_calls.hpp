// What happened before its row: stores were called and decided, asked the allocator, and returned (calls.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "events.hpp"
#include "swap/entries.hpp"

namespace zreplay {

template <class Model>
class EarlyCalls {
  public:
    // Only zswap 6.1 keeps a count of its pool, which a store or a free refreshes at its end; elsewhere nothing hangs on when
    // a call returned.
    static constexpr bool follows_returns = requires(Model& model) { model.returned(0); };

    explicit EarlyCalls(Model& model, bool driven, bool follows_readings)
        : model_(model), driven_(driven), follows_readings_(follows_readings) {}

    // The events that follow are of this batch, whose row 0 is that row of the trace; `calls` stand in it.
    void enter(const EventBatch& batch, int64_t first_row, std::span<const Call> calls) {
        batch_ = &batch;
        first_row_ = first_row;
        calls_ = calls;
    }

    // Whether an event of these rows has anything to do with calls before their rows.
    bool concern(int64_t first, int64_t end) const {
        if (!calls_.empty() && calls_.front().at < first_row_ + end) return true;
        static_assert(Rows::most == 16);
        if (follows_returns && (!returns_.empty() ||
                                batch_->return_ts_ns.has_16(first, batch_->rows) & ((1u << (end - first)) - 1)))
            return true;
        auto is_here = [&](const auto& item) { return item.first < first_row_ + end; };
        return std::ranges::any_of(decided_, is_here) || std::ranges::any_of(reserved_, is_here);
    }

    // What happened between the row before and this one, in the order of its times: stores were called, whose rows are this one
    // or stand behind it, and what the model says to them it says now; stores asked the allocator; calls returned, which is
    // when zswap 6.1 counts its pool.
    void take(int64_t row) {
        const int64_t now = first_row_ + row;
        if (returns_.empty() && (calls_.empty() || calls_.front().at > now)) return;
        take_all(row, now);
    }

    // What was decided and given early, at the store's own row.
    void recall(Event& event) {
        if (event.op != Op::store) return;
        const int64_t row = first_row_ + event.row;
        if (auto found = std::ranges::find(decided_, row, &std::pair<int64_t, int>::first); found != decided_.end()) {
            event.admitted = found->second;
            decided_.erase(found);
        }
        if (auto found = std::ranges::find(reserved_, row, &std::pair<int64_t, Reservation>::first); found != reserved_.end()) {
            std::optional<uint64_t> seen_pages;
            if (follows_readings_ && batch_->seen_pool_pages.has(event.row)) seen_pages = batch_->seen_pool_pages[event.row];
            model_.hand_over(found->second, seen_pages);
            reserved_.erase(found);
        }
    }

    // The call of this event returns later, having counted so many pages, if any.
    void returns_later(const Event& event, uint64_t pages) { returns_.emplace_back(batch_->return_ts_ns[event.row], pages); }

    // An object that has been reserved is in the pool and not yet in the index.
    bool nothing_reserved() const { return reserved_.empty(); }

  private:
    [[gnu::noinline]] void take_all(int64_t row, int64_t now) {
        std::ranges::sort(returns_);
        auto returned = returns_.begin();
        auto take_returns = [&](int64_t ts_ns) {
            for (; returned != returns_.end() && returned->first <= ts_ns; ++returned)
                if constexpr (follows_returns) model_.returned(returned->second);
        };
        for (; !calls_.empty() && calls_.front().at <= now; calls_ = calls_.subspan(1)) {
            const Call& call = calls_.front();
            if (call.what == Call::store) {
                take_returns(call.ts_ns);
                decide(call.row);
            } else if (auto decided = std::ranges::find(decided_, call.row, &std::pair<int64_t, int>::first);
                       decided == decided_.end() || decided->second == 0) {
                if (auto reservation = model_.reserve(call.entry, call.size_bytes)) reserved_.emplace_back(call.row, *reservation);
            }
        }
        if (returned != returns_.end() && batch_->op(row) == Op::store && batch_->call_ts_ns.has(row) &&
            batch_->call_rows.get(row, 0) == 0) {
            take_returns(batch_->call_ts_ns[row]);
            decide(now);
        }
        take_returns(batch_->ts_ns[row]);
        returns_.erase(returns_.begin(), returned);
    }

    void decide(int64_t row) {
        if constexpr (requires { model_.decide(); })
            if (!driven_) decided_.emplace_back(row, model_.decide());
    }

    Model& model_;
    const bool driven_, follows_readings_;
    const EventBatch* batch_ = nullptr;
    int64_t first_row_ = 0;
    std::span<const Call> calls_;                             // of the batch, those to come
    std::vector<std::pair<int64_t, int>> decided_;            // row → what the model said at its call
    std::vector<std::pair<int64_t, uint64_t>> returns_;       // when calls will return, and pages that they have counted, if any
    std::vector<std::pair<int64_t, Reservation>> reserved_;   // row → what the allocator gave, when it was asked
};

}  // namespace zreplay
