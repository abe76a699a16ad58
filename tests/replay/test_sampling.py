"""``--sample``: the same replay as of the trace that ``zreplay cut --sample`` writes, without the file."""

from pathlib import Path

import _zreplay
import byhand
import polars as pl
import pyarrow as pa
import pytest
from byhand import event, load, store

import zreplay
from zreplay.errors import UsageError
from zreplay.replay.axes import cross, run_missing
from zreplay.replay.designs import DESIGNS
from zreplay.replay.sampling import answers, estimates
from zreplay.trace.cut import Selection, cut
from zreplay.trace.files import open_trace
from zreplay.trace.sample import Sample
from zreplay.trace.sampled import OF_ALL_SLOTS, SampledTrace
from zreplay.trace.schema import WORDS

TRACES = Path(__file__).parents[2] / "traces"
#: Two CPUs, so calls that stand before their rows; stores without size; zswap 6.12's visits.
TWO_CPUS = TRACES / "linux-6.1-zbud-lzo-mixed-2cpu.parquet"
FOLIOS = TRACES / "linux-6.12-zsmalloc-zstd-database-cgroup.parquet"
_OF_THE_CLOCK = ("seconds", "events_per_second", "ns_per_event", "config")


def outcome(run: zreplay.Run) -> dict:
    return {
        name: value
        for name, value in run.summary().items()
        if name not in _OF_THE_CLOCK and not name.startswith(("whole_", "sample_slots"))
    }


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
    cut(TWO_CPUS, tmp_path / "head", Selection(rows=(0, 1_500)))
    cut(tmp_path / "head", part, Selection(sample=sample))
    kept = pl.concat(
        pl.from_arrow(batch) for batch in SampledTrace(open_trace(tmp_path / "head"), sample).batches(None, batch_rows)
    )
    expected = pl.read_parquet(part)
    assert expected["call_rows"].max() > 0
    assert kept.columns == expected.columns
    for name in kept.columns:
        words = WORDS.get(name)
        found = (
            kept[name].cast(expected[name].dtype)
            if words is None
            else kept[name].map_elements(words.__getitem__, pl.String)
        )
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
    summary = zreplay.run(config).summary()
    assert summary["events"] == 3
    assert not [name for name in summary if name.startswith("whole_")]


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
    whole = byhand.trace(tmp_path / "w", [store(1, 100)])
    with pytest.raises(UsageError, match="--sample: found 1/4294967295, whose quarter is too small; expected"):
        zreplay.run(zreplay.Config(trace=whole, out=tmp_path / "r", sample="1/4294967295"))
    path = byhand.trace(tmp_path / "t", [store(1, 100)], sample="1/65536")
    with pytest.raises(UsageError) as error:
        zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", sample="1/65536"))
    assert str(error.value) == (
        f"--sample: found 1/65536 of {path}, itself 1/65536, whose quarter is too small; "
        "expected a share of one in 4,294,967,295 or more"
    )


def test_quarters_of_a_sample_are_its_rows(tmp_path):
    sample = SampledTrace(open_trace(TWO_CPUS), Sample(3, 16))
    reach = sample.most_call_rows()
    quarters = [_zreplay.SampledRows((1, 4, 16, number), reach) for number in range(4)]
    slots = [set(), set(), set(), set()]
    for batch in sample.batches():
        for rows, found in zip(quarters, slots, strict=True):
            quarter = pl.from_arrow(pa.record_batch(rows.next(batch)))
            found |= set(quarter.filter(pl.col("offset").is_not_null())["offset"])
    assert len(set.union(*slots)) == sum(map(len, slots)) == sample.slots
    assert all(0.22 < len(found) / sample.slots < 0.28 for found in slots)
    whole = pl.read_parquet(TWO_CPUS)
    assert sample.stores == (whole["op"] == "store").sum()
    assert sample.loads == (whole["op"] == "load").sum()


class _Quarter:
    def __init__(self, **counters: float) -> None:
        self._counters = {**_COUNTERS, **counters}

    def answers(self, share: Sample) -> dict:
        return answers(self._counters, share.of_it(Sample(1, 4)))


class _Read:
    """A trace of 1,000 stores and 2,000 loads, of which 40 slots were read."""

    slots, stores, loads = 40, 1000, 2000


_COUNTERS = {
    "pool_pages_peak": 10,
    "pool_pages_mean": 5.0,
    "loads_hit": 20,
    "loads_missed": 5,
    "stores": 10,
    "stores_rejected": 1,
    "written_back_pages": 1,
}


def test_the_error_is_the_quarters_distance_and_spread(tmp_path):
    """Of 1/16: two quarterings from the whole. Peaks of 2, 3, 3 and 4 sixty-fourths of the machine's pages."""
    config = zreplay.Config(trace=TWO_CPUS, out=tmp_path, sample="1/16", pool="zbud")
    quarters = [_Quarter(pool_pages_peak=pages, pool_pages_mean=1.25, loads_hit=20) for pages in (2, 3, 3, 4)]
    found = estimates(_COUNTERS, config, _Read(), quarters)
    deviation = (2 / 3) ** 0.5 * 64
    assert found["whole_pool_pages_peak"] == 160
    assert found["whole_pool_pages_peak_error"] == pytest.approx(2 * (192 - 160) + 5.841 * deviation / 2)
    assert (found["whole_pool_pages_mean"], found["whole_pool_pages_mean_error"]) == (80, 16)  # a page of the sample
    assert (found["whole_hit_percent"], found["whole_hit_percent_error"]) == (80, 12)  # three of 25 loads
    assert (found["whole_device_reads"], found["whole_device_reads_error"]) == (400, 240)
    assert (found["whole_device_writes"], found["whole_device_writes_error"]) == (200, 300)  # three of ten stores
    assert found["sample_slots"] == 40


def test_what_a_quarter_has_none_of_has_no_error(tmp_path):
    config = zreplay.Config(trace=TWO_CPUS, out=tmp_path, sample="1/16", pool="zbud")
    quarters = [_Quarter(loads_hit=hits, loads_missed=0) for hits in (1, 1, 1, 0)]
    found = estimates(_COUNTERS, config, _Read(), quarters)
    assert (found["whole_hit_percent"], found["whole_hit_percent_error"]) == (80, None)
    none = estimates({**_COUNTERS, "loads_hit": 0, "loads_missed": 0}, config, _Read(), quarters)
    assert (none["whole_hit_percent"], none["whole_device_reads"]) == (None, None)


def test_what_is_said_of_the_whole_does_not_depend_on_the_batches(tmp_path, monkeypatch):
    def said(out: str) -> dict:
        run = zreplay.run(zreplay.Config(trace=TWO_CPUS, out=tmp_path / out, sample="1/16"))
        return {name: value for name, value in run.summary().items() if name.startswith(("whole_", "sample_slots"))}

    at_once = said("a")
    monkeypatch.setattr("zreplay.replay.replaying.BATCH_ROWS", 1000)
    assert said("b") == at_once
    assert None not in at_once.values()


@pytest.mark.parametrize("trace", [TWO_CPUS, FOLIOS], ids=["6.1", "6.12"])
@pytest.mark.parametrize("pool", ["zbud", "z3fold", "zsmalloc", "ideal"])
def test_the_structures_of_a_sample_hold(tmp_path, trace, pool):
    kernel = "6.1" if pool == "z3fold" else None
    config = zreplay.Config(trace=trace, out=tmp_path / "r", pool=pool, kernel=kernel, sample="1/64", check_every=100)
    assert zreplay.run(config).summary()["events"] > 1000


def test_a_sampled_zsmalloc_has_the_machines_zspages_being_filled(tmp_path):
    """Of 6.1's classes, 3,072 bytes has zspages of three pages for four objects, 2,048 bytes of one page for two.

    Two objects and one: four pages, half of each zspage free. Of a half sample that is as much as the machine's zspage
    that is being filled would be, twice over, whose free part is expected to be 3/2 and 1/2 objects; a half sample's
    share of these are 3/4 and 1/4, so beyond it are 5/4 of four objects, 15/16 of a page, and 3/4 of two, 3/8 of one:
    together a page and a bit, of which the whole page goes.
    """
    events = [store(1, 3000), store(2, 3000), store(3, 2000)]
    for sample, pages in ((None, 4), ("1/2", 2 * (4 - 1))):
        path = byhand.trace(tmp_path / "t", events, pool="zsmalloc", **({"sample": sample} if sample else {}))
        summary = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r", force=True, check_every=1)).summary()
        assert (summary["pool_pages_peak"], summary["pool_pages_final"]) == (pages, pages)


def test_the_mean_of_a_sample_gives_events_of_no_slot_its_share(tmp_path):
    """A page from the first event to the second, two from there on; three compactions count as a half each."""
    events = [store(1, 3000), store(2, 3000), *[event("compact", result=0)] * 3]
    path = byhand.trace(tmp_path / "t", events, pool="zbud", sample="1/2")
    summary = zreplay.run(zreplay.Config(trace=path, out=tmp_path / "r")).summary()
    assert summary["pool_pages_mean"] == pytest.approx(2 * (1 + 2 + 3 * 2 / 2) / (2 + 3 / 2))


@pytest.mark.parametrize("trace", [TWO_CPUS, FOLIOS], ids=["6.1", "6.12"])
def test_a_sixteenth_of_a_recording_is_within_what_it_states(tmp_path, trace):
    whole = zreplay.run(zreplay.Config(trace=trace, out=tmp_path / "whole")).summary()
    said = zreplay.run(zreplay.Config(trace=trace, out=tmp_path / "part", sample="1/16")).summary()
    for name in ("pool_pages_peak", "device_reads", "device_writes"):
        assert abs(said[f"whole_{name}"] - whole[name]) <= said[f"whole_{name}_error"], name
        assert said[f"whole_{name}_error"] < 0.5 * said["stores"] * 16, name


def test_what_is_timed_has_nothing_beside_it(tmp_path):
    run = zreplay.run(zreplay.Config(trace=TWO_CPUS, out=tmp_path / "r", sample="1/64", timing=True))
    assert "whole_pool_pages_peak" not in run.summary()
