"""What a converted trace cannot say, and which figures of a replay rest on it."""

import pyarrow as pa

from zreplay.trace.schema import OPS

#: What may be lacking: word of the metadata's ``lacks`` → the figures of a replay that rest on it.
WORDS = {
    "size": "every figure of the pool: stores are refused (missing size), since there is no size to draw from",
    "invalidate": "stored and pool pages: nothing says when a page is let go, so they only grow",
    "result": "rejected stores and missed loads, where driven by the recording: every call counts as having succeeded",
    "cpu": "per-CPU lists of z3fold: all calls are of one CPU",
    "time": "figures by time: times are counts, not nanoseconds",
    "seen": "validate: the kernel's own counters were not recorded",
}


def told(metadata: str | None) -> tuple[str, ...]:
    """The words of a trace's metadata; those of a newer zreplay are passed over."""
    return tuple(word for word in (metadata or "").split() if word in WORDS)


def rests_on(word: str) -> str:
    """Which figures of a replay rest on what is lacking, and how it is made up for."""
    return WORDS[word]


class Lacks:
    """Sees all rows of a trace; says what none of them had."""

    def __init__(self, recorded: tuple[str, ...] = ()) -> None:
        self._recorded = recorded  # what the format records: if there is none, there was none
        self._ops = dict.fromkeys(OPS, 0)
        self._known = dict.fromkeys(("size", "result", "cpu", "seen"), 0)

    def see(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch in SCHEMA's columns."""
        import pyarrow.compute as pc  # 20 ms, and a replay only asks what the words mean

        for count in pc.value_counts(batch["op"].indices).to_pylist():
            self._ops[OPS[count["values"]]] += count["counts"]
        for word, columns in {
            "size": ("size",),
            "result": ("result",),
            "cpu": ("cpu",),
            "seen": ("seen_stored", "seen_pool_pages"),
        }.items():
            self._known[word] += sum(len(batch) - batch[column].null_count for column in columns)

    def words(self, *, is_count: bool = False) -> tuple[str, ...]:
        """The words of :data:`WORDS` that hold, in their order; `is_count`: the times are counts."""
        stores = self._ops["store"]
        there = {
            "size": not stores or self._known["size"],
            "invalidate": not stores or self._ops["invalidate"],
            "result": not stores + self._ops["load"] or self._known["result"],
            "cpu": self._known["cpu"],
            "time": not is_count,
            "seen": self._known["seen"],
        }
        return tuple(word for word in WORDS if not there[word] and word not in self._recorded)
