// Several texts of one recording, a CPU each, as one: line by line in the order of their times, of one time the earlier
// text's first. A line without a time (a heading, a comment, lost events) stays behind the one before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zreplay {

class LineMerger {
  public:
    // Of a line that has not ended yet so much is kept: more than one may have (FtraceImporter::most_line_bytes).
    static constexpr size_t most_line_bytes = 8192;

    explicit LineMerger(size_t inputs) : inputs_(inputs) {}

    void feed(size_t input, std::string_view text);  // any cut of it
    void end(size_t input);
    ptrdiff_t wants() const;  // which text must be fed or ended before the next line is known; -1: none
    std::string take();       // what is known of the merged text

  private:
    struct Input {
        std::string text;
        size_t at = 0;     // where its next line begins …
        size_t size = 0;   // … how long it is with its newline; 0: it is not whole yet …
        int64_t time = INT64_MIN;  // … and its time, or that of the line before
        bool ended = false;
    };

    static void look(Input& input);

    std::vector<Input> inputs_;
};

}  // namespace zreplay
