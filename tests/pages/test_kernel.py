"""The kernel's own compressors make of the same pages what ours make."""

from pathlib import Path

import pyarrow
import pytest
from studies.pages.kernel.build import compressors, why_not

from zreplay.pages.compressors import COMPRESSORS
from zreplay.pages.measure import read
from zreplay.pages.places import find

#: Of the mean size; measured in docs/pages.md.
TOLERATED = {"lz4": 0.0005, "zstd": 0.001, "zstd-unsized": 0.001, "lzo": 0.005}


@pytest.mark.slow
def test_mean_sizes_are_those_of_the_kernels_own_code(tmp_path: Path) -> None:
    if missing := why_not("6.1"):
        pytest.skip(missing)
    kernels = compressors("6.1", tmp_path)
    found = find([Path(pyarrow.__file__).parent])
    pages = list(read(found, 4096, 2000))
    for one in COMPRESSORS:
        if one.is_installed:
            size = one.make()
            ours, its = (sum(map(of, pages)) for of in (size, kernels[one.name]))
            assert ours == pytest.approx(its, rel=TOLERATED[one.name]), one.name
