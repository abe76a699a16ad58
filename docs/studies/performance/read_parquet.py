"""Reads a trace and does nothing with it: python read_parquet.py TRACE"""

import sys

import pyarrow.parquet as pq

for _ in pq.ParquetFile(sys.argv[1]).iter_batches(65_536):
    pass
