#include "trace/line_merger.hpp"

#include "trace/ftrace_columns.hpp"

namespace zreplay {

void LineMerger::feed(size_t input, std::string_view text) {
    Input& fed = inputs_.at(input);
    fed.text.erase(0, fed.at);
    fed.at = 0;
    fed.text += text;
    look(fed);
    // The begin of a line too long to be one is enough for the importer to say so.
    if (!fed.size && fed.text.size() > most_line_bytes) fed.text.resize(most_line_bytes);
}

void LineMerger::end(size_t input) {
    Input& ended = inputs_.at(input);
    ended.ended = true;
    if (ended.at < ended.text.size() && ended.text.back() != '\n') ended.text += '\n';
    look(ended);
}

void LineMerger::look(Input& input) {
    const size_t newline = input.text.find('\n', input.at);
    input.size = newline == std::string::npos ? 0 : newline + 1 - input.at;
    if (!input.size) return;
    Columns columns;
    if (read_columns({input.text.data() + input.at, input.size - 1}, columns)) input.time = columns.ts_ns;
}

ptrdiff_t LineMerger::wants() const {
    for (size_t i = 0; i < inputs_.size(); ++i)
        if (!inputs_[i].size && !inputs_[i].ended) return static_cast<ptrdiff_t>(i);
    return -1;
}

std::string LineMerger::take() {
    std::string merged;
    while (wants() < 0) {
        Input* next = nullptr;
        for (Input& input : inputs_)
            if (input.size && (!next || input.time < next->time)) next = &input;
        if (!next) break;
        merged.append(next->text, next->at, next->size);
        next->at += next->size;
        look(*next);
    }
    return merged;
}

}  // namespace zreplay
