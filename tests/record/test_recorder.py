"""A recording from the text a trace instance gives: the trace that `convert` would make of it, in parts or whole."""

import sys

import pyarrow.parquet as pq
import pytest
from ftrace_text import Imported, invalidated, stored, text
from machines import Instance, machine

from zreplay.errors import UsageError
from zreplay.record import recorder as recorder_module
from zreplay.record.parts import PartsWriter, join, parts_of
from zreplay.record.probes import Probe, plan
from zreplay.record.recorder import record
from zreplay.trace.files import open_trace

FOREVER = "import time; time.sleep(600)"


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Record a text; the trace's table and what `record` says."""

    def recorded(log: str, *, instance: Instance | None = None, **options):
        made = machine(tmp_path / "machine")
        instance = instance or Instance(log)
        monkeypatch.setattr(recorder_module, "Tracing", instance)
        out = tmp_path / "t.parquet"
        options = {"seconds": 0.2} | options
        done = record(made, plan(made, "zswap"), out, **options)
        assert not instance.is_armed
        return (pq.read_table(out) if out.exists() else None), done

    return recorded


LOG = text(*stored(1000), *stored(7, 0xFFFF_8880_0000_1040, pid=50), *invalidated(1000))


def test_trace_is_what_convert_makes_of_the_text_without_addresses(recorded, tmp_path):
    table, done = recorded(LOG)
    rows = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    expected = [{k: v for k, v in row.items() if k != "seen_handle"} for row in Imported(LOG).rows]
    assert rows == expected
    assert {op: n for op, n in done.rows.items() if n} == {"store": 2, "invalidate": 1}
    assert not parts_of(tmp_path / "t.parquet").exists()
    metadata = open_trace(tmp_path / "t.parquet").metadata
    assert (metadata.model, metadata.pool, metadata.source_kernel) == ("zswap", "zbud", "6.1.0-56-amd64")
    assert (metadata.totalram_pages, metadata.cpus, metadata.lost_events) == (1000, 2, 0)


def test_addresses_are_kept_when_asked_for(recorded):
    table, _ = recorded(LOG, handles=True)
    assert table["seen_handle"].to_pylist() == [row.get("seen_handle") for row in Imported(LOG).rows]


def test_anonymised_slots_stay_in_their_cluster_and_tasks_get_numbers(recorded):
    log = text(*stored(1000), *stored(1001, 0xFFFF_8880_0000_1040, pid=50), *stored(9000, 0xFFFF_8880_0000_2040))
    table, _ = recorded(log, anonymise=True)
    first, second, third = table["offset"].to_pylist()
    assert (first % 256, third % 256) == (1000 % 256, 9000 % 256)
    assert second == first + 1
    assert third // 256 != first // 256
    assert table["pid"].to_pylist() == [1, 2, 1]


def test_probe_that_the_kernel_would_not_set_is_told_before_the_recording(recorded):
    instance, said = Instance(LOG), []
    instance.refused = [(Probe("migrate", "zs_page_migrate", ""), "Failed to register probe event")]
    recorded(LOG, instance=instance, warned=said.append)
    assert said == [
        "migrate of zs_page_migrate: the kernel refused the probe (Failed to register probe event); "
        "the trace will lack it"
    ]


def test_lost_events_are_in_the_metadata(recorded, tmp_path):
    _, done = recorded(LOG, instance=Instance(LOG, lost=(3, 4)))
    assert done.lost_by_cpu == [3, 4]
    assert open_trace(tmp_path / "t.parquet").metadata.lost_events == 7


def test_ends_with_its_command_and_says_its_status(recorded):
    _, done = recorded(LOG, seconds=None, command=[sys.executable, "-c", "raise SystemExit(3)"])
    assert done.command_status == 3


def test_time_is_up_before_the_command(recorded):
    _, done = recorded(LOG, seconds=0.3, command=[sys.executable, "-c", FOREVER])
    assert done.seconds < 60


def test_nothing_swapped_writes_nothing(recorded, tmp_path):
    table, done = recorded("")
    assert table is None
    assert sum(done.rows.values()) == 0
    assert not parts_of(tmp_path / "t.parquet").exists()


def test_command_that_is_none(recorded):
    with pytest.raises(UsageError, match="no-such-program: cannot be run"):
        recorded(LOG, command=["no-such-program"])


def test_what_was_recorded_before_a_failure_can_be_joined(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "_STATUS_SECONDS", 0.0)
    with pytest.raises(OSError, match="the pipe broke"):
        recorded(LOG, instance=Instance(LOG, fails=True))
    out = tmp_path / "t.parquet"
    with pytest.raises(
        UsageError, match=r"left by a recording that was killed; `zreplay record --cleanup -o .*` makes"
    ):
        PartsWriter(out, open_trace(next(parts_of(out).glob("*.parquet"))).metadata)
    join(out)
    found = pq.read_table(out)["offset"].to_pylist()
    assert found
    assert found == [row["offset"] for row in Imported(LOG).rows][: len(found)]


def test_output_that_exists_is_not_touched(recorded, tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"precious")
    with pytest.raises(UsageError, match="already exists; --force replaces it"):
        recorded(LOG)
    assert (tmp_path / "t.parquet").read_bytes() == b"precious"
