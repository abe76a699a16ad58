"""Plugins of earlier interfaces go on working: abi_1/ has one, as source, with its header. Neither is ever changed."""

import re
from pathlib import Path

import polars as pl
import pytest
from byhand import load, store, trace
from plugin.building import HEADERS, build

import zreplay
from zreplay.errors import PluginError

FROZEN = Path(__file__).parent / "abi_1"
HEADER = (HEADERS / "zreplay_plugin.h").read_text(encoding="utf-8")


def shortened(into: Path, *, last: str, struct: str) -> Path:
    """Today's header, the struct of it without what comes after the member named."""
    begin = HEADER.index(f"struct {struct} {{")
    members, rest = HEADER[begin:].split("\n};", 1)
    (end,) = re.finditer(rf"\(\*{last}\)\(.*?\);.*?\n", members, re.DOTALL)
    into.mkdir()
    cut = HEADER[:begin] + members[: end.end()] + "};" + rest
    (into / "zreplay_plugin.h").write_text(cut, encoding="utf-8")
    return into


def lengthened(into: Path, *, struct: str) -> Path:
    """Today's header, with one operation more in the struct."""
    begin = HEADER.index(f"struct {struct} {{")
    members, rest = HEADER[begin:].split("\n};", 1)
    into.mkdir()
    cut = HEADER[:begin] + members + "\n    int (*of_tomorrow)(void);\n};" + rest
    (into / "zreplay_plugin.h").write_text(cut, encoding="utf-8")
    return into


@pytest.fixture
def headers(request, tmp_path):
    if request.param == "frozen":
        return FROZEN
    if request.param == "newest":
        return HEADERS
    if request.param == "longer":
        return lengthened(tmp_path / "include", struct="zr_index_ops")
    return shortened(tmp_path / "include", last="check", struct=request.param)


@pytest.mark.parametrize("headers", ["frozen", "newest", "longer", "zr_index_ops", "zr_pool_ops"], indirect=True)
def test_the_first_plugin_runs_whatever_header_it_was_compiled_with(headers, tmp_path):
    so = str(build(FROZEN / "first.c", tmp_path, headers))
    # Pages of an object each, four at most (20 % of 20). 5 and 6 need room: what was stored last goes, 4 and then 5.
    events = [store(slot, 1000) for slot in range(1, 7)] + [load(slot) for slot in range(1, 7)]
    where = trace(tmp_path / "t.parquet", events, totalram_pages=20)
    config = zreplay.Config(
        trace=where, out=tmp_path / "run", index=so, pool=so, mm=so, kernel="6.12", model="zswap", check_every=1
    )
    zreplay.run(config)
    summary = pl.read_parquet(tmp_path / "run" / "summary.parquet").row(0, named=True)
    assert (summary["pool_pages_peak"], summary["written_back_pages"]) == (4, 2)
    assert (summary["loads_hit"], summary["loads_missed"]) == (4, 2)
    assert (summary["index_nodes_peak"], summary["index_bytes_peak"]) == (4, 4 * 24)


def test_a_table_that_ends_before_what_has_to_be_there_is_refused_by_name(tmp_path):
    so = build(FROZEN / "first.c", tmp_path, FROZEN)
    cut = tmp_path / "cut.c"
    cut.write_text((FROZEN / "first.c").read_text().replace(".size = sizeof(struct zr_index_ops)", ".size = 64", 1))
    with pytest.raises(PluginError, match=r"cut\.so: index table of 64 bytes, expected at least \d+; is its \.size"):
        zreplay.Config(trace=so, out=so, index=str(build(cut, tmp_path, FROZEN)))


def test_a_plugin_of_another_interface_is_refused_by_name(tmp_path):
    later = tmp_path / "later.c"
    later.write_text((FROZEN / "first.c").read_text().replace(".abi = ZR_PLUGIN_ABI", ".abi = 99"))
    with pytest.raises(PluginError, match=r"later\.so: is of interface 99, expected 1; compile it with this"):
        zreplay.Config(trace=later, out=later, index=str(build(later, tmp_path, FROZEN)))
