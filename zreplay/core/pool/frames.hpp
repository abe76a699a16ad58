// A page of the machine as a slot of an index names it where slots name pages: the kernel's struct page, 64 bytes, at an
// address aligned to as much, so that six low bits are free; or by its page frame number.
//
//      byte 0        4      8       16       24                64
//           | target | page | owner | number |                 |
//
// A slot that cannot say which object of a page it means names a handle cell instead (swap/slots.hpp). Which of the two an
// address is, the kernel could tell from the address: descriptors of pages are in the memory map. Here each begins with
// what it is.
#pragma once

#include <cstdint>
#include <vector>

#include "arena.hpp"

namespace zreplay {

enum class SlotTarget : uint32_t { frame = 1, cell = 2 };

struct alignas(64) Frame {
    SlotTarget target = SlotTarget::frame;
    uint32_t page = 0;      // which of its owner's pages
    void* owner = nullptr;  // zspage, or z3fold's page
    uint64_t number = 0;    // page frame number, from 1
};
static_assert(sizeof(Frame) == 64);

// Where an object is: its page, and which of the page's objects it is.
struct Place {
    Frame* frame;
    uint32_t nth;
};

class Frames {
  public:
    Frame* make(void* owner, uint32_t page) {
        Frame* frame = arena_.make();
        frame->page = page;
        frame->owner = owner;
        if (free_numbers_.empty()) {
            by_number_.push_back(frame);
            frame->number = by_number_.size();
        } else {
            frame->number = free_numbers_.back();
            free_numbers_.pop_back();
            by_number_[frame->number - 1] = frame;
        }
        return frame;
    }

    void release(Frame* frame) {
        free_numbers_.push_back(frame->number);
        by_number_[frame->number - 1] = nullptr;
        arena_.release(frame);
    }

    Frame* of_number(uint64_t number) const { return by_number_[number - 1]; }
    uint64_t live() const { return arena_.live(); }

  private:
    Arena<Frame> arena_;
    std::vector<Frame*> by_number_;
    std::vector<uint64_t> free_numbers_;
};

}  // namespace zreplay
