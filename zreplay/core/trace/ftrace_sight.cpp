#include "trace/ftrace_sight.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace zreplay {

Sighting sight(std::string_view text, const Functions& functions) {
    struct Store {
        bool granted = false;  // an allocation has succeeded …
        bool freed = false;    // … and an object been freed
    };
    Sighting seen;
    std::array<uint32_t, static_cast<size_t>(Probe::other)> keys{};
    std::array<bool, static_cast<size_t>(Probe::other)> called{};
    std::unordered_map<int32_t, Store> stores;  // by PID
    int64_t stored = -1;                        // the last count of zswap's pages
    bool frees_seen = false, stays_uncounted = false;
    seen.names_frontswap = text.find("frontswap") != text.npos;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        FtraceLine line;
        const bool readable = parse_ftrace_line(text.substr(0, end), line, functions).empty();
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.probe == Probe::other) continue;
        seen.names_zsmalloc |= line.names_zsmalloc;
        if (!line.is_return) {
            called[static_cast<size_t>(line.probe)] |= readable;
            if (readable) keys[static_cast<size_t>(line.probe)] |= line.present;
            if (line.probe == Probe::store) stores[line.pid] = {};
            else if (line.probe == Probe::free) stores[line.pid].freed = frees_seen = true;
            continue;
        }
        if (!readable) continue;
        if (line.probe == Probe::alloc) {
            seen.allocs_answer = true;
            stores[line.pid].granted |= line.has(Key::handle) ? !is_errno(line[Key::handle])
                                                              : line[Key::ret] == 0 || !is_errno(line[Key::ret]);
        } else if (line.probe == Probe::store) {
            const uint64_t answer = line[Key::ret];
            const Store store = stores[line.pid];
            const int64_t before = stored;
            if (line.has(Key::stored)) stored = static_cast<int64_t>(line[Key::stored]);
            // What was allocated has not been given back, and one page more is stored.
            const bool stays = answer == 0 && store.granted && !store.freed;
            seen.stores_answer_boolean |= answer == 1;
            seen.stores_answer_errno |= answer == 0 ? stays && line.has(Key::stored) && stored > std::max<int64_t>(before, 0)
                                                    : is_errno(answer);
            stays_uncounted |= stays && !line.has(Key::stored);
        } else if (line.has(Key::stored)) {
            stored = static_cast<int64_t>(line[Key::stored]);
        }
    }
    seen.stores_answer_errno |= stays_uncounted && frees_seen;
    for (size_t probe = 0; probe < keys.size(); ++probe) {
        if (!called[probe]) continue;
        auto& found = seen.events[std::string(name_of(static_cast<Probe>(probe)))];
        for (size_t key = 0; key < static_cast<size_t>(Key::count); ++key)
            if (keys[probe] >> key & 1) found.emplace(name_of(static_cast<Key>(key)));
    }
    return seen;
}

}  // namespace zreplay
