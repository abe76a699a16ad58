// Every swap index and pool in lock-step with its reference, by random calls in rounds.
//
//      lockstep list                                      the subjects, one a line
//      lockstep run OPERATIONS SECONDS SEED SUBJECT…      rounds of each, until so many operations, or so many seconds, in all
//      lockstep round SUBJECT SEED                        one round again
//
// `run` prints "subject operations rounds" for each, and at the first wrong answer says how to have the round again, exit code 1.
// A round begins with a new structure, of a size and a mixture of calls of its own, and ends with an empty one.
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "index_round.hpp"
#include "pool_round.hpp"

using namespace lockstep;

namespace {

// Gives the operations done; what went wrong, with the step, in `wrong`.
using RunRound = std::function<uint64_t(uint64_t seed, std::string& wrong)>;

struct Subject {
    std::string name;
    RunRound round;
};

template <class Round, class Setup>
RunRound rounds_of(Setup setup) {
    return [setup](uint64_t seed, std::string& wrong) -> uint64_t {
        Round round(setup, seed);
        try {
            return round.run();
        } catch (const Wrong& found) {
            wrong = said("operation ", round.step(), ": ", found.what);
        } catch (const std::exception& failed) {
            wrong = said("operation ", round.step(), ": ", failed.what());
        }
        return 0;
    };
}

void add_indexes(std::vector<Subject>& subjects) {
    static constexpr std::string_view words[] = {"narrow", "wide", "value"};
    for (const IndexKind& kind : index_kinds())
        for (int w = 0; w < (kind.takes_values ? 3 : 2); ++w)
            for (const bool small : {false, true})
                for (const bool layout : {false, true}) {
                    const IndexSubject subject{&kind, small, static_cast<SlotWords>(w), layout};
                    subjects.push_back({said("index/", kind.name, "/", words[w], small ? "/small" : "/normal", layout ? "/laid-out" : ""),
                                        rounds_of<IndexRound>(subject)});
                }
}

void add_pools(std::vector<Subject>& subjects) {
    for (const bool movable : {false, true})
        subjects.push_back({said("pool/zbud", movable ? "/movable" : ""),
                            rounds_of<PoolRound<Zbud, ReferenceZbud, ZbudOptions>>(ZbudOptions{movable})});
    for (const uint32_t cpus : {1u, 2u, 3u})
        for (const bool deferred : {false, true})
            for (const bool claimed : {true, false})
                for (const bool frames : {false, true})
                    subjects.push_back({said("pool/z3fold/cpus-", cpus, deferred ? "/deferred" : "", claimed ? "" : "/unclaimed",
                                             frames ? "/frames" : ""),
                                        rounds_of<PoolRound<Z3fold, ReferenceZ3fold, Z3foldOptions>>(
                                            Z3foldOptions{deferred, cpus, claimed, frames})});
    for (uint32_t chain = 4; chain <= 16; ++chain)
        for (const ClassRule rule : {ClassRule::a, ClassRule::b})
            for (const FullnessGroups groups : {FullnessGroups::four, FullnessGroups::twelve})
                for (const bool frames : {false, true}) {
                    ZsmallocOptions options;
                    options.frames = frames;
                    options.class_rule = rule;
                    options.chain_limit = chain;
                    options.fullness_groups = groups;
                    subjects.push_back({said("pool/zsmalloc/chain-", chain, rule == ClassRule::a ? "/a" : "/b",
                                             groups == FullnessGroups::four ? "/four" : "/twelve", frames ? "/frames" : ""),
                                        rounds_of<PoolRound<Zsmalloc, ReferenceZsmalloc, ZsmallocOptions>>(options)});
                }
    subjects.push_back({"pool/ideal", rounds_of<PoolRound<Ideal, ReferenceIdeal<true>, NoOptions>>(NoOptions{})});
    subjects.push_back({"pool/ideal-packing", rounds_of<PoolRound<IdealPacking, ReferenceIdeal<false>, NoOptions>>(NoOptions{})});
}

int fail(const Subject& subject, uint64_t seed, const std::string& wrong) {
    std::fprintf(stderr, "%s: %s\nagain: lockstep round %s %llu\n", subject.name.c_str(), wrong.c_str(), subject.name.c_str(),
                 static_cast<unsigned long long>(seed));
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<Subject> subjects;
    add_indexes(subjects);
    add_pools(subjects);
    const std::vector<std::string_view> given(argv + 1, argv + argc);
    auto named = [&](std::string_view name) -> const Subject& {
        for (const Subject& subject : subjects)
            if (subject.name == name) return subject;
        std::fprintf(stderr, "no subject '%s'; lockstep list has them\n", std::string(name).c_str());
        std::exit(2);
    };
    if (given.size() == 1 && given[0] == "list") {
        for (const Subject& subject : subjects) std::puts(subject.name.c_str());
        return 0;
    }
    if (given.size() == 3 && given[0] == "round") {
        std::string wrong;
        const uint64_t seed = std::stoull(argv[3]), operations = named(given[1]).round(seed, wrong);
        if (!wrong.empty()) return fail(named(given[1]), seed, wrong);
        std::printf("%llu operations\n", static_cast<unsigned long long>(operations));
        return 0;
    }
    if (given.size() < 5 || given[0] != "run") {
        std::fputs("lockstep list | run OPERATIONS SECONDS SEED SUBJECT… | round SUBJECT SEED\n", stderr);
        return 2;
    }
    const double operations = std::stod(argv[2]), seconds = std::stod(argv[3]);
    const uint64_t seed = std::stoull(argv[4]);
    const auto begin = std::chrono::steady_clock::now();
    for (size_t n = 4; n < given.size(); ++n) {
        const Subject& subject = named(given[n]);
        const auto share = static_cast<double>(n - 3) / static_cast<double>(given.size() - 4);
        uint64_t done = 0, rounds = 0;
        Random seeds(seed ^ std::hash<std::string>()(subject.name));
        while (static_cast<double>(done) < operations / static_cast<double>(given.size() - 4)) {
            if (std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds * share) break;
            const uint64_t round_seed = seeds.next();
            std::string wrong;
            done += subject.round(round_seed, wrong);
            if (!wrong.empty()) return fail(subject, round_seed, wrong);
            ++rounds;
        }
        std::printf("%s %llu %llu\n", subject.name.c_str(), static_cast<unsigned long long>(done), static_cast<unsigned long long>(rounds));
        std::fflush(stdout);
    }
}
