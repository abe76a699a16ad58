"""The kernel's own trees and allocators, as plugins, do on two recordings what ours do; docs/kernel-plugins.md: all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from studies.kernel_plugins.compare import (
    PLUGINS,
    POOLS,
    ROOT,
    TREES,
    build,
    compare,
    compare_random,
    compare_shapes,
    why_not,
)

#: A small pool from which zbud evicts, and one that is compacted.
RECORDINGS = ("linux-6.1-zbud-lzo-writeback15", "linux-6.12-zsmalloc-zstd-g++")


@pytest.fixture(scope="module")
def plugin_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The plugin of that name; each release's are built when one is asked for."""
    built: dict[str, dict[str, Path]] = {}

    def find(name: str) -> Path:
        release = PLUGINS[name].release
        if missing := why_not(release):
            pytest.skip(missing)
        if release not in built:
            built[release] = build(tmp_path_factory.mktemp("kernel"), release)
        return built[release][name]

    return find


@pytest.mark.slow
@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("recording", RECORDINGS)
def test_kernels_own_code_gives_every_count_and_place_that_ours_does(recording, name, plugin_of):
    for limit, found in compare(name, plugin_of(name), ROOT / f"traces/{recording}.parquet"):
        assert not found.differs, limit
        assert found.events > 50_000
        assert found.samples > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_kernels_own_tree_has_the_shape_that_ours_has(name, plugin_of):
    shapes = compare_shapes(name, plugin_of(name), ROOT / f"traces/{RECORDINGS[0]}.parquet", looks=2)
    assert not shapes.differs
    assert shapes.depths > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", POOLS)
def test_kernels_own_pool_chooses_the_victims_and_places_that_ours_does(name, plugin_of):
    found = compare_random(name, plugin_of(name), seed=5, steps=6000)
    assert not found.differs
    assert found.depths > 10_000
