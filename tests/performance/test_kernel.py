"""The kernel's own code answers as ours does."""

import sys
from pathlib import Path

import pytest
from studies.performance.bench import ENGINE, HERE, Server
from studies.performance.kernel.build import build, why_not
from studies.performance.rows_index import KERNELS


@pytest.mark.slow
def test_kernels_code_gives_the_answers_of_our_indexes(tmp_path: Path) -> None:
    if missing := why_not():
        pytest.skip(missing)
    driver = build(tmp_path)
    for ours, kernels in KERNELS.items():
        commands = (
            [driver, kernels, 20_000, 3],
            [sys.executable, HERE / "index_server.py", ENGINE, ours, 20_000, 3, "default"],
        )
        sums = []
        for command in commands:
            server = Server([str(word) for word in command])
            server.wait()
            server.run(100_000)
            sums.append(server.run(50_000)[1])
            server.close()
        assert sums[0] == sums[1] != 0, ours
