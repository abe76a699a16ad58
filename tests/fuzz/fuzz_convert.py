"""Coverage-guided fuzzing of `zreplay convert`: any bytes become events or one TraceError or UsageError.

    python tests/fuzz/fuzz_convert.py --budget 60

Starts from tests/trace/samples/. Needs atheris (`pip install atheris`), which is no part of the package or its tests;
where it is not installed the command says so and exits with 0.
"""

import argparse
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "trace" / "samples"
MAP = "ts_ns=time_us*1000,op=rw:R=load:W=store,offset=sector/8,size=bytes"


def main() -> None:
    """Fuzz for a while; a crash ends with a traceback, the input is left in the working directory."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--budget", type=int, default=60, metavar="SECONDS")
    budget = options.parse_args().budget
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: nothing fuzzed")
        return
    with atheris.instrument_imports(include=["zreplay"]):
        from zreplay.errors import TraceError, UsageError
        from zreplay.trace.context import Context
        from zreplay.trace.convert import convert

    work = Path(tempfile.mkdtemp(prefix="zreplay-fuzz-"))
    context = Context(pool="zsmalloc", kernel_release="6.1.0")

    def one(data: bytes) -> None:
        (work / "log").write_bytes(data[1:])
        try:
            mapping = MAP if data[:1] == b"m" else None
            convert(str(work / "log"), work / "t.parquet", context, mapping=mapping, force=True)
        except (TraceError, UsageError) as error:
            assert "\n" not in str(error), error

    corpus = work / "corpus"
    corpus.mkdir()
    for sample in SAMPLES.iterdir():
        (corpus / sample.name).write_bytes((b"m" if sample.stem == "table" else b"-") + sample.read_bytes())
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={budget}", "-max_len=4096"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
