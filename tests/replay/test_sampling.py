"""``--sample``: the same replay as of the trace that ``zreplay cut --sample`` writes, without the file."""

from pathlib import Path

import byhand
import polars as pl
import pytest
from byhand import event, load, store

import zreplay
from zreplay.errors import UsageError
from zreplay.replay.axes import cross, run_missing
from zreplay.replay.designs import DESIGNS
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import OF_ALL_SLOTS, SampledTrace, sampled
from zreplay.trace.schema import WORDS

TRACES = Path(__file__).parents[2] / "traces"
#: Two CPUs, so calls that stand before their rows; stores without size; zswap 6.12's visits.
TWO_CPUS = TRACES / "linux-6.1-zbud-lzo-mixed-2cpu.parquet"
FOLIOS = TRACES / "linux-6.12-zsmalloc-zstd-database-cgroup.parquet"
_OF_THE_CLOCK = ("seconds", "events_per_second", "ns_per_event", "config")


def outcome(run: zreplay.Run) -> dict:
    return {name: value for name, value in run.summary().items() if name not in _OF_THE_CLOCK}


@pytest.fixture(scope="module")
def sixteenth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sixteenth")
    for trace in (TWO_CPUS, FOLIOS):
        cut(trace, folder / trace.name, Selection(sample=Sample(1, 16)))
    return folder


@pytest.mark.parametrize("design", [None, *DESIGNS])
@pytest.mark.parametrize("trace", [TWO_CPUS, FOLIOS], ids=["6.1", "6.12"])
def test_a_sampled_replay_is_that_of_the_sample_cut(sixteenth, tmp_path, trace, design):
    of_cut = zreplay.run(zreplay.Config(trace=sixteenth / trace.name, out=tmp_path / "cut", design=design))
    run = zreplay.run(zreplay.Config(trace=trace, out=tmp_path / "run", design=design, sample="1/16"))
    assert outcome(run) == outcome(of_cut)
    assert run.timeline().collect().equals(of_cut.timeline().collect())
    assert run.manifest["trace"]["rows"] == open_trace(trace).rows


@pytest.mark.parametrize("sample", [Sample(1, 16), Sample(2, 3), Sample(5, 8)], ids=str)
@pytest.mark.parametrize("batch_rows", [1, 7, 4096], ids="batches of {}".format)
def test_rows_that_stay_are_those_of_cut_whatever_the_batches(tmp_path, sample, batch_rows):
    part = tmp_path / "part"
    cut(TWO_CPUS, tmp_path / "head", Selection(rows=(0, 20_000)))
    cut(tmp_path / "head", part, Selection(sample=sample))
    kept = pl.concat(
        pl.from_arrow(batch) for batch in SampledTrace(open_trace(tmp_path / "head"), sample).batches(None, batch_rows)
    )
    expected = pl.read_parquet(part)
    assert expected["call_rows"].max() > 0
    assert kept.columns == expected.columns
    for name in kept.columns:
        words = WORDS.get(name)
        found = kept[name].cast(expected[name].dtype) if words is None else kept[name].map_elements(words.__getitem__)
        assert found.to_list() == expected[name].to_list(), name
    assert set(kept.columns).isdisjoint(OF_ALL_SLOTS)


def test_a_sample_of_a_sample_is_of_the_machine(tmp_path):
    cut(TWO_CPUS, tmp_path / "eighth", Selection(sample=Sample(1, 8)))
    cut(TWO_CPUS, tmp_path / "sixteenth", Selection(sample=Sample(1, 16)))
    run = zreplay.run(zreplay.Config(trace=tmp_path / "eighth", out=tmp_path / "a", sample="1/2"))
    assert outcome(run) == outcome(zreplay.run(zreplay.Config(trace=tmp_path / "sixteenth", out=tmp_path / "b")))
    config = run.summary()["config"]
    assert (config["trace_sample"], config["sample"]) == ("1/8", "1/2")


def test_the_limit_is_the_samples_share_and_pages_are_scaled_back(tmp_path):
    """Forty objects of 3000 bytes, each alone in a zbud page: the pool has as many pages as the sample has slots."""
    path = byhand.trace(tmp_path / "t", [store(i, 3000) for i in range(40)], totalram_pages=4000, pool="zbud")
    summary = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", sample="1/2")).summary()
    assert summary["stores"] < 40
    assert summary["pool_pages_peak"] == summary["stored_pages_peak"] == 2 * summary["stores"]
    assert summary["config"]["totalram_pages"] == 4000


def test_all_slots_are_no_sample(tmp_path):
    path = byhand.trace(tmp_path / "t", [store(1, 100), load(1), event("compact", result=0)])
    config = zreplay.Config(trace=path, out=tmp_path / "r", sample="4/4")
    assert config.sample is None
    trace = open_trace(path)
    assert sampled(trace, Sample(4, 4)) is trace


def test_shares_are_an_axis_whose_runs_are_kept(tmp_path):
    def runs():
        ((*cells,),) = cross([TWO_CPUS], {"sample": ["1/1", "1/16", "1/64"], "pool": ["zbud", "ideal"]}, tmp_path)
        return run_missing(cells)

    made = runs()
    assert len({run.directory for run in made}) == 6
    events = [run.summary()["events"] for run in made]
    assert events[0] == events[1] > 10 * events[2] > 20 * events[4]
    written = [(run.directory / "manifest.json").stat().st_mtime_ns for run in made]
    assert [(run.directory / "manifest.json").stat().st_mtime_ns for run in runs()] == written


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("16", "--sample: found '16', expected a share like 1/8"),
        ("0/8", "--sample: found '0/8', expected a share above 0/1 and up to 1/1, like 1/8"),
        ("1/4294967296", "--sample: found '1/4294967296', expected a share of one in 4,294,967,295 or more"),
    ],
)
def test_what_is_no_share_is_refused(tmp_path, sample, message):
    with pytest.raises(UsageError) as error:
        zreplay.Config(trace=tmp_path / "t", out=tmp_path / "r", sample=sample)
    assert str(error.value) == message


def test_a_sample_of_a_sample_has_an_end(tmp_path):
    path = byhand.trace(tmp_path / "t", [store(1, 100)], sample="1/65536")
    with pytest.raises(UsageError) as error:
        zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", sample="1/65536"))
    assert str(error.value) == (
        f"--sample: found 1/65536 of {path}, itself 1/65536, expected a share of one in 4,294,967,295 or more"
    )
