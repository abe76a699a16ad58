"""docs/trace-format.md: what it says another program should type makes a valid trace."""

import re
from pathlib import Path

from zreplay import open_trace
from zreplay.trace.check import check
from zreplay.trace.schema import METADATA, REQUIRED_COLUMNS, SCHEMA

TEXT = (Path(__file__).parents[2] / "docs" / "trace-format.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found


def test_the_lines_for_polars_write_a_valid_trace(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(block("python"), {})
    report = check("trace.parquet")
    assert [finding.name for finding in report.findings] == ["columns_for_validate", "metadata_for_validate"]
    rows = [row for batch in open_trace("trace.parquet").batches() for row in batch.to_pylist()]
    assert [(row["op"], row["offset"], row["size"], row["result"]) for row in rows] == [
        ("store", 7, 1200, 0),
        ("load", 7, None, 0),
        ("invalidate", 7, None, None),
    ]


def test_the_lines_for_duckdb_name_the_formats_columns_and_keys() -> None:
    """DuckDB is no dependency, so the statement is not run."""
    sql = block("sql")
    columns = re.findall(r'AS "?(\w+)"?', sql)
    assert set(REQUIRED_COLUMNS) <= set(columns) <= set(SCHEMA.names)
    keys = re.findall(r"'zreplay\.(\w+)'", sql)
    assert "format_version" in keys
    assert set(keys) <= set(METADATA)


def test_every_column_and_key_has_its_line() -> None:
    cells = {word for row in re.findall(r"^\| ([\w, ]+?) \|", TEXT, re.MULTILINE) for word in row.split(", ")}
    assert set(SCHEMA.names) <= cells
    assert set(METADATA) <= cells
