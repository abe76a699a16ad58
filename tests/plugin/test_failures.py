"""A plugin's failure is the plugin's: one line that names it, exit code 7, and the output as it was."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from byhand import invalidate, load, store
from byhand import trace as written
from comparing import small_trace

from zreplay.plugins.registry import built_in

SIMPLE = Path(__file__).with_name("simple.c")
Verb = Callable[..., tuple[object, str, str]]
Compile = Callable[..., Path]
#: Columns of a summary that are measured.
MEASURED = ("seconds", "events_per_second", "ns_per_event")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_trace(tmp_path_factory.mktemp("trace") / "t.parquet", source_kernel="6.12.0")


def one_line(err: str) -> str:
    assert err.count("\n") == 1, err
    assert err.isprintable() or err.rstrip("\n").isprintable()
    return err.removeprefix("zreplay: ").rstrip("\n")


# ---- loaded ----


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-Dzreplay_plugin=another_name"], "has no symbol zreplay_plugin, expected one of type struct zr_plugin"),
        (["-DABI=9"], "is of interface 9, expected 1; compile it with this zreplay's header"),
        (["-DTABLE_ABI=9"], "is of interface 9, expected 1; compile it with this zreplay's header"),
        (["-DTABLE_SIZE=48"], "index table of 48 bytes, expected at least"),
        (
            ["-DCAPABILITIES=1<<5"],
            "index sorted with capability bit 5, expected one that this zreplay knows: bits 0",
        ),
        (["-DFIND=0"], "sorted without find(), which is not optional"),
        (['-DNAME="My\\nTree\\033[1m"'], "index named 'My Tree [1m', expected lower-case letters, digits and '-'"),
    ],
    ids=["no symbol", "its interface", "a table's interface", "short table", "capability", "operation", "name"],
)
def test_what_cannot_be_loaded(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path, flags: list[str], words: str
) -> None:
    plugin = build_plugin(SIMPLE, *flags)
    for verb in (["run", trace, "-o", tmp_path / "run", "--index", plugin], ["plugins", plugin]):
        code, _, err = zreplay(*verb)
        assert code == 7
        assert f"plugin {plugin}: {words}" in one_line(err)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


POOL_TABLE = '.summary = "a page for each object",'


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("sizeof(struct zr_plugin)", "24", "zreplay_plugin of 24 bytes, expected at least 32; is its .size sizeof"),
        ('.name = "pages"', '.name = ""', "pool named '', expected lower-case letters, digits and '-'"),
        ('.name = "fifo"', ".name = NULL", "mm named '', expected lower-case letters, digits and '-'"),
        (".find = FIND", ".look = LOOK", "sorted without find(), which is not optional"),
        (".find = FIND", ".find = FIND, .look = LOOK", "sorted: look_steps gave 0, expected 1 to 7"),
        (".find = FIND", ".find = FIND, .look_steps = 8, .look = LOOK", "sorted: look_steps gave 8, expected 1 to 7"),
        (POOL_TABLE, f"{POOL_TABLE} .capabilities = ZR_POOL_EVICTS,", "pages without reclaim(), which is not optional"),
        (POOL_TABLE, f"{POOL_TABLE} .capabilities = ZR_POOL_COMPACTS,", "pages without compact(), which is not op"),
        (POOL_TABLE, f"{POOL_TABLE} .capabilities = ZR_POOL_MIGRATES,", "pages without migrate(), which is not op"),
    ],
)
def test_a_table_that_says_what_it_has_not(
    zreplay: Verb, build_plugin: Compile, was: str, becomes: str, words: str
) -> None:
    text = SIMPLE.read_text(encoding="utf-8")
    assert text.count(was) == 1
    look = "(void (*)(void *, uint32_t, uint32_t, struct zr_ahead *))abort"
    plugin = build_plugin(text.replace(was, becomes), f"-DLOOK={look}", "-Wno-cast-function-type")
    code, _, err = zreplay("plugins", plugin)
    assert code == 7
    assert one_line(err).startswith(f"plugin {plugin}: {words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "const struct zr_plugin zreplay_plugin = {.abi = ZR_PLUGIN_ABI, .size = sizeof(struct zr_plugin)};",
            "has no table of an index, a pool or a reclaim order, expected at least one",
        ),
        ("void nowhere(void); void here(void) { nowhere(); }", "cannot be loaded: .*undefined symbol: nowhere"),
    ],
    ids=["no tables", "cannot be linked"],
)
def test_an_object_with_nothing_in_it(zreplay: Verb, build_plugin: Compile, text: str, words: str) -> None:
    plugin = build_plugin(f'#include "zreplay_plugin.h"\n{text}\n')
    code, _, err = zreplay("plugins", plugin)
    assert code == 7
    assert re.fullmatch(f"plugin {plugin}: {words}", one_line(err))


@pytest.mark.parametrize(("option", "name"), [("pool", "pages"), ("mm", "fifo")])
def test_a_pool_and_an_order_that_cannot_be_made(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path, option: str, name: str
) -> None:
    text = SIMPLE.read_text(encoding="utf-8").replace(f".create = {name}_create", ".create = (void *)none")
    plugin = build_plugin(text.replace("/* ---- index ---- */", "static int none(void) { return -EIO; }"), "-w")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", f"--{option}", plugin)
    assert code == 7
    assert re.fullmatch(rf"plugin {name}@[0-9a-f]{{8}}: create\(\) gave -5, expected 0", one_line(err))


def test_words_that_do_not_print_are_spaces_and_what_is_no_utf_8_a_question_mark(
    zreplay: Verb, build_plugin: Compile
) -> None:
    """The edges of table 3-7 of Unicode 15: what is allowed at each length, and the nearest that is not."""
    shown = {
        b"\xc2\xa7 \xdf\xbf": "§ \u07ff",  # two bytes: from U+00A0
        b"\xc1\x81 \xc2\x9f \xc2": "?? ?? ?",  # overlong; a control; cut off
        b"\xe0\xa4\x95 \xed\x95\x9c \xef\xbf\xbd": "\u0915 한 \ufffd",  # three
        b"\xe0\x9f\xbf \xed\xa0\x80 \xe2\x82A \xe2\x82\xc0": "??? ??? ??A ???",  # overlong; a surrogate; no third
        b"\xf0\x9f\x8c\xb3 \xf4\x8f\xbf\xbd": "\U0001f333 \U0010fffd",  # four
        b"\xf0\x8f\xbf\xbf \xf4\x90\x80\x80 \xf5 \x80": "???? ???? ? ?",  # overlong; beyond U+10FFFF; never
        b"  \x7f\ta\x01 \n": "a",
        b"\x7f\x1f": "",
        b"the end \xf0\x9f": "the end ??",
    }
    given = b"|".join(shown)
    octal = "".join(f"\\{byte:03o}" for byte in given)
    plugin = build_plugin(SIMPLE, f'-DVERSION="{octal}"')
    code, out, _ = zreplay("plugins", plugin, "--json")
    assert code == 0
    (version,) = {one["version"] for one in json.loads(out) if one["origin"] == str(plugin)}
    assert [part.strip() for part in version.split("|")] == list(shown.values())


def test_what_is_no_shared_object(zreplay: Verb, trace: Path, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("no\n")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", tmp_path / "text.so")
    assert code == 7
    assert f"plugin {tmp_path}/text.so: no shared object (ELF), found 3 bytes" in one_line(err)
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", tmp_path / "none.so")
    assert code == 2
    assert one_line(err) == f"--index: {tmp_path}/none.so: No such file or directory, expected a shared object"


# ---- under way ----


def test_an_object_of_another_machine_is_named_as_that(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    """e_machine 243 is RISC-V; the loader would say that there is no such file."""
    other = tmp_path / "other.so"
    data = bytearray(build_plugin(SIMPLE).read_bytes())
    data[18:20] = (243).to_bytes(2, "little")
    other.write_bytes(data)
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", other)
    assert code == 7
    assert "a shared object of ELF class 2, machine 243, expected class 2, machine 62" in one_line(err)


def test_an_instance_that_cannot_be_made(zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path) -> None:
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", build_plugin(SIMPLE, "-DBUG_create"))
    assert code == 7
    assert re.fullmatch(r"plugin sorted@[0-9a-f]{8}: create\(\) gave -22, expected 0", one_line(err))
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_out_of_memory_names_the_call_and_the_event(zreplay: Verb, build_plugin: Compile, tmp_path: Path) -> None:
    trace = written(tmp_path / "t.parquet", [store(5, 100), load(5), store(7, 100), store(9, 100)])
    plugin = build_plugin(SIMPLE, "-DBUG_memory", "-DAFTER=3")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", plugin)
    assert code == 7
    said = r"plugin sorted@[0-9a-f]{8}: insert\(\) of type 0, offset 9: out of memory; after event 3 of .*t\.parquet"
    assert re.fullmatch(said, one_line(err))
    assert not (tmp_path / "run").exists()


def test_a_plugins_own_words_are_made_one_clean_line(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", build_plugin(SIMPLE, "-DBUG_check"))
    assert code == 7
    said = r"plugin sorted@[0-9a-f]{8}: check\(\): the tree is \[31m broken \?\? at node 7; after event 6000 of .*"
    assert re.fullmatch(said, one_line(err))


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("return -EIO;", "check() gave -5, expected 0 or −22"),
        ("return -EINVAL;", "check() gave -22 and no message, expected one"),
        ('return snprintf(message, bytes, " \\n"), -EINVAL;', "check() gave -22 and no message, expected one"),
        ("memset(message, 'x', bytes); return -EINVAL;", "check(): " + 399 * "x"),
    ],
    ids=["its number", "no message", "an empty message", "a message that does not end"],
)
def test_a_check_says_what_is_wrong(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path, check: str, words: str
) -> None:
    text = SIMPLE.read_text(encoding="utf-8").replace(
        "#endif\n    (void)message, (void)bytes;\n    return 0;", f"#endif\n    {check}"
    )
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", build_plugin(text, "-w"))
    assert code == 7
    assert re.fullmatch(
        rf"plugin sorted@[0-9a-f]{{8}}: {re.escape(words)}; after event 6000 of .*t\.parquet", one_line(err)
    )


def test_in_a_sample_and_in_a_sweep_it_is_told_as_well(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    plugin = build_plugin(SIMPLE, "-DBUG_memory")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", plugin, "--sample", "1/2")
    assert code == 7
    assert "out of memory; after event " in one_line(err)
    grid = tmp_path / "grid.toml"
    grid.write_text(f'traces = ["{trace}"]\nindex = ["{plugin}", "xarray"]\n')
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "swept", "-q")
    assert (code, err.count("\n")) == (6, 2)
    assert err.startswith("zreplay: 1 of 2 cells failed:\n")
    assert "plugin sorted@" in err
    code, _, err = zreplay("sweep", grid, "-o", tmp_path / "dry", "--dry-run")
    assert code == 7
    assert "plugin sorted@" in one_line(err)


def test_in_a_curve_and_in_tune_it_is_told_as_well(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    plugin = build_plugin(SIMPLE, "-DBUG_used")
    code, _, err = zreplay("tune", trace, "--minimise", "device_reads", "--pool", plugin, "--kernel", "6.12")
    assert code == 7
    assert re.match(r"plugin pages@[0-9a-f]{8}: memory\(\): used_bytes ", one_line(err))


# ---- --verify ----


@pytest.mark.parametrize("index", [name for name in built_in("index") if name != "array"])
def test_what_is_built_in_answers_as_the_reference(zreplay: Verb, tmp_path: Path, index: str) -> None:
    trace = small_trace(tmp_path / "t.parquet", events=2000)
    for kernel in "3.12", "6.1", "6.12":
        same_with_verify(zreplay, trace, tmp_path / kernel, "--index", index, "--kernel", kernel)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pool", "ideal", "--index", "array"],
        ["--pool", "ideal-packing", "--mm", "lru"],
        ["--pool", "zsmalloc", "--mm", "belady"],
        ["--pool", "zbud", "--design", "zbud-v3"],
        ["--design", "two-index"],
        ["--pool", "zsmalloc", "--kernel", "6.1", "--index", "xarray", "--locate", "value"],
        ["--pool", "z3fold", "--kernel", "6.1", "--index", "radix-lowbit", "--locate", "bits:2"],
        ["--pool", "zsmalloc", "--sample", "1/2"],
        ["--model", "zram", "--check-every", "100"],
    ],
)
def test_bounds_orders_and_ways_of_slots_do_too(
    zreplay: Verb, trace: Path, tmp_path: Path, arguments: list[str]
) -> None:
    same_with_verify(zreplay, trace, tmp_path, *arguments)


def test_a_plugin_that_is_right_comes_to_the_same(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    plugin = build_plugin(SIMPLE)
    same_with_verify(zreplay, trace, tmp_path, "--index", plugin, "--pool", plugin, "--mm", plugin)
    same_with_verify(zreplay, trace, tmp_path, "--index", plugin, "--kernel", "3.12", "--pool", "zbud")


def same_with_verify(zreplay: Verb, trace: Path, folder: Path, *arguments: object) -> None:
    found = []
    for more in ["--verify"], []:
        code, out, err = zreplay("run", trace, "-o", folder / "run", "--json", "--force", *arguments, *more)
        assert code == 0, err
        tables = [(folder / "run" / f"{name}.parquet").read_bytes() for name in ("operations", "timeline", "classes")]
        found.append(({k: v for k, v in json.loads(out).items() if k not in MEASURED}, tables))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("bug", "option", "words"),
    [
        ("find", "--index", r"find\(\) of type 0, offset \d+ gave nothing, expected location \d+"),
        ("find_other", "--index", r"find\(\) of type 0, offset \d+ gave location \d+, expected location \d+"),
        ("old", "--index", r"insert\(\): the old location of type 0, offset \d+ gave nothing, expected location \d+"),
        ("lost", "--index", r"memory\(\): entries gave \d+, expected \d+"),
        ("erase", "--index", r"memory\(\): entries gave \d+, expected \d+"),
        ("leak", "--index", r"memory\(\) after the last erase\(\): nodes gave \d+, expected 0"),
        ("entries", "--index", r"memory\(\) of an empty index: entries gave 1, expected 0"),
        (
            "handle",
            "--pool",
            r"alloc\(\) of \d+ bytes gave handle \d+, expected one no live object has; .*",
        ),
        ("page", "--pool", r"where\(\) after alloc\(\) of \d+ bytes: page \d+ gave objects of \d+ bytes, that of .*"),
        ("few_pages", "--pool", r"memory\(\) after alloc\(\) of \d+ bytes: pages gave 0, expected at least 1 for .*"),
        (
            "used",
            "--pool",
            r"memory\(\) after alloc\(\) of \d+ bytes: used_bytes gave \d+, expected at least the \d+ .*",
        ),
        ("next_none", "--mm", r"next\(\) of group 0 gave nothing, expected one of \d+ entries"),
        ("next_changes", "--mm", r"next\(\) of group 0 gave the entry of .*, expected that of .* as before, .*"),
    ],
)
def test_a_wrong_answer_is_told_with_what_was_expected(
    zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path, bug: str, option: str, words: str
) -> None:
    plugin = build_plugin(SIMPLE, f"-DBUG_{bug}", "-DAFTER=20")
    # Slots filled alike are stored over by 6.1; the order is one of entries.
    kernel = ["--kernel", "6.12"] if option == "--mm" else []
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", option, plugin, "--verify", *kernel)
    assert code == 7, err
    assert re.fullmatch(rf"plugin (sorted|pages|fifo)@[0-9a-f]{{8}}: {words}(; after event \d+ of .*)?", one_line(err))
    assert not (tmp_path / "run").exists()


def test_the_slot_the_values_and_the_event_are_those_of_the_trace(
    zreplay: Verb, build_plugin: Compile, tmp_path: Path
) -> None:
    """The third find() of what is there is wrong: a load's is the first of it, and 6.1 asks before it stores."""
    trace = written(tmp_path / "t.parquet", [store(5, 0), load(5), load(5), load(5), invalidate(5)])
    plugin = build_plugin(SIMPLE, "-DBUG_find", "-DAFTER=3")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--index", plugin, "--kernel", "6.1", "--verify")
    assert code == 7
    said = (
        r"plugin sorted@[0-9a-f]{8}: find\(\) of type 0, offset 5 gave nothing, expected location 8; after event 3 .*"
    )
    assert re.fullmatch(said, one_line(err))


def test_an_order_by_groups_names_entries_of_the_group(zreplay: Verb, build_plugin: Compile, tmp_path: Path) -> None:
    """Of 40 pages the worker leaves nine tenths of 20, going round the cgroups; the list has all in one."""
    events = [store(slot, 3000) | {"cgroup": 1 + slot // 10} for slot in range(1, 41)]
    trace = written(tmp_path / "t.parquet", events, totalram_pages=100)
    arguments = ["--kernel", "6.12", "--pool", "zbud", "--max-pool-percent", "20", "--verify"]
    plugin = build_plugin(SIMPLE, "-DMM_CAPABILITIES=ZR_MM_GROUPS")
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--mm", plugin, *arguments)
    assert code == 7, err
    said = (
        r"plugin fifo@[0-9a-f]{8}: next\(\) of group \d+ gave the entry of type 0, offset \d+ in group \d+, expected .*"
    )
    assert re.fullmatch(said, one_line(err))
    plugin = build_plugin(SIMPLE, "-DMM_CAPABILITIES=0")
    assert zreplay("run", trace, "-o", tmp_path / "run", "--mm", plugin, *arguments)[0] == 0


def test_times_are_not_verified(zreplay: Verb, trace: Path, tmp_path: Path) -> None:
    code, _, err = zreplay("run", trace, "-o", tmp_path / "run", "--verify", "--timing")
    assert code == 2
    assert one_line(err).startswith("--verify: not with --timing")


# ---- --isolate ----


def isolated(trace: Path, out: Path, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "zreplay", "run", trace, "-o", out, "--isolate", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        list(map(str, command)), text=True, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=out.parent
    )


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        ("crash", r"crashed: SIGSEGV after event \d+ of .*t\.parquet"),
        ("abort", r"crashed: SIGABRT after event \d+ of .*t\.parquet"),
        ("exit", r"called exit\(\) after event \d+ of .*t\.parquet"),
        ("kill", r"the replay was killed by SIGKILL \(.*\) after event 0 of .*t\.parquet or later"),
    ],
)
def test_a_crash_is_the_childs_alone(build_plugin: Compile, trace: Path, tmp_path: Path, bug: str, words: str) -> None:
    plugin = build_plugin(SIMPLE, f"-DBUG_{bug}")
    out = tmp_path / "run"
    out.mkdir()
    (out / "manifest.json").write_text("what was there")
    child = isolated(trace, out, "--index", plugin, "--force")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 7, err
    said = rf"plugin sorted@[0-9a-f]{{8}}: {words}; .*run is as it was"
    assert re.fullmatch(said, one_line(err))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (out / "manifest.json").read_text() == "what was there"


def test_a_plugin_that_exits_does_not_end_the_replay_as_if_all_was_well(
    build_plugin: Compile, trace: Path, tmp_path: Path
) -> None:
    """Its own exit code is 3, which is a requirement's."""
    command = [
        sys.executable,
        "-m",
        "zreplay",
        "run",
        trace,
        "-o",
        "run",
        "--index",
        build_plugin(SIMPLE, "-DBUG_exit"),
    ]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert re.fullmatch(r"plugin .*\.so: called exit\(\) after event \d+; nothing was written", one_line(done.stderr))
    assert not (tmp_path / "run").exists()


def test_a_crash_names_the_event(build_plugin: Compile, tmp_path: Path) -> None:
    """As --verify does: the plugin's third find() is in the fourth event."""
    trace = written(tmp_path / "t.parquet", [store(5, 0), load(5), load(5), load(5), invalidate(5)])
    plugin = build_plugin(SIMPLE, "-DBUG_crash", "-DAFTER=3")
    child = isolated(trace, tmp_path / "run", "--index", plugin, "--kernel", "6.1")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 7
    assert "crashed: SIGSEGV after event 3 of " in one_line(err)


def test_a_crash_as_it_is_loaded_names_what_was_asked_for(build_plugin: Compile, trace: Path, tmp_path: Path) -> None:
    plugin = build_plugin("__attribute__((constructor)) static void die(void) { __builtin_trap(); }")
    child = isolated(trace, tmp_path / "run", "--index", plugin)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 7
    assert re.fullmatch(rf"plugin {plugin}: crashed: SIG\w+ outside of the replay's events; .*", one_line(err))
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_an_interrupt_ends_a_child_that_hangs(build_plugin: Compile, trace: Path, tmp_path: Path) -> None:
    child = isolated(trace, tmp_path / "run", "--index", build_plugin(SIMPLE, "-DBUG_hang"))
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".run.*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)  # and hangs
    below = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert one_line(err.lstrip("\n")) == "interrupted; nothing was written"
    assert below
    assert not Path(f"/proc/{below[0]}").exists()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_what_does_not_crash_is_as_without(zreplay: Verb, build_plugin: Compile, trace: Path, tmp_path: Path) -> None:
    plugin = build_plugin(SIMPLE)
    child = isolated(trace, tmp_path / "run", "--index", plugin, "--json")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    code, plain, _ = zreplay("run", trace, "-o", tmp_path / "plain", "--index", plugin, "--json")
    assert code == 0
    first, second = ({k: v for k, v in json.loads(text).items() if k not in MEASURED} for text in (out, plain))
    assert first == second
    assert sorted(os.listdir(tmp_path)) == ["plain", "run"]  # noqa: PTH208
    child = isolated(trace, tmp_path / "run", "--index", plugin)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, one_line(err).split(";")[0]) == (2, f"{tmp_path}/run: already exists")


def test_its_progress_is_shown(build_plugin: Compile, tmp_path: Path) -> None:
    trace = small_trace(tmp_path / "t.parquet", events=50_000, source_kernel="6.12.0")
    command = ["-m", "zreplay", "run", trace, "-o", tmp_path / "run", "--isolate", "--index", build_plugin(SIMPLE)]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, stderr=theirs, cwd=tmp_path
    ) as child:
        os.close(theirs)
        shown = b""
        try:
            while got := os.read(ours, 4096):
                shown += got
        except OSError:  # how a terminal ends
            pass
    assert child.returncode == 0
    assert b"t.parquet" in shown


@pytest.mark.parametrize("verb", ["compare", "sweep"])
def test_a_crash_among_several_replays_names_the_plugin_and_what_is_kept(
    build_plugin: Compile, trace: Path, tmp_path: Path, verb: str
) -> None:
    """Such a plugin used to end compare and sweep without a word."""
    plugin = build_plugin(SIMPLE, "-DBUG_crash", "-DAFTER=3")
    words: list[object] = [trace, "--index", f"rbtree,{plugin}"]
    if verb == "sweep":
        words = [tmp_path / "grid.toml"]
        (tmp_path / "grid.toml").write_text(f'traces = ["{trace}"]\nindex = ["rbtree", "{plugin}"]\n')
    command = [sys.executable, "-m", "zreplay", verb, *map(str, words), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (7, "")
    message = one_line(done.stderr)
    assert message.startswith(f"plugin {plugin}: crashed: SIGSEGV after event ")
    kept = {"compare": "what was finished is in", "sweep": "the cells that were finished are in"}[verb]
    assert message.endswith(f"; {kept} {tmp_path / 'out'}")
