"""The engine by itself: nothing is imported but _zreplay, and events go from its generator to its replay.

    python engine.py SPEC.json

SPEC: `module` (folder of _zreplay), `recipe` and `weights` (Synth's), `replay` (Replay.make's settings, null: only
draw), `events` to begin with. Prints ready; then, for each line of input (a number of events), nanoseconds of processor
time inside Replay.feed. With `drop_generator`: prints the bytes that this process has grown by, and live entries. With
`text` in place of a recipe: its file is parsed.
"""

import json
import sys
import time
from types import SimpleNamespace

ROWS = 16_384


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib is not imported when counting
        return int(file.read().split()[1]) * 4096


def parse(engine, spec: dict) -> None:
    importer = engine.FtraceImporter(0)
    with open(spec["text"], "rb") as file:  # noqa: PTH123
        importer.feed(file.read())
    importer.finish()
    importer.take()


class Stream:
    """A generator and what it is fed to."""

    def __init__(self, engine, spec: dict) -> None:
        self.synth = engine.Synth(SimpleNamespace(**spec["recipe"]), spec["weights"])
        self.replay = engine.Replay.make(**spec["replay"]) if spec["replay"] is not None else None

    def run(self, events: int) -> int:
        spent = 0
        while events:
            rows = min(events, ROWS)
            batch = self.synth.next(rows)
            if self.replay:
                begun = time.thread_time_ns()
                self.replay.feed(batch)
                spent += time.thread_time_ns() - begun
            events -= rows
        return spent


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        spec = json.load(file)
    sys.path.insert(0, spec["module"])
    import _zreplay

    if "text" in spec:
        parse(_zreplay, spec)
        return
    before = resident_bytes()
    stream = Stream(_zreplay, spec)
    stream.run(spec["events"])
    if spec.get("drop_generator"):
        del stream.synth
        stored = stream.replay.counters()["stored_pages"]
        print(resident_bytes() - before, stored, flush=True)
        return
    print("ready", flush=True)
    for line in sys.stdin:
        print(stream.run(int(line)), flush=True)


main()
