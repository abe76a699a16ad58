"""What is known of each candidate, and what a search has come to."""

from dataclasses import dataclass, field

from zreplay.trace.sample import Sample
from zreplay.tune.goal import Goal, Row
from zreplay.tune.sampled import Numbers
from zreplay.tune.space import Candidate


@dataclass
class Finding:
    """A candidate and what is known of it.

    Attributes:
        place: its place among the candidates.
        row: its summary, where it was replayed in full or proven equal to one that was; else None.
        equal_to: the place of the one that was replayed in its stead, which gives the same to the last bit.
        estimate: of the numbers that the goal needs, from the last sample it was replayed on.
        share: that sample.
    """

    candidate: Candidate
    place: int
    row: Row | None = None
    equal_to: int | None = None
    estimate: Numbers | None = None
    share: Sample | None = None

    @property
    def numbers(self) -> Row | None:
        """The summary, else the estimate, else None."""
        return self.row if self.row is not None else self.estimate


@dataclass
class Found:
    """What a search has come to.

    Attributes:
        goal: what was asked for.
        findings: one for each candidate, in order.
        replays: the share of the trace → how many candidates were replayed on it.
        events: that went through replays.
        all_events: that would have, had all candidates been replayed in full.
    """

    goal: Goal
    findings: list[Finding]
    replays: dict[Sample, int] = field(default_factory=dict)
    events: int = 0
    all_events: int = 0

    @property
    def exact(self) -> list[Finding]:
        """Those whose summary is known, best first; of equal ones the first in the order given."""
        known = [finding for finding in self.findings if finding.row is not None]
        return sorted(known, key=lambda finding: (*self.goal.judged(finding.row or {}), finding.place))

    @property
    def winner(self) -> Finding:
        """The best."""
        return self.exact[0]

    @property
    def satisfies(self) -> bool:
        """Whether the best meets the conditions; if not, it is the nearest to them."""
        return self.goal.judged(self.winner.row or {})[0] == 0
