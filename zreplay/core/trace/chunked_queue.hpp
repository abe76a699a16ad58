// A queue by number whose elements stay where they are: a deque that keeps its chunks.
//
// std::deque puts two rows of this size into a chunk and gives each back to the allocator, which is a malloc for every
// other line of text. Here a chunk holds 16 and is used again; one
// of more would be cleared for nothing by who reads a few lines.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace zreplay {

template <class T>
class ChunkedQueue {
  public:
    ChunkedQueue() = default;
    ChunkedQueue(ChunkedQueue&&) = default;  // and so no copies, which its chunks have not

    bool empty() const { return first_ == last_; }
    size_t size() const { return last_ - first_; }
    T& operator[](size_t at) { return (*chunks_[(first_ + at) / chunk])[(first_ + at) % chunk]; }
    T& front() { return (*this)[0]; }
    const T& front() const { return (*chunks_[first_ / chunk])[first_ % chunk]; }

    T& push_back(const T& value) {
        if (last_ == chunks_.size() * chunk) {
            if (spare_.empty()) spare_.push_back(std::make_unique<Chunk>());
            chunks_.push_back(std::move(spare_.back()));
            spare_.pop_back();
        }
        T& place = (*chunks_[last_ / chunk])[last_ % chunk];
        ++last_;
        return place = value;
    }

    void pop_front() {
        if (++first_ < chunk) return;
        spare_.push_back(std::move(chunks_.front()));
        chunks_.pop_front();
        first_ -= chunk;
        last_ -= chunk;
    }

  private:
    static constexpr size_t chunk = 16;
    using Chunk = std::array<T, chunk>;

    std::deque<std::unique_ptr<Chunk>> chunks_;
    std::vector<std::unique_ptr<Chunk>> spare_;
    size_t first_ = 0, last_ = 0;  // counted from the front chunk's begin
};

}  // namespace zreplay
