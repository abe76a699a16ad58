from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from byhand import trace

import zreplay


@pytest.fixture
def run(tmp_path: Path):
    """A run of events written by hand, over zbud unless another pool is asked for; checked after every event."""

    def run(events: Sequence[dict[str, Any]], **options: Any) -> zreplay.Run:
        path = trace(tmp_path / "t.parquet", events)
        settings = {"pool": "zbud", "check_every": 1, **options}
        return zreplay.run(zreplay.Config(trace=path, out=tmp_path / "run", force=True, **settings))

    return run


@pytest.fixture
def replay(run):
    """Its summary."""
    return lambda events, **options: run(events, **options).summary()
