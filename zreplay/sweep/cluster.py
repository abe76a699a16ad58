"""Chunks replayed by the workers of a Dask cluster: somebody's scheduler, or processes of this machine.

A chunk is a task: a worker fetches its trace (a shared path, or a URL that is copied once), decodes it once for all its
cells, and returns their answers; who sweeps writes the files. When a worker is lost, the scheduler gives its chunks to
another.
"""

import asyncio
import logging
import queue
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zreplay.errors import MemoryLimitError, TraceError, UsageError, ZreplayError
from zreplay.sweep.cell import Chunk
from zreplay.sweep.executor import Answers, Told
from zreplay.sweep.remote import is_url, local_path
from zreplay.version import __version__

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

#: How long a scheduler has to answer, and to have a worker.
ANSWER_SECONDS, WORKER_SECONDS = 10, 60
#: How often it is looked whether the scheduler still is there.
_LOOK_SECONDS = 2.0


class Cluster:
    """A context: connected to a scheduler, all of whose workers have this version of zreplay.

    Args:
        scheduler: an address, or ``local`` for ``workers`` processes of this machine.
        workers: of ``local``; None: one for each core.
        at_once: replays of a pass.
        memory_limit_bytes: of each worker process.

    Raises:
        UsageError: Dask is not installed; the scheduler does not answer or has no workers; a worker is of another
            version.
    """

    def __init__(
        self, scheduler: str, workers: int | None, at_once: int, memory_limit_bytes: int | None = None
    ) -> None:
        self._scheduler = scheduler
        self._wanted = workers
        self._at_once = at_once
        self._memory_limit_bytes = memory_limit_bytes
        self._local: LocalCluster | None = None
        self._client: Client | None = None

    def __enter__(self) -> "Cluster":
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise UsageError("--scheduler: needs dask.distributed; pip install 'zreplay[dask]'") from error
        for name in ("distributed", "asyncio", "tornado"):  # what it tells of lost workers is not for people who sweep
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = self._connected()
            self._refuse_other_versions(self._client)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._client, self._local):
            if part is not None:
                with suppress(Exception):
                    part.close(timeout=ANSWER_SECONDS)

    @property
    def workers(self) -> int:
        """Threads of all workers."""
        assert self._client is not None
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def run(self, chunks: Sequence[Chunk], told: Told) -> Iterator[tuple[Chunk, Answers]]:
        """The chunks' answers as they come; what a worker raised for a whole chunk is the error of each of its cells.

        Raises:
            UsageError: the scheduler is gone, a worker is of another version, or out of memory.
        """
        assert self._client is not None
        futures: dict[Any, Chunk] = {}
        done: queue.Queue[Any] = queue.Queue()
        try:
            for chunk in chunks:
                futures[future := self._submit(chunk)] = chunk
                future.add_done_callback(done.put)
            while futures:
                try:
                    future = done.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    if self._client.status != "running":
                        gone = f"--scheduler {self._scheduler}: it is gone; finished cells are kept"
                        raise UsageError(gone) from None
                    continue
                chunk = futures.pop(future)
                yield chunk, self._answers(future, chunk)
        finally:
            with suppress(Exception):
                self._client.cancel(list(futures))

    def _submit(self, chunk: Chunk) -> Any:
        assert self._client is not None
        place = chunk.trace.place if is_url(chunk.trace.place) else str(Path(chunk.trace.place).absolute())
        return self._client.submit(
            replay_chunk,
            place,
            chunk.trace.sha256,
            chunk.settings(),
            __version__,
            self._at_once,
            self._memory_limit_bytes,
            pure=False,
        )

    def _answers(self, future: Any, chunk: Chunk) -> Answers:
        error = future.exception()
        if error is None:
            answers: Answers = future.result()
            return answers
        if isinstance(error, UsageError):
            raise error
        if not isinstance(error, ZreplayError):
            error = ZreplayError(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason'}")
        return [error] * len(chunk.cells)

    def _connected(self) -> "Client":
        from distributed import Client, LocalCluster

        if self._scheduler == "local":
            from zreplay.replay.axes import cores

            self._wanted = self._wanted or cores()
            self._local = LocalCluster(
                n_workers=self._wanted,
                threads_per_worker=1,
                memory_limit=0,  # --memory-limit is
                dashboard_address=None,
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
            )
            return Client(self._local)
        if self._wanted is not None:
            raise UsageError("--workers: with --scheduler local, or none; a scheduler has the workers it has")
        try:
            asyncio.run(self._ask())  # a client that cannot connect takes half a minute to go
            client = Client(self._scheduler, timeout=ANSWER_SECONDS, set_as_default=False)
        except Exception as error:  # what else listens there can say anything
            raise UsageError(
                f"--scheduler {self._scheduler}: no scheduler answers there within {ANSWER_SECONDS} s, expected an "
                "address like tcp://host:8786, as `dask scheduler` prints"
            ) from error
        return client

    async def _ask(self) -> None:
        from distributed.comm import connect

        # Its own timeout is for the connection alone: what accepts one and says nothing would be waited for.
        comm = await asyncio.wait_for(connect(self._scheduler), ANSWER_SECONDS)
        await comm.close()

    def _refuse_other_versions(self, client: "Client") -> None:
        def version() -> str:  # goes there whole, as a worker's zreplay need not have this module
            import importlib.util

            there = importlib.util.find_spec("zreplay") is not None
            return str(importlib.import_module("zreplay").__version__) if there else "none"

        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise UsageError(
                f"--scheduler {self._scheduler}: it has no workers after {WORKER_SECONDS} s; `dask worker "
                f"{self._scheduler}` starts one"
            ) from error
        others = {address: found for address, found in client.run(version).items() if found != __version__}
        if others:
            found = ", ".join(f"{address} has {version}" for address, version in others.items())
            raise UsageError(f"--scheduler {self._scheduler}: worker {found}, expected zreplay {__version__} on all")


def replay_chunk(
    place: str,
    sha256: str,
    settings: Sequence[dict[str, Any]],
    version: str,
    at_once: int,
    memory_limit_bytes: int | None,
) -> Answers:
    """On a worker: the answers of resolved configurations of the trace at ``place``.

    Raises:
        UsageError: this is another version, it cannot find the trace, or it is out of its memory.
        TraceError: the trace there is another, or damaged.
    """
    from distributed import get_worker

    from zreplay.replay.cells import answers
    from zreplay.replay.config import Config
    from zreplay.replay.memory import limited

    if version != __version__:
        raise UsageError(f"worker {get_worker().address} has zreplay {__version__}, expected {version}")
    try:
        path = local_path(place)
        configs = [Config(trace=path, out=Path(), **some) for some in settings]
        return answers(configs, progress=limited(memory_limit_bytes, None), trace_sha256=sha256, at_once=at_once)
    except MemoryLimitError:
        raise
    except UsageError as error:  # of this trace; the others' cells go on
        raise TraceError(
            f"worker {get_worker().address}: {error}; a path that all workers share, or a URL, is what a cluster "
            "can read"
        ) from error
