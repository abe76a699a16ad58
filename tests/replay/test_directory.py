"""The small tables of a run directory say their types as Arrow would."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zreplay.replay.directory import write_table


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], pa.int64()),
        ([1, None], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([None, 2.5], pa.float64()),
        ([True, False], pa.bool_()),
        (["zbud", None], pa.string()),
        ([None, None], pa.null()),
    ],
)
def test_a_column_has_the_type_of_its_values(tmp_path, values, expected):
    write_table(tmp_path / "t.parquet", [{"column": value} for value in values])
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.schema.field("column").type == expected == pa.infer_type(values)
    assert table.column("column").to_pylist() == values


def test_a_type_that_is_given_is_that_of_a_column_without_values(tmp_path):
    write_table(tmp_path / "t.parquet", [{"p50_ns": None, "count": 1}], {"p50_ns": pa.int64()})
    assert pq.read_schema(tmp_path / "t.parquet").types == [pa.int64(), pa.int64()]
