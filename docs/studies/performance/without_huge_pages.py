"""Runs a command whose memory the kernel puts on no huge page: python without_huge_pages.py COMMAND…"""

import ctypes
import os
import sys

PR_SET_THP_DISABLE = 41  # inherited by what is executed (prctl(2))

if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
    sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
