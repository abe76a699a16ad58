"""The models against the real kernel: what issue-level fidelity means, recording by recording (docs/fidelity.md)."""

from functools import cache
from pathlib import Path

import pytest
from byhand import event, invalidate, load, store, trace

from zreplay.analysis.validate import Validation, validate
from zreplay.errors import TraceError

TRACES = Path(__file__).parents[2] / "traces"


@cache
def recording(name: str) -> Validation:
    return validate(TRACES / f"linux-6.1-{name}.parquet")


def test_zbud_places_every_object_where_the_kernel_did():
    driven = recording("zbud-lzo-mixed").driven
    assert driven.placements is not None
    assert (driven.placements.equal, driven.placements.compared) == (28_271, 28_271)
    assert driven.events.equal == driven.events.compared == 58_598
    assert driven.stored.equal == driven.stored.compared == 58_598
    assert driven.victims is not None
    assert driven.victims.equal == driven.victims.compared == 10


def test_zbud_decides_as_the_kernel_did():
    predicted = recording("zbud-lzo-mixed").predicted
    assert predicted.decisions.compared == 115_850
    assert predicted.decisions.percent >= 99
    assert predicted.within_0_5_percent >= 99


def test_zbud_evicts_the_kernels_victims_in_the_kernels_order():
    driven = recording("zbud-lzo-writeback").driven
    assert driven.victims is not None
    assert (driven.victims.equal, driven.victims.compared) == (2_997, 2_997)
    assert driven.events.percent >= 99.9


def test_zswap_predicts_writebacks_and_refusals():
    predicted = recording("zbud-lzo-writeback").predicted
    kernel, model = predicted.writebacks
    assert kernel == 987
    assert abs(model - kernel) <= 0.02 * kernel
    assert predicted.decisions.percent >= 98
    assert predicted.within_1_percent >= 98


def test_zsmalloc_frees_what_the_kernel_freed_by_every_compaction():
    result = recording("zsmalloc-g++")
    assert result.driven.compactions is not None
    assert (result.driven.compactions.equal, result.driven.compactions.compared) == (92, 92)
    assert result.driven.within_0_1_percent >= 99
    assert result.predicted.within_0_5_percent >= 99
    # Three compactions were interrupted; the rows inside them test nothing and are not counted as equal.
    assert result.driven.known_causes["interrupted_compaction"] == {"events_not_compared": 907}


def test_z3fold_stays_near_the_kernel_whose_work_came_later():
    result = recording("z3fold-lzo-mixed")
    assert result.driven.mean_abs_percent <= 0.03
    assert result.driven.events.percent >= 55
    assert result.driven.within_0_5_percent >= 99.9
    assert result.predicted.within_1_percent >= 98


def reading(row: dict[str, object], pages: int) -> dict[str, object]:
    return row | {"seen_pool_pages": pages, "seen_stored": 1}


def test_a_difference_is_found_and_shown_with_its_row(tmp_path):
    events = [
        reading(store(1, 3000, result=0) | {"seen_handle": 0x1000040}, 1),
        load(1, result=0),
        reading(store(2, 3000, result=0) | {"seen_handle": 0x1000400}, 1),  # the kernel says: in the same page
    ]
    driven = validate(trace(tmp_path / "t.parquet", events, pool="zbud")).driven
    assert (driven.events.equal, driven.events.compared) == (1, 2)
    assert driven.max_abs_pages == 1
    assert driven.first_divergence is not None
    assert (driven.first_divergence["row"], driven.first_divergence["kernel_pages"]) == (2, 1)
    assert len(driven.first_divergence["context"]) == 3
    assert driven.placements is not None
    assert (driven.placements.equal, driven.placements.compared) == (1, 2)


def test_an_address_used_again_after_its_page_has_gone_is_a_new_page(tmp_path):
    events = [
        store(1, 3000, result=0) | {"seen_handle": 0x1000040},
        invalidate(1) | {"seen_handle": 0x1000040},
        store(2, 3000, result=0) | {"seen_handle": 0x1000040},
    ]
    path = trace(tmp_path / "t.parquet", [reading(row, 1) for row in events], pool="zbud")
    placements = validate(path).driven.placements
    assert placements is not None
    assert placements.equal == placements.compared == 2


def test_rows_inside_an_interrupted_compaction_are_not_compared(tmp_path):
    # Two zspages of 4 pages for 14 objects; all but two go, so one zspage can be given back.
    events = [reading(store(i, 2300, result=0) | {"seen_handle": i}, 4 if i < 8 else 8) for i in range(1, 15)]
    events += [reading(invalidate(i) | {"seen_handle": i}, 8) for i in range(2, 14) if i not in (8,)]
    events += [
        event("compact", result=-115),
        reading(store(20, 0, result=0), 4),  # the kernel had freed its zspage by now
        event("compact", result=4),
        reading(store(21, 0, result=0), 4),
    ]
    driven = validate(trace(tmp_path / "t.parquet", events, pool="zsmalloc")).driven
    assert driven.known_causes == {"interrupted_compaction": {"events_not_compared": 1}}
    assert driven.compactions is not None
    assert (driven.compactions.equal, driven.compactions.compared) == (1, 1)
    assert driven.events.equal == driven.events.compared


def test_a_trace_without_a_kernels_readings_is_refused(tmp_path):
    import pyarrow.parquet as pq
    from byhand import table

    path = tmp_path / "t.parquet"
    pq.write_table(table([store(1, 100)]).drop_columns(["seen_pool_pages"]), path)
    with pytest.raises(TraceError, match="no column seen_pool_pages"):
        validate(path)
