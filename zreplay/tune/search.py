"""The best of many configurations of one trace, most of them replayed on a sample of it only.

    prove    of each family (all settings but limit and threshold) the highest limit is replayed in full. Where the pool
             never came to it, every higher limit than its peak, and every threshold, is the same replay.
    sample   the others on a sample of the trace's slots: the ends of the thresholds first, what is between them where
             the ends are among the better. Long traces have a smaller sample before, whose best quarter goes on.
    promote  the best by estimate, a batch at a time, in full; each puts its neighbours' estimates right and tells how
             far off estimates are. It ends when two batches have brought nothing better, or one has, and all that is
             left is by estimate too far behind.
    descend  a lower limit may be as good as the winner's: the next one is replayed, until it is not.

What is reported was replayed in full; a sample only decides what is. Nothing is drawn: the same trace and candidates
give the same answer.
"""

from collections.abc import Iterable, Sequence
from math import exp, sqrt
from typing import Any

from zreplay.trace.sample import WHOLE, Sample
from zreplay.tune.found import Finding, Found
from zreplay.tune.goal import Goal
from zreplay.tune.replays import Replays
from zreplay.tune.sampled import Errors, Numbers, distance, put_right, scaled_up
from zreplay.tune.space import Candidate

#: Rows of a trace from which on: the shares of its slots that candidates are replayed on, one after the other. A sample
#: has some thousand rows at least; below that all are replayed in full.
_SHARES: tuple[tuple[int, tuple[Sample, ...]], ...] = (
    (1 << 20, (Sample(1, 64), Sample(1, 16))),
    (32_000, (Sample(1, 16),)),
    (8_000, (Sample(1, 4),)),
)
#: Candidates of the first batch and of later ones, and of all one in so many at least; batches in vain at the end.
_BATCHES, _BATCH_SHARES, _PATIENCE = (6, 4), (40, 60), 2
#: The search ends a batch earlier where no candidate can be expected to bring this share of the best value; where there
#: are conditions, a smaller one, as whether they are met is estimated too.
_SMALL_GAIN, _SMALL_GAIN_UNDER_CONDITIONS = 0.005, 0.0005
#: Of the limits sampled at the ends of the thresholds, one in so many is sampled between them; more where there are
#: conditions, which the best may just meet between the ends.
_BETTER, _BETTER_UNDER_CONDITIONS = 3, 2
#: The share of a smaller sample's candidates that are replayed on a larger one.
_KEPT = 4


def exhaustive(candidates: Sequence[Candidate], goal: Goal, replays: Replays) -> Found:
    """Every candidate replayed in full."""
    found = Found(goal, [Finding(candidate, place) for place, candidate in enumerate(candidates)])
    rows = replays.rows([candidate.config for candidate in candidates])
    for finding, row in zip(found.findings, rows, strict=True):
        finding.row = row
    found.replays[WHOLE] = len(rows)
    found.all_events = found.events = replays.trace_rows * len(rows)
    return found


def search(candidates: Sequence[Candidate], goal: Goal, replays: Replays) -> Found:
    """The best of the candidates, as :func:`exhaustive` finds it, in a part of the time; docs/tune.md: how surely."""
    return _Search(candidates, goal, replays).found()


class _Search:
    def __init__(self, candidates: Sequence[Candidate], goal: Goal, replays: Replays) -> None:
        self._goal = goal
        self._replays = replays
        self._found = Found(goal, [Finding(candidate, place) for place, candidate in enumerate(candidates)])
        self._findings = self._found.findings
        self._families: dict[tuple[Any, ...], list[Finding]] = {}
        for finding in self._findings:
            self._families.setdefault(finding.candidate.family, []).append(finding)
        self._sampled: dict[int, Numbers] = {}  # place → on the last share
        self._names: tuple[str, ...] = ()  # numbers that are estimated
        self._needed: tuple[str, ...] = ()  # those among them that the goal rests on
        self._batches = [
            max(batch, len(candidates) // share) for batch, share in zip(_BATCHES, _BATCH_SHARES, strict=True)
        ]

    def found(self) -> Found:
        self._replay(
            max(family, key=lambda one: one.candidate.limit_percent or 0) for family in self._families.values()
        )
        row = next(one.row for one in self._findings if one.row is not None)
        self._needed = self._goal.needs(row)
        self._names = tuple(dict.fromkeys((*self._needed, *self._goal.of_axes(row))))
        shares = self._shares()
        if not shares:
            self._replay(self._unknown(), settle=True)
        for share in shares[:-1]:
            errors = Errors(share, self._needed)
            self._sample(share, self._unknown(), all_thresholds=True)
            ranked = self._ranked(errors)
            self._promote_one(errors, ranked)
            kept = {finding.place for finding, _ in ranked[: max(len(ranked) // _KEPT, 4 * self._batches[0])]}
            self._sampled = {place: numbers for place, numbers in self._sampled.items() if place in kept}
        for share in shares[-1:]:
            errors = Errors(share, self._needed)
            left = [one for one in self._unknown() if len(shares) == 1 or one.place in self._sampled]
            self._sample(share, left, all_thresholds=len(shares) > 1)
            self._promote(errors)
        self._descend()
        self._found.all_events = len(self._findings) * self._replays.trace_rows
        return self._found

    def _shares(self) -> tuple[Sample, ...]:
        return next((shares for rows, shares in _SHARES if self._replays.trace_rows >= rows), ())

    def _unknown(self) -> list[Finding]:
        return [finding for finding in self._findings if finding.row is None]

    # ---- prove ----

    def _replay(self, findings: Iterable[Finding], *, settle: bool = False) -> None:
        """Replay in full. With ``settle`` in such an order that what is equal to another is not replayed."""
        some = [finding for finding in findings if finding.row is None]
        if settle:
            for one in sorted(some, key=lambda one: -(one.candidate.limit_percent or 0)):
                if one.row is None:
                    self._replay([one])
            return
        rows = self._replays.rows([finding.candidate.config for finding in some])
        self._count(WHOLE, len(some), self._replays.trace_rows)
        for finding, row in zip(some, rows, strict=True):
            finding.row = row
            self._prove(finding)

    def _prove(self, finding: Finding) -> None:
        """A limit that was never met is as none, and so is any that is above what the pool grew to.

        The engine looks at the limit when it asks whether the pool is full, and nowhere else before it has been
        (core/swap/limits.hpp); the pool it asks about is at most its peak.
        """
        row = finding.row
        assert row is not None
        if finding.candidate.limit_pages is None or row["pool_limit_hit"]:
            return
        share = Sample.parse(finding.candidate.config.trace_sample)
        # Of a trace that is a sample limits were scaled down and pages up, both rounded.
        rounded = 0 if share.is_whole else 2 * -(-share.of // share.keep)
        peak = min(row["pool_pages_peak"] + rounded, finding.candidate.limit_pages)
        for other in self._families[finding.candidate.family]:
            pages = other.candidate.limit_pages
            if other.row is None and pages is not None and (pages > peak or pages >= finding.candidate.limit_pages):
                other.row, other.equal_to = row, finding.place

    # ---- sample ----

    def _sample(self, share: Sample, findings: Sequence[Finding], *, all_thresholds: bool = False) -> None:
        self._sampled = {}
        neighbours = [one for family in self._families.values() for one in _edges(family)]
        if all_thresholds or len({one.candidate.threshold_percent for one in findings}) <= 2:
            self._sample_some(share, [*neighbours, *findings])
            return
        groups: dict[tuple[Any, ...], list[Finding]] = {}
        for finding in findings:
            groups.setdefault((finding.candidate.family, finding.candidate.limit_percent), []).append(finding)
        self._sample_some(share, [*neighbours, *(end for group in groups.values() for end in _ends(group))])
        order = {finding.place: number for number, (finding, _) in enumerate(self._ranked(Errors(share, self._needed)))}
        one_in = _BETTER_UNDER_CONDITIONS if self._goal.subject_to else _BETTER
        ranked = sorted(
            groups.values(), key=lambda group: min(order.get(end.place, len(order)) for end in _ends(group))
        )
        self._sample_some(share, [one for group in ranked[: -(-len(ranked) // one_in)] for one in group])

    def _sample_some(self, share: Sample, findings: Iterable[Finding]) -> None:
        some = [one for one in {one.place: one for one in findings}.values() if one.place not in self._sampled]
        rows = self._replays.rows([finding.candidate.config for finding in some], share)
        self._count(share, len(some), self._replays.trace_rows * share.keep // share.of)
        for finding, row in zip(some, rows, strict=True):
            self._sampled[finding.place] = scaled_up(row, share, self._names)
            finding.share = share

    def _count(self, share: Sample, replays: int, events: int) -> None:
        self._found.replays[share] = self._found.replays.get(share, 0) + replays
        self._found.events += replays * events

    def _estimate(self, finding: Finding) -> tuple[Numbers, Numbers]:
        """Of a candidate that was sampled; and the neighbour that put it right."""
        near = min(
            (
                one
                for one in self._families[finding.candidate.family]
                if one.row is not None and one.place in self._sampled
            ),
            key=lambda one: (distance(one.candidate, finding.candidate), one.place),
        )
        assert near.row is not None
        known = {name: float(near.row[name]) for name in self._names}
        estimate = put_right(self._sampled[finding.place], self._sampled[near.place], known)
        finding.estimate = estimate
        return estimate, known

    # ---- promote ----

    def _ranked(self, errors: Errors) -> list[tuple[Finding, float]]:
        """What was sampled and is not known, the most promising first, and how much better than the best each may be.

        That is the gain to be expected of it, as a share of the best value. Of those that a sample does not tell apart
        only the first is here: if they are replayed, it is after that one.
        """
        best = self._best()
        ranked = []
        seen = set()
        for finding in self._unknown():
            if finding.place not in self._sampled:
                continue
            same = (finding.candidate.family, finding.candidate.limit_percent, *self._sampled[finding.place].values())
            if same in seen:
                continue
            seen.add(same)
            estimate, known = self._estimate(finding)
            value = self._goal.value(estimate)
            error, excess_errors = errors.of_goal(self._goal, estimate, known)
            meets = 1.0
            for excess, excess_error in zip(self._goal.excesses(estimate), excess_errors, strict=True):
                meets *= _chance_below(excess, excess_error)
            if best[0] > 0:  # nothing has met the conditions yet: the nearest by estimate come first
                judged = self._goal.judged(estimate)
                ranked.append(((*judged, finding.place), finding, 1.0 if judged < best else meets))
                continue
            gain = meets * _expected_gain(best[1] - value, error)
            # A value alone is the better guess; where there are conditions, what is likely to meet them comes first.
            order = (-gain if self._goal.subject_to else value, value, finding.place)
            ranked.append((order, finding, gain / (abs(best[1]) or 1.0)))
        return [(finding, gain) for _, finding, gain in sorted(ranked, key=lambda one: one[0])]

    def _best(self) -> tuple[float, float]:
        return min(self._goal.judged(one.row) for one in self._findings if one.row is not None)

    def _promote_one(self, errors: Errors, ranked: Sequence[tuple[Finding, float]]) -> bool:
        """Replay a batch in full; whether one of them is the best so far."""
        before = self._best()
        some = [finding for finding, _ in ranked[: self._batches[1 if errors.are_known else 0]]]
        estimates = [self._estimate(finding) for finding in some]
        self._replay(some)
        for finding, (estimate, known) in zip(some, estimates, strict=True):
            assert finding.row is not None
            errors.learn(estimate, known, finding.row)
        return self._best() < before

    def _promote(self, errors: Errors) -> None:
        small = _SMALL_GAIN_UNDER_CONDITIONS if self._goal.subject_to else _SMALL_GAIN
        in_vain = 0
        while in_vain < _PATIENCE:
            left = self._ranked(errors)
            if not left or (in_vain and max(gain for _, gain in left) < small):
                return
            in_vain = 0 if self._promote_one(errors, left) else in_vain + 1

    def _descend(self) -> None:
        """Replay lower limits than the winner's, one by one, as long as they are as good: of equal ones the first wins.

        A limit that the pool came to a few times may change nothing, which no sample shows.
        """
        while True:
            winner = self._found.winner
            limit, threshold = winner.candidate.limit_percent, winner.candidate.threshold_percent
            lower = [
                one
                for one in self._families[winner.candidate.family]
                if one.row is None
                and one.candidate.threshold_percent == threshold
                and (one.candidate.limit_percent or 0) < (limit or 0)
            ]
            if not lower:
                return
            nearest = max(lower, key=lambda one: one.candidate.limit_percent or 0)
            self._replay([nearest])
            if self._found.winner is not nearest:
                return


def _chance_below(excess: float, error: float) -> float:
    """That a number that is estimated to be ``excess`` is not above 0; errors have longer tails than a normal's."""
    if not error:
        return float(excess <= 0)
    return 1 / (1 + exp(max(-50.0, min(50.0, 1.7 * excess / error))))


def _expected_gain(gain: float, error: float) -> float:
    """Of what is estimated to be better by ``gain``, what it can be expected to bring; errors as Laplace has them."""
    if not error:
        return max(0.0, gain)
    scale = error / sqrt(2)
    return max(0.0, gain) + scale / 2 * exp(-min(50.0, abs(gain) / scale))


def _edges(family: Sequence[Finding]) -> list[Finding]:
    """Of those known, what was replayed, and of those proven equal the one with the lowest limit."""
    known = [one for one in family if one.row is not None]
    equal = [one for one in known if one.equal_to is not None]
    replayed = [one for one in known if one.equal_to is None]
    return replayed + sorted(equal, key=lambda one: (one.candidate.limit_percent or 0, one.place))[:1]


def _ends(group: Sequence[Finding]) -> list[Finding]:
    """The lowest and the highest threshold of candidates that differ in nothing else."""
    ordered = sorted(group, key=lambda one: one.candidate.threshold_percent or 0)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
