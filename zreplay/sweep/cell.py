"""A cell: one configuration of one trace, known by what decides its answer."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zreplay.replay.config import Config
from zreplay.trace.files import open_trace
from zreplay.version import __version__

if TYPE_CHECKING:
    from zreplay.trace.files import TraceMetadata


@dataclass(frozen=True, eq=False)
class SweptTrace:
    """A trace of a grid.

    Attributes:
        place: its path or URL, by which others find it too.
        path: where it is on this machine.
        sha256, rows, metadata: what is in it.
    """

    place: str
    path: Path
    sha256: str
    rows: int
    metadata: "TraceMetadata"

    @classmethod
    def open(cls, place: str) -> "SweptTrace":
        """Open and hash a trace; a remote one is copied here first.

        Raises:
            UsageError, TraceError: it cannot be read.
        """
        from zreplay.sweep.remote import local_path

        path = local_path(place)
        trace = open_trace(path)
        return cls(place, path, trace.content_hash(), trace.rows, trace.metadata)

    @property
    def name(self) -> str:
        """Its file's, without the ending."""
        return Path(self.place).stem

    @property
    def partition(self) -> str:
        """The trace in the places of its cells: its name, and the begin of its hash."""
        return f"{re.sub('[^A-Za-z0-9._+-]', '_', self.name)}-{self.sha256[:8]}"


@dataclass(frozen=True, eq=False)
class Cell:
    """A resolved configuration of a trace."""

    trace: SweptTrace
    config: Config

    @classmethod
    def of(cls, trace: SweptTrace, values: Mapping[str, Any]) -> "Cell":
        """The cell of some fields of Config.

        Raises:
            UsageError: they cannot be, or do not go together.
        """
        nowhere = Path()  # nothing is written there
        return cls(trace, Config(trace=trace.path, out=nowhere, **values).resolved(trace.metadata))

    @cached_property
    def key(self) -> str:
        """64 bits of the hash of trace, configuration and version; the letter keeps it from being read as a number."""
        decides = [self.trace.sha256, self.config.model_settings(), __version__]
        return "c" + hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """For people: the trace and what is most told apart."""
        config = self.config
        return f"{self.key} ({self.trace.name}, {config.index} over {config.pool}, kernel {config.kernel})"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Cells of one trace that share its decoding, as they are sent to a worker.

    Attributes:
        trace: their trace.
        cells: these cells.
    """

    trace: SweptTrace
    cells: tuple[Cell, ...]

    def settings(self) -> list[dict[str, Any]]:
        """The configurations, without places."""
        left_out = ("trace", "out")
        return [{k: v for k, v in asdict(cell.config).items() if k not in left_out} for cell in self.cells]


def chunks_of(cells: Sequence[Cell], *, workers: int, at_once: int) -> list[Chunk]:
    """Chunks of ``at_once`` cells at most; a trace's cells in as many as give each of ``workers`` the same work.

    Where there are traces enough for all workers, a trace is not split for their sake.
    """
    by_trace: dict[str, list[Cell]] = {}
    for cell in cells:
        by_trace.setdefault(cell.trace.sha256, []).append(cell)
    shares = max(1, -(-workers // max(len(by_trace), 1)))  # workers that a trace has to keep busy
    chunks = []
    for some in by_trace.values():
        rounds = -(-len(some) // (shares * at_once))
        size = -(-len(some) // (shares * rounds))
        chunks += [Chunk(some[0].trace, tuple(some[at : at + size])) for at in range(0, len(some), size)]
    return chunks
