// Steps as they are written: to a log, by one process for another, and as text, for people and for --replay.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "plugin/conformance.hpp"

namespace zreplay::conformance {

namespace {

constexpr std::array<std::string_view, 3> kind_names{"index", "pool", "mm"};

// Before the steps: how many there are, the setup in text.
struct Header {
    uint64_t count;
    uint64_t seed;
    uint8_t kind, small, words;
    char name[2][160];
    char call[Account::call_bytes];
};

}  // namespace

Log::Log(std::span<std::byte> memory) : memory_(memory) {
    if (memory.size() < sizeof(Header) + sizeof(Step)) throw std::invalid_argument("a log of " + std::to_string(memory.size()) + " bytes");
}

void Log::clear(const Setup& setup, uint64_t seed) {
    Header header{.count = 0, .seed = seed, .kind = static_cast<uint8_t>(setup.kind), .small = setup.small, .words = setup.words,
                  .name = {}, .call = {}};
    setup.name.copy(header.name[0], sizeof header.name[0] - 1);
    setup.like.copy(header.name[1], sizeof header.name[1] - 1);
    std::memcpy(memory_.data(), &header, sizeof header);
}

char* Log::call() const { return reinterpret_cast<Header*>(memory_.data())->call; }

size_t Log::room() const { return (memory_.size() - sizeof(Header)) / sizeof(Step); }

void Log::add(const Step& step) {
    auto* header = reinterpret_cast<Header*>(memory_.data());
    if (header->count < room()) std::memcpy(memory_.data() + sizeof(Header) + header->count * sizeof(Step), &step, sizeof step);
    ++header->count;
}

std::pair<Setup, std::vector<Step>> read(std::span<const std::byte> memory) {
    Header header;
    std::memcpy(&header, memory.data(), sizeof header);
    std::vector<Step> steps(std::min<size_t>(header.count, (memory.size() - sizeof header) / sizeof(Step)));
    if (!steps.empty()) std::memcpy(steps.data(), memory.data() + sizeof header, steps.size() * sizeof(Step));
    return {{.kind = static_cast<Kind>(header.kind), .name = header.name[0], .like = header.name[1], .small = header.small != 0,
             .words = header.words}, std::move(steps)};
}

std::string read_call(std::span<const std::byte> memory) {
    Header header;
    std::memcpy(&header, memory.data(), sizeof header);
    header.call[sizeof header.call - 1] = 0;
    return header.call;
}

// ---- text ----

std::string text_of(Kind kind, const Step& step) {
    const Word& word = words_of(kind)[step.op];
    std::string text = word.name;
    if (step.instance) text += " instance=1";
    for (const char* member = word.members; *member; ++member) {
        const auto [name, value] = *member == 't'   ? std::pair{"type", uint64_t{step.type}}
                                   : *member == 's' ? std::pair{"size", uint64_t{step.size}}
                                   : *member == 'k' ? std::pair{"key", step.key}
                                                    : std::pair{"value", step.value};
        text += std::string(" ") + name + "=" + std::to_string(value);
    }
    return text;
}

std::string text_of(const Setup& setup, std::span<const Step> steps) {
    std::string text(kind_names[static_cast<size_t>(setup.kind)]);
    if (setup.kind == Kind::index) text += said(" words=", slot_words[setup.words], " nodes=", setup.small ? "small" : "normal");
    if (!setup.like.empty()) text += " like=" + setup.like;
    text += "\n";
    for (const Step& step : steps) text += text_of(setup.kind, step) + "\n";
    return text;
}

namespace {

// A line in words, and what to say of one that is wrong.
class Line {
  public:
    Line(std::string_view text, size_t number) : number_(number) {
        while (!text.empty()) {
            const std::string_view word = text.substr(0, text.find(' '));
            text.remove_prefix(std::min(text.size(), word.size() + 1));
            if (!word.empty()) words_.push_back(word);
        }
    }
    bool says_nothing() const { return words_.empty() || words_[0][0] == '#'; }
    std::string_view first() const { return words_[0]; }
    // each(name, value) of what is written as name=value.
    template <class Each>
    void members(Each&& each) const {
        for (std::string_view word : std::span(words_).subspan(1)) {
            const std::string_view name = word.substr(0, word.find('='));
            each(name, word.substr(std::min(word.size(), name.size() + 1)));
        }
    }
    [[noreturn]] void wrong(std::string_view found, const char* expected) const {
        throw std::invalid_argument("line " + std::to_string(number_) + ": found '" + std::string(found) + "', expected " + expected);
    }
    template <class List>
    size_t one_of(const List& list, std::string_view name, const char* expected) const {
        const auto found = std::find(std::begin(list), std::end(list), name);
        if (found == std::end(list)) wrong(name, expected);
        return static_cast<size_t>(found - std::begin(list));
    }

  private:
    std::vector<std::string_view> words_;
    size_t number_;
};

Setup parse_setup(const Line& line) {
    Setup setup{.kind = static_cast<Kind>(line.one_of(kind_names, line.first(), "index, pool or mm"))};
    line.members([&](std::string_view name, std::string_view value) {
        if (name == "words") setup.words = static_cast<uint8_t>(line.one_of(slot_words, value, "narrow, wide or value"));
        else if (name == "nodes") setup.small = value == "small";
        else if (name == "like") setup.like = value;
        else line.wrong(name, "words, nodes or like");
    });
    return setup;
}

// What a plugin is not to be asked.
void require_within(Kind kind, const Line& line, std::string_view name, uint64_t number, std::string_view members) {
    constexpr uint64_t groups = 8;
    const auto [most, expected] =
        name == "instance" ? std::pair{uint64_t{1}, "0 or 1"}
        : name == "size"   ? std::pair{uint64_t{UINT32_MAX}, "at most 4294967295"}
        : name == "key"    ? std::pair{SwapEntry::offset_mask, "an offset, less than 2^58"}
        : name != "type"   ? std::pair{UINT64_MAX, ""}
        : kind == Kind::index ? std::pair{uint64_t{swap_types - 1}, "a type of 0 to 31"}
        : kind == Kind::pool  ? std::pair{uint64_t{100}, "0 to 100, of a hundred how many refuse"}
                              : std::pair{groups - 1, "a group of 0 to 7"};
    const bool is_location = name == "value" && kind == Kind::index && members == "tkv" && line.first() != "look";
    if (number > most) line.wrong(said(name, "=", number), expected);
    if (is_location && !number) line.wrong("value=0", "a location, never 0");
}

Step parse_step(Kind kind, const Line& line) {
    const auto words = words_of(kind);
    const auto word = std::find_if(words.begin(), words.end(), [&](const Word& one) { return one.name == line.first(); });
    if (word == words.end()) line.wrong(line.first(), "an operation");
    Step step{.op = static_cast<uint8_t>(word - words.begin())};
    if (kind == Kind::index && std::string_view(word->members) == "tkv") step.value = 64;  // where the line does not say
    line.members([&](std::string_view name, std::string_view value) {
        uint64_t number = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc() || end != value.data() + value.size()) line.wrong(value, "a number");
        require_within(kind, line, name, number, word->members);
        if (name == "instance") step.instance = number & 1;
        else if (name == "type") step.type = static_cast<uint16_t>(number);
        else if (name == "size") step.size = static_cast<uint32_t>(number);
        else if (name == "key") step.key = number;
        else if (name == "value") step.value = number;
        else line.wrong(name, "type, size, key, value or instance");
    });
    return step;
}

}  // namespace

std::pair<Setup, std::vector<Step>> parse(std::string_view text) {
    std::optional<Setup> setup;
    std::vector<Step> steps;
    for (size_t number = 1; !text.empty(); ++number) {
        const std::string_view whole = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), whole.size() + 1));
        const Line line(whole, number);
        if (line.says_nothing()) continue;
        if (!setup) setup = parse_setup(line);
        else steps.push_back(parse_step(setup->kind, line));
    }
    if (!setup) throw std::invalid_argument("no line of a setup, expected one such as: index words=narrow nodes=small");
    return {*setup, std::move(steps)};
}

}  // namespace zreplay::conformance
