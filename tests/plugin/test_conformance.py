"""``zreplay plugin``: the suite on what is built in, plugins that crash or hang, steps written and repeated."""

import json
import re
import subprocess
from pathlib import Path

import _zreplay
import pytest

from zreplay.plugins import conformance
from zreplay.plugins.registry import KINDS, MODEL_ORDERS, built_in

SOURCES = Path(__file__).parent / "mutations"
BUILT_IN = [(kind, name) for kind in KINDS for name in built_in(kind) if name not in (*MODEL_ORDERS, "none")]
every_built_in = pytest.mark.parametrize(("kind", "name"), BUILT_IN, ids=str)


@pytest.fixture(autouse=True)
def own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@every_built_in
@pytest.mark.parametrize("many", [pytest.param(False, id="few"), pytest.param(True, id="many", marks=pytest.mark.slow)])
def test_what_is_built_in_conforms(kind, name, many):
    operations = 2000 if not many else 4000 if kind == "index" else 300_000  # what is checked often walks all areas
    (report,) = conformance.test(name, kind=kind, operations=operations, budget_seconds=300)
    assert report.failures == {}
    assert report.operations >= operations


@every_built_in
def test_what_is_built_in_is_like_itself(kind, name):
    (report,) = conformance.test(name, kind=kind, like=name, operations=500)
    assert dict(report.verdicts())["like"] == "ok"


def test_indexes_that_differ_in_costs_are_not_alike(zreplay):
    code, out, err = zreplay("plugin", "test", "xarray", "--like", "radix-lowbit", "--operations", "2000")
    assert code == 7
    assert "like          FAILED" in out
    assert err.startswith("zreplay: plugin xarray: xarray fails like")


# Ends by a signal, or not at all, when it is asked for somebody's turn and there are three or more.
def queue_that(does: str) -> str:
    text = (SOURCES / "queue.c").read_text(encoding="utf-8")
    text = "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n" + text
    return text.replace(
        "if (entry == &queue->head) return -ENOENT;",
        f"if (entry == &queue->head) return -ENOENT;\n    if (queue->entries > 2) {does};",
    )


def test_crash_is_a_verdict_with_the_operations_that_lead_to_it(zreplay, build_plugin):
    plugin = build_plugin(queue_that("raise(SIGSEGV)"), name="queue")
    code, out, err = zreplay("plugin", "test", plugin, "--operations", "3000")
    assert code == 7
    assert "crash         FAILED  crashed: SIGSEGV in " in out
    assert "queue-crash.steps" in out
    assert err.endswith("fails crash\n")
    steps = [line for line in Path("queue-crash.steps").read_text().splitlines() if line[0] != "#"]
    assert steps[0] == "mm"
    assert [step.split()[0] for step in steps[1:]] == [
        "stored",
        "stored",
        "stored",
    ]  # the end asks for everybody's turn
    code, _, err = zreplay("plugin", "test", plugin, "--replay", "queue-crash.steps")
    assert code == 7
    assert "queue-crash.steps: crash: crashed: SIGSEGV in " in err


def test_file_name_is_quoted_in_commands(zreplay, build_plugin):
    plugin = build_plugin(SOURCES / "buddies.c", "-DMUTATION=9", name="buddies")
    Path("my pool").mkdir()
    plugin = plugin.rename(Path("my pool") / "its $1.so")
    _, out, _ = zreplay("plugin", "test", f"./{plugin}", "--operations", "3000")
    assert "test './my pool/its $1.so' --replay buddies-lru.steps" in out
    assert "again: zreplay plugin test './my pool/its $1.so' --replay" in Path("buddies-lru.steps").read_text()


@pytest.mark.parametrize("status", [0, 3])
def test_exit_is_a_crash_whatever_its_status(zreplay, build_plugin, status):
    plugin = build_plugin(queue_that(f"exit({status})"), name="queue")
    code, out, err = zreplay("plugin", "test", plugin, "--operations", "3000")
    assert code == 7
    assert f"crash         FAILED  exit() with status {status} in next() after stored type=0" in out
    assert "3 operations: " in out
    assert err.endswith("queue@" + err.split("queue@")[1].split()[0] + " fails crash\n")
    code, _, err = zreplay("plugin", "test", plugin, "--replay", "queue-crash.steps")
    assert code == 7
    assert f"queue-crash.steps: crash: exit() with status {status} in next() after stored" in err


# create() gives no state, and the first call that needs one dies of it: before any operation.
def test_crash_before_any_operation_repeats(zreplay, build_plugin):
    text = (SOURCES / "queue.c").read_text(encoding="utf-8")
    plugin = build_plugin(text.replace("*mm = queue;", "*mm = 0;"), name="queue")
    assert "*mm = queue;" in text
    code, out, _ = zreplay("plugin", "test", plugin, "--operations", "1000")
    assert code == 7
    assert "crash         FAILED  crashed: SIGSEGV in memory() after create()\n" in out
    assert "0 operations: " in out
    assert "visited       not tested: it crashed before an operation came to it" in out
    assert "like          not tested: it is a copy of no built-in" in out
    assert Path("queue-crash.steps").read_text().endswith("\nmm\n")
    code, _, err = zreplay("plugin", "test", plugin, "--replay", "queue-crash.steps")
    assert code == 7
    assert "queue-crash.steps: crash: crashed: SIGSEGV in memory() after create()" in err


@pytest.mark.parametrize("wrong", ["SystemExit(3)", "KeyboardInterrupt"])
def test_exit_raised_in_python_is_one_line(zreplay, wrong):
    Path("my.py").write_text(f"""
from zreplay.plugins import Index
class My(Index):
    name = "my"
    def insert(self, type, offset, location): raise {wrong}
    def find(self, type, offset): return None
    erase = find
    def move(self, type, offset, location): return None
    def entries(self, type): return ()
    def memory(self): return (0, 0, 0)
    def check(self): pass
""")
    code, out, _ = zreplay("plugin", "test", "my.py:My", "--operations", "1000")
    assert code == 7
    failed = [line for line in out.splitlines() if "FAILED" in line]
    said = {"SystemExit(3)": "SystemExit: 3"}.get(wrong, wrong)
    expected = [
        rf"  {name:<13} FAILED  insert\(.*\) raised {said}( \(my.py:5\))?" for name in ("answers", "out-of-memory")
    ]
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, failed, strict=True)), failed
    assert len(out.splitlines()) == 15


def test_hang_is_a_verdict(zreplay, build_plugin, monkeypatch):
    monkeypatch.setattr(conformance, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(conformance, "SHRINK_SECONDS", 0.5)
    plugin = build_plugin(queue_that("pause()"), name="queue")
    code, out, _ = zreplay("plugin", "test", plugin, "--operations", "1000", "--budget", "2s")
    assert code == 7
    assert "crash         FAILED  hangs, no operation done for 1 s, in " in out


def test_plugin_that_does_not_allocate_through_its_host_forgoes_that_test(build_plugin):
    text = (SOURCES / "queue.c").read_text(encoding="utf-8")
    for call, instead in (
        ("host->alloc(host, sizeof *queue, 16)", "calloc(1, sizeof *queue)"),
        ("queue->host->alloc(queue->host, sizeof *entry, 16)", "calloc(1, sizeof *entry)"),
        ("queue->host->free(queue->host, entry)", "free(entry)"),
        ("queue->host->free(queue->host, queue)", "free(queue)"),
    ):
        assert call in text
        text = text.replace(call, instead)
    (report,) = conformance.test(str(build_plugin("#include <stdlib.h>\n" + text, name="queue")), operations=5000)
    assert report.failures == {}
    why = "it does not allocate through its host"
    assert (report.not_tested["out-of-memory"], report.not_tested["leaks"]) == (why, why)


def test_failure_is_written_shrunk_and_repeated(zreplay, build_plugin):
    plugin = build_plugin(SOURCES / "buddies.c", "-DMUTATION=9", name="buddies")
    code, out, err = zreplay("plugin", "test", plugin, "--operations", "3000")
    assert code == 7
    assert "lru           FAILED  reclaim() takes page 1, expected page 0, whose latest allocation is older" in out
    assert "4 operations: zreplay plugin test" in out
    assert "fails lru" in err
    text = Path("buddies-lru.steps").read_text()
    steps = [line.split()[0] for line in text.splitlines() if line[0] != "#"]
    assert steps == ["pool", "alloc", "alloc", "alloc", "reclaim"]
    code, _, err = zreplay("plugin", "test", plugin, "--replay", "buddies-lru.steps")
    assert code == 7
    assert "buddies-lru.steps: lru: reclaim() takes page 1" in err
    right = build_plugin(SOURCES / "buddies.c", name="buddies")
    assert zreplay("plugin", "test", right, "--replay", "buddies-lru.steps") == (
        0,
        "buddies-lru.steps: all is well\n",
        "",
    )


def test_same_seed_finds_the_same_and_another_one_others(build_plugin):
    plugin = str(build_plugin(SOURCES / "leaves.c", "-DMUTATION=7", name="leaves"))
    first, again, other = (conformance.test(plugin, operations=2000, seed=seed)[0] for seed in (1, 1, 2))
    assert first.failures == again.failures
    assert first.tested == again.tested != other.tested


def test_json_says_the_same_as_the_table(zreplay, build_plugin):
    plugin = build_plugin(SOURCES / "cells.c", "-DMUTATION=10", name="cells")
    code, out, _ = zreplay("plugin", "test", plugin, "--operations", "3000", "--json")
    assert code == 7
    (variant,) = json.loads(out)["variants"]
    assert (variant["kind"], variant["passed"]) == ("pool", False)
    rows = {row["property"]: row for row in variant["properties"]}
    assert list(rows) == [*_zreplay.conformance_properties("pool"), "crash"]
    assert rows["compact"]["verdict"] == "failed"
    assert rows["compact"]["file"] == "cells-compact.steps"
    assert rows["reclaim"] == {
        "property": "reclaim", "verdict": "not tested", "operations": 0, "why": "it does not evict"
    }  # fmt: skip


def test_budget_ends_it(zreplay, build_plugin):
    plugin = build_plugin(SOURCES / "leaves.c", name="leaves")
    code, out, _ = zreplay("plugin", "test", plugin, "--operations", "1000000000", "--budget", "1s")
    assert code == 0
    assert "FAILED" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["./none.so"], "none.so: No such file or directory, expected a shared object"),
        (["my"], "found 'my', expected a plugin, such as ./my.so, or one of rbtree, radix-tag"),
        (["entry-lru"], "found entry-lru, which is part of a model and no reclaim order by itself"),
        (["zbud", "--like", "none"], "--like: no pool 'none'; there are zbud"),
        (["zbud", "--budget", "0s"], "--budget: found '0s', expected more than none, such as 90s, 5m or 1h"),
        (["zbud", "--budget", "long"], "--budget: found 'long', expected a time such as 90s, 5m or 1h"),
        (["zbud", "--replay", "none.steps"], "--replay: none.steps: No such file or directory, expected a file"),
    ],
)
def test_what_cannot_be_done_is_one_line(zreplay, arguments, message):
    code, out, err = zreplay("plugin", "test", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found '' as the first word of the steps, expected index, pool or mm"),
        ("pool\nfly key=1\n", "line 2: found 'fly', expected an operation"),
        ("pool\n# two\nalloc key=one\n", "line 3: found 'one', expected a number"),
        ("pool\nalloc colour=1\n", "line 2: found 'colour', expected type, size, key, value or instance"),
        ("index\ninsert type=99 key=1 value=64\n", "line 2: found 'type=99', expected a type of 0 to 31"),
        ("index\ninsert type=9 key=1 value=0\n", "line 2: found 'value=0', expected a location, never 0"),
        ("pool\nreclaim type=101 size=1 value=64\n", "line 2: found 'type=101', expected 0 to 100, of a hundred"),
        ("pool words=narrow nodes=some like=zbud old\n", "line 1: found 'old', expected words, nodes or like"),
        ("index words=odd\n", "line 1: found 'odd', expected narrow, wide or value"),
        ("index\nfind key=1x\n", "line 2: found '1x', expected a number"),
        (f"index\nfind value=0 key={2**64}\n", "line 2: found '18446744073709551616', expected a number"),
    ],
)
def test_steps_that_are_none_are_one_line(zreplay, text, message):
    Path("my.steps").write_text(text)
    variant = "rbtree" if text.startswith("index") else "zbud"
    code, _, err = zreplay("plugin", "test", variant, "--replay", "my.steps")
    assert code == 2
    assert message in err


def test_blanks_in_steps_mean_nothing(zreplay):
    Path("my.steps").write_text("\n  # two\n   \n  pool   words=wide \n\n alloc  size=9   key=1\nfree key=1 ")
    assert zreplay("plugin", "test", "zbud", "--replay", "my.steps") == (0, "my.steps: all is well\n", "")


def test_steps_that_do_not_fail_are_not_shortened():
    assert _zreplay.conformance_shrink("pool\nalloc key=1 size=9\n", "zbud", False, 3.0) == ("", "pool\n")


def test_cflags_compile_a_plugin(zreplay, tmp_path):
    code, flags, _ = zreplay("plugin", "--cflags")
    assert code == 0
    (tmp_path / "one.c").write_text('#include "zreplay_plugin.h"\nint abi = ZR_PLUGIN_ABI;\n')
    subprocess.run(["cc", "-std=c11", *flags.split(), "-c", "one.c"], cwd=tmp_path, check=True)
