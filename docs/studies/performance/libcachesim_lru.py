"""libCacheSim's LRU on a trace's keys: python libcachesim_lru.py write TRACE KEYS | run KEYS OBJECTS | check

`write`: a request of size 1 for each event, in oracleGeneral, the fastest of its formats (24 bytes a request, no
parsing). `run` prints the seconds that process_trace() alone takes: its start is not counted.
"""

import sys
import time

#: Of powers of two, the size of hash table that was fastest with a million entries.
HASH_POWER = 21


def write(trace: str, keys: str) -> None:
    import numpy as np
    import pyarrow.parquet as pq

    record = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])
    with open(keys, "wb") as file:  # noqa: PTH123
        for batch in pq.ParquetFile(trace).iter_batches(1 << 20, columns=["ts_ns", "type", "offset"]):
            requests = np.zeros(batch.num_rows, record)
            requests["time"] = batch["ts_ns"].to_numpy() // 1_000_000_000
            requests["key"] = batch["type"].to_numpy().astype("u8") << 58 | batch["offset"].to_numpy()
            requests["size"] = 1
            requests["next"] = -1
            requests.tofile(file)


def run(keys: str, objects: int) -> float:
    import libcachesim

    kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
    reader = libcachesim.TraceReader(keys, kind, libcachesim.ReaderInitParam(ignore_obj_size=True))
    cache = libcachesim.LRU(objects, hashpower=HASH_POWER)
    begun = time.perf_counter()
    cache.process_trace(reader)
    return time.perf_counter() - begun


if sys.argv[1] == "check":
    import libcachesim  # noqa: F401
elif sys.argv[1] == "write":
    write(*sys.argv[2:])
else:
    print(run(sys.argv[2], int(sys.argv[3])))
