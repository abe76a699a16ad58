// The importer, as to zswap's limits: why a store was refused whose answer is a boolean.
#include "trace/ftrace.hpp"

#include <algorithm>

namespace zreplay {

// 6.12 looks at its limits when a store is called (zswap_check_limits); its answer is a boolean, so whether they or the
// compressor refused is told from how many pages the pool had.
uint64_t FtraceImporter::begin_check() {
    checks_.emplace_back();
    return first_check_ + checks_.size() - 1;
}

void FtraceImporter::end_check(uint64_t number, bool taken, uint64_t refused_row) {
    if (number == none) {
        if (refused_row != none) finish_refusal(refused_row, true);
        return;
    }
    Check& check = checks_[number - first_check_];
    check.ended = true;
    if (taken && check.settled && check.full) {
        ++counts_.unexpected_stores;
        reached_full_ = false;
    }
    if (refused_row != none) {
        if (check.settled) finish_refusal(refused_row, check.full);
        else if (!pages_before_) finish_refusal(refused_row, true);
        else check.row = refused_row;
    }
    while (!checks_.empty() && checks_.front().ended && (checks_.front().settled || !pages_before_)) {
        checks_.pop_front();
        ++first_check_;
    }
    next_check_ = std::max(next_check_, first_check_);
}

// The pool has had so many pages since the last reading: nothing has been allocated or freed in between.
void FtraceImporter::settle_checks(uint64_t pages) {
    for (; next_check_ < first_check_ + checks_.size(); ++next_check_) {
        Check& check = checks_[next_check_ - first_check_];
        if (pages >= limits_.max_pages) reached_full_ = true;
        else if (reached_full_ && pages <= limits_.accept_pages) reached_full_ = false;
        check.settled = true;
        check.full = reached_full_;
        if (check.row != none) finish_refusal(check.row, check.full);
    }
    while (!checks_.empty() && checks_.front().ended && checks_.front().settled) {
        checks_.pop_front();
        ++first_check_;
    }
}

void FtraceImporter::finish_refusal(uint64_t row, bool by_limit) {
    ++(by_limit ? counts_.limit_refusals : counts_.compress_refusals);
    rows_.set_result(row, by_limit ? -e_nomem : -e_inval);
    rows_.complete(row);
}

}  // namespace zreplay
