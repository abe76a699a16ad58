"""Our index on the operations of op_stream.h, as kernel/driver.c is for the kernel's: python index_server.py MODULE_DIR
INDEX ENTRIES SEED default|timing. Same lines in, same lines out."""

import sys

sys.path.insert(0, sys.argv[1])
import _zreplay

index = _zreplay.TimedIndex(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "timing")
print("ready", flush=True)
for line in sys.stdin:
    print(index.run(int(line)), index.sum, flush=True)
