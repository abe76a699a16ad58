"""What this machine can record, as a table."""

import os
from dataclasses import dataclass

from zreplay.record.layout import Layout
from zreplay.record.machine import Machine
from zreplay.record.probes import plan
from zreplay.record.tracing import leftovers


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, what was found, and whether it stands in the way."""

    what: str
    found: str
    verdict: str  #: "ok", "missing" (a trace will lack something) or "no" (nothing can be recorded)


def examine(machine: Machine, model: str) -> list[Finding]:
    """Everything that decides what a recording of this machine will have. Reads only."""
    as_root = os.geteuid() == 0
    tracefs = machine.tracefs
    probes = bool(tracefs and (tracefs / "kprobe_events").exists())
    zswap = machine.zswap or {}
    state = f"{'on' if machine.zswap_is_on else 'off'}, " + ", ".join(
        f"{name} {zswap[name]}" for name in ("zpool", "compressor", "max_pool_percent") if name in zswap
    )
    out = [
        Finding("kernel", f"Linux {machine.release}, {machine.cpus} CPUs, {os.uname().machine}", "ok"),
        Finding("user", f"uid {os.geteuid()}", "ok" if as_root else "no"),
        Finding("tracefs", str(tracefs or "not mounted"), "ok" if tracefs else "no"),
        Finding("kernel probes", "kprobe_events" if probes else "none", "ok" if probes else "no"),
        Finding("lockdown", machine.lockdown or "none", "no" if machine.lockdown == "confidentiality" else "ok"),
        Finding("offsets", f"from {Layout(machine).source}", "ok"),
        Finding("swap", ", ".join(machine.swaps) or "none", "ok" if machine.swaps else "missing"),
        Finding("zswap", state if machine.zswap is not None else "not in this kernel", "ok"),
        Finding("zram", ", ".join(_zrams(machine)) or "none", "ok"),
    ]
    if tracefs and as_root and (left := leftovers(tracefs)):
        out.append(Finding("left behind", f"{', '.join(left)}: zreplay record --cleanup", "missing"))
    planned = plan(machine, model)
    for event in dict.fromkeys(probe.event for probe in planned.probes if not probe.at_return):
        symbols = dict.fromkeys(probe.symbol for probe in planned.probes if probe.event == event)
        out.append(Finding(f"{model}: {event}", ", ".join(symbols), "ok"))
    essential = planned.essential_lacks
    for lack in planned.lacks:
        event, why, lacks = lack
        verdict = "no" if lack in essential else "missing"
        out.append(Finding(f"{model}: {event}", f"{why}; the trace will lack {lacks}" if lacks else why, verdict))
    return out


def _zrams(machine: Machine) -> list[str]:
    folder = machine.root / "sys/block"
    names = sorted(path.name for path in folder.glob("zram*")) if folder.is_dir() else []
    return [f"{name} (swap)" if name in machine.zram_swaps else name for name in names]
