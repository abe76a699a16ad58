"""What a sample says of the whole: its numbers scaled up, and put right by a configuration that is known in full.

Two configurations that differ in their limit or threshold were sampled by the same slots, so they are off by about
the same: a count by the same number of events, a state (pages, bytes) by the same factor. docs/tune.md has how well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from statistics import median

from zreplay.replay.scaling import INDEX_STATES, STATES
from zreplay.trace.sample import Sample
from zreplay.tune.goal import Goal, Row
from zreplay.tune.space import Candidate

#: Rows that name no slot, so that a sample has all of them: the memory manager's demands.
_OF_NO_SLOT = frozenset(
    ("compactions", "shrinks", "evacuations", "evacuations_failed", "migrations", "migrations_not_movable")
)
#: The median of a squared standard normal variable.
_MEDIAN_SQUARE = 0.455
#: Before any error is known: the variance of a count in units of its Poisson variance, as if three had been seen.
_PRIOR, _PRIOR_ERRORS = 2.0, 3
#: And what it never falls below, however exact estimates have been: some are so because nothing happened.
_FLOOR = 0.5

Numbers = Mapping[str, float]


def is_state(name: str) -> bool:
    """Whether a number of a summary tells of what is there at a moment."""
    return name in STATES or name in INDEX_STATES


def scaled_up(row: Row, share: Sample, names: Sequence[str]) -> dict[str, float]:
    """The numbers of a sample's summary, as of the whole: counts of events, too, which a summary leaves as they are."""
    found = {}
    for name in names:
        value = row[name]
        is_count = isinstance(value, int) and not is_state(name) and name not in _OF_NO_SLOT
        found[name] = value * share.of / share.keep if is_count else float(value)
    return found


def put_right(sampled: Numbers, neighbour_sampled: Numbers, neighbour: Numbers) -> dict[str, float]:
    """What a neighbour, known by its sample and in full, says of the error of ``sampled``."""
    found = {}
    for name, value in sampled.items():
        if is_state(name):
            found[name] = value * neighbour[name] / neighbour_sampled[name] if neighbour_sampled[name] else value
        else:
            found[name] = max(0.0, value + neighbour[name] - neighbour_sampled[name])
    return found


def distance(one: Candidate, other: Candidate) -> float:
    """How far two candidates of a family are apart: a limit half as high is as far as a threshold 60 points lower."""
    limits = 3 * abs(log((one.limit_percent or 1) / (other.limit_percent or 1)))
    return limits + abs((one.threshold_percent or 0) - (other.threshold_percent or 0)) / 30


@dataclass
class Errors:
    """How far off estimates were, learnt from those that were then replayed in full.

    The variance of an estimate grows with the number of events by which a candidate differs from the neighbour that
    put it right, and with what one slot of the sample stands for.
    """

    share: Sample
    names: Sequence[str]
    _squares: dict[str, list[float]] = field(default_factory=dict)

    @property
    def are_known(self) -> bool:
        """Whether any estimate has been replayed in full yet."""
        return bool(self._squares)

    def deviation(self, name: str, estimate: Numbers, neighbour: Numbers) -> float:
        """The standard error of one number of an estimate."""
        squares = self._squares.get(name, []) + [_PRIOR * _MEDIAN_SQUARE] * _PRIOR_ERRORS
        return sqrt(max(_FLOOR, median(squares) / _MEDIAN_SQUARE) * self._variance(name, estimate, neighbour))

    def learn(self, estimate: Numbers, neighbour: Numbers, found: Numbers) -> None:
        """An estimate has been replayed in full."""
        for name in self.names:
            square = (found[name] - estimate[name]) ** 2 / self._variance(name, estimate, neighbour)
            self._squares.setdefault(name, []).append(square)

    def _variance(self, name: str, estimate: Numbers, neighbour: Numbers) -> float:
        slots = self.share.of / self.share.keep
        return slots * (abs(estimate[name] - neighbour[name]) + slots / 4)

    def of_goal(self, goal: Goal, estimate: Numbers, neighbour: Numbers) -> tuple[float, list[float]]:
        """The standard errors of the value and of each condition's excess: each number's, by how much it moves them."""
        moved = [{**estimate, name: estimate[name] + self.deviation(name, estimate, neighbour)} for name in self.names]
        value = goal.value(estimate)
        errors = sqrt(sum((goal.value(row) - value) ** 2 for row in moved))
        excesses = goal.excesses(estimate)
        moves = [goal.excesses(row) for row in moved]
        return errors, [sqrt(sum((move[i] - excesses[i]) ** 2 for move in moves)) for i in range(len(excesses))]
