"""What becomes of a recording's parts: killed at any moment, nothing is lost, and the next one is told what to do."""

import os
from pathlib import Path

import pytest
from ftrace_text import Imported, stored, text

from zreplay import whole
from zreplay.errors import UsageError
from zreplay.record import parts as parts_module
from zreplay.record.parts import PartsWriter, join, parts_of
from zreplay.trace.files import TraceMetadata, open_trace
from zreplay.trace.files import TraceWriter as Writer

KEPT = "what was recorded is kept: `zreplay record --cleanup -o {}` makes a trace of it"


def batch(*offsets: int):
    return Imported(text(*(event for offset in offsets for event in stored(offset, us=offset)))).batch


@pytest.fixture
def writer(tmp_path, monkeypatch) -> PartsWriter:
    """One that makes a part of whatever is written."""
    monkeypatch.setattr(parts_module, "_PART_ROWS", 1)
    return PartsWriter(tmp_path / "t.parquet", TraceMetadata(lost_events=0))


def killed(writer: PartsWriter) -> Path:
    """Its lock is gone, and nothing was done."""
    writer._held.close()
    return writer.output


def offsets(path: Path) -> list[int]:
    return [offset for found in open_trace(path).batches(["offset"]) for offset in found["offset"].to_pylist()]


def test_killed_before_its_first_part_it_stands_in_nobodys_way(writer):
    out = killed(writer)
    again = PartsWriter(out, TraceMetadata())
    again.write(batch(3))
    again.close()
    assert offsets(out) == [3] and not parts_of(out).exists()


def test_nothing_to_join_is_said_and_goes_away(writer):
    out = killed(writer)
    with pytest.raises(UsageError, match="no parts of a recording there"):
        join(out)
    assert not parts_of(out).exists()


def test_a_recording_at_work_is_left_alone(writer):
    writer.write(batch(1))
    for other in (lambda: join(writer.output), lambda: PartsWriter(writer.output, TraceMetadata())):
        with pytest.raises(UsageError, match="a recording is at work there; wait for its end, or -o names another"):
            other()
    writer.close()
    assert offsets(writer.output) == [1]


def test_without_locks_a_recording_is_made_all_the_same(tmp_path, monkeypatch):
    def none(descriptor, how):
        raise OSError(9, "Bad file descriptor")  # NFS, of a directory

    monkeypatch.setattr(whole.fcntl, "flock", none)
    writer = PartsWriter(tmp_path / "t.parquet", TraceMetadata())
    writer.write(batch(1))
    writer.close()
    assert offsets(writer.output) == [1] and [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_killed_right_after_its_end_the_trace_is_kept_with_what_it_says(writer, monkeypatch):
    """Only the parts are left to remove: their metadata were written before it was known how many events were lost."""
    monkeypatch.setattr(parts_module, "discard", lambda folder: None)
    writer.write(batch(1, 2))
    writer.write(batch(3))
    writer.metadata = TraceMetadata(lost_events=7)
    writer.close()
    monkeypatch.undo()
    assert parts_of(writer.output).exists()
    assert join(writer.output) == 3
    assert open_trace(writer.output).metadata.lost_events == 7 and not parts_of(writer.output).exists()


def test_an_older_trace_of_that_name_is_not_taken_for_the_parts(writer):
    with Writer(writer.output, TraceMetadata()) as older:
        older.write(batch(1))
    os.utime(writer.output, (1, 1))
    writer.write(batch(1))
    out = killed(writer)
    with pytest.raises(UsageError, match="already exists; --force replaces it"):
        join(out)
    assert join(out, force=True) == 1


def test_a_disk_that_is_full_at_the_end_keeps_the_parts_and_says_how(writer, monkeypatch):
    writer.write(batch(1))

    class Full(Writer):
        def write(self, rows):
            raise UsageError("full") from OSError(28, "No space left on device")

    monkeypatch.setattr(parts_module, "TraceWriter", Full)
    with pytest.raises(UsageError) as told:
        writer.close()
    out = writer.output
    assert str(told.value) == f"{out}: cannot be written: No space left on device; {KEPT.format(out)}"
    monkeypatch.undo()
    assert join(out) == 1 and offsets(out) == [1]


def test_a_disk_that_is_full_meanwhile_keeps_what_was_there(writer, monkeypatch):
    writer.write(batch(1))

    class Full(Writer):
        def write(self, rows):
            raise UsageError("full") from OSError(28, "No space left on device")

    monkeypatch.setattr(parts_module, "TraceWriter", Full)
    with pytest.raises(UsageError, match="No space left on device; what was recorded is kept"):
        writer.write(batch(2))
    monkeypatch.undo()
    writer.abandon()  # there is room again
    assert join(writer.output) == 2 and offsets(writer.output) == [1, 2]
