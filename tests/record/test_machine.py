"""Each thing that stands in the way of recording is one line that says what to do."""

import pytest
from click.testing import CliRunner
from machines import FOLIO, ZRAM, machine

from zreplay.cli.record import command
from zreplay.errors import UsageError

OFF = {"enabled": "N", "zpool": "zbud"}


@pytest.mark.parametrize(
    ("made", "model", "says"),
    [
        ({"tracefs": False}, "zswap", "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing"),
        ({"kprobes": False}, "zswap", "Linux 6.1.0-56-amd64 has no kernel probes"),
        ({"lockdown": "confidentiality"}, "zswap", "locked down (confidentiality)"),
        ({"zswap": OFF}, "zswap", "zswap is disabled and no zram is swapped to: echo Y >"),
        ({"zswap": {}}, "zswap", "has no zswap, and no zram is swapped to: modprobe zram"),
        ({}, "zram", "there is no zram device: modprobe zram"),
    ],
)
def test_obstacle(tmp_path, made, model, says):
    assert says in (machine(tmp_path, **made).obstacle(model, as_root=True) or "")


def test_only_root_may(tmp_path):
    assert (machine(tmp_path).obstacle("zswap", as_root=False) or "").startswith("record needs root: found uid ")


def test_nothing_stands_in_the_way(tmp_path):
    assert machine(tmp_path, lockdown="integrity").obstacle("zswap", as_root=True) is None


def test_what_is_swapped_to_is_what_is_recorded(tmp_path):
    assert machine(tmp_path / "1").model() == "zswap"
    assert machine(tmp_path / "2", zswap=OFF, swaps=["/dev/zram0"]).model() == "zram"
    assert machine(tmp_path / "3", zswap=OFF).model() == "zswap"


def test_context_of_a_trace(tmp_path):
    context = machine(tmp_path).context("zswap")
    assert (context.pool, context.compressor, context.release) == ("zbud", "lzo", (6, 1))
    assert (context.totalram_pages, context.max_pool_percent, context.accept_threshold_percent) == (1000, 20, 90)
    assert (context.cpus, context.clock) == (2, "mono")


@pytest.fixture
def record(monkeypatch, tmp_path):
    """`zreplay record` as root on a machine; what it prints."""

    def record(*arguments: str, **made):
        monkeypatch.setattr("zreplay.record.machine.Machine", lambda: machine(tmp_path, **made))
        monkeypatch.setattr("os.geteuid", lambda: 0)
        return CliRunner().invoke(command, arguments)

    return record


def test_no_swap_is_an_error_unless_a_command_may_turn_it_on(record):
    found = record("-o", "t.parquet", swaps=())
    assert isinstance(found.exception, UsageError)
    assert str(found.exception).startswith("nothing is swapped to: swapon")


def test_an_output_is_needed(record):
    assert str(record().exception) == "record: no output; -o TRACE names the file to write"


@pytest.mark.parametrize("time", ["0", "10x", "m", "-5s"])
def test_a_duration_that_is_none(record, time):
    found = record("-o", "t.parquet", "--duration", time)
    assert found.exit_code == 2
    assert "expected a time like 90, 90s, 10m or 2h" in found.output


def test_print_probes_touches_nothing(record, tmp_path):
    found = record("--print-probes")
    assert found.exit_code == 0
    assert "p:zreplay_PID/store zswap_frontswap_store type=$arg1:u32 offset=$arg2:u64\n" in found.output
    assert (tmp_path / "sys/kernel/tracing/kprobe_events").read_text() == "\n"


def test_doctor_says_what_a_trace_will_lack(record):
    symbols = [name for name in FOLIO if name != "shrink_memcg_cb"]
    found = record("--doctor", release="6.12.3", symbols=[*symbols, "shrink_memcg_cb.constprop.0"])
    line = next(line for line in found.output.splitlines() if "zswap: visit" in line)
    assert line.startswith("missing")
    assert "the compiler made shrink_memcg_cb.constprop.0 of it" in line
    assert "the trace will lack visits of the LRU" in line


def test_kernel_without_the_functions_is_refused_before_anything_is_set(record, tmp_path):
    found = record("-o", "t.parquet", symbols=ZRAM)
    assert "zswap of Linux 6.1.0-56-amd64 cannot be recorded: store: no function zswap_store" in str(found.exception)
    assert not (tmp_path / "sys/kernel/tracing/instances").exists()
