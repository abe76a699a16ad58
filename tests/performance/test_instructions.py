"""No cell takes 2 % more (or less) instructions per event than the baseline beside this file says."""

import pytest
from studies.performance.instructions import CELLS, TOLERANCE_PERCENT, baseline, compiler, measure, why_not

KEPT = baseline()


@pytest.fixture(scope="module")
def counted() -> dict[str, float]:
    if missing := why_not():
        pytest.skip(missing)
    if compiler() != KEPT["compiler"]:
        pytest.skip(f"the engine was built by {compiler()}, the baseline is of {KEPT['compiler']}")
    return measure()


@pytest.mark.slow
@pytest.mark.parametrize("name", [cell.name for cell in CELLS])
def test_instructions_per_event_are_those_of_the_baseline(name: str, counted: dict[str, float]) -> None:
    old, new = KEPT["per_event"][name], counted[name]
    percent = 100 * (new / old - 1)
    assert abs(percent) <= TOLERANCE_PERCENT, (
        f"{name}: {new:,.1f} instructions, {percent:+.1f} % of the baseline's {old:,.1f}; if it is meant, "
        "write the baseline anew: python docs/studies/performance --instructions"
    )
