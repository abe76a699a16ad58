"""Numbers of a sample as of the whole, by hand; and the rows of a sample, against those that `cut` writes."""

from pathlib import Path

import pyarrow as pa
import pytest
from comparing import small_trace

from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.tune.sampled import put_right, scaled_up
from zreplay.tune.sampled_rows import SampledRows

TRACES = Path(__file__).parents[2] / "traces"


def test_counts_are_multiplied_states_and_shares_and_the_memory_managers_demands_are_not():
    row = {
        "device_reads": 12,
        "pool_pages_peak": 800,
        "pool_pages_mean": 512.5,
        "compactions": 3,
        "movable_percent": 50.0,
    }
    assert scaled_up(row, Sample(1, 16), tuple(row)) == {**row, "device_reads": 192}


def test_a_neighbour_puts_counts_right_by_events_and_states_by_a_factor():
    sampled = {"device_reads": 480.0, "pool_pages_mean": 1000.0}
    near_sampled = {"device_reads": 160.0, "pool_pages_mean": 1200.0}
    near = {"device_reads": 100.0, "pool_pages_mean": 900.0}
    assert put_right(sampled, near_sampled, near) == {"device_reads": 420.0, "pool_pages_mean": 750.0}


def test_a_count_is_never_put_below_0_and_a_neighbour_without_pages_changes_none():
    found = put_right(
        {"device_reads": 10.0, "pool_pages_mean": 7.0},
        {"device_reads": 90.0, "pool_pages_mean": 0.0},
        {"device_reads": 20.0, "pool_pages_mean": 5.0},
    )
    assert found == {"device_reads": 0.0, "pool_pages_mean": 7.0}


@pytest.mark.parametrize("name", [None, "linux-6.1-z3fold-zstd-python"])
@pytest.mark.parametrize("batch_rows", [1000, 1 << 20])
def test_the_rows_are_those_of_cut(tmp_path, name, batch_rows):
    path = TRACES / f"{name}.parquet" if name else small_trace(tmp_path / "t.parquet")
    part = tmp_path / "part.parquet"
    cut(path, part, Selection(sample=Sample(1, 4)))
    written = open_trace(part)
    read = SampledRows(open_trace(path), Sample(1, 4))
    rows = pa.Table.from_batches(list(read.batches(written.columns, batch_rows)))
    expected = pa.Table.from_batches(list(written.batches(written.columns)))
    assert rows.column_names == expected.column_names
    assert rows.to_pylist() == expected.to_pylist()
    some = pa.Table.from_batches(list(read.unchecked_batches(["size"], batch_rows)))
    assert some["size"].to_pylist() == expected["size"].to_pylist()
