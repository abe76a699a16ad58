"""zswap called by folio, whose loads say what went wrong: from 6.15 on.

A load answers 0, −ENOENT where there is no entry, or another errno ("page_io: zswap: do not crash the kernel on decompression
failure", 6.15).
"""

from dataclasses import replace

from zreplay.trace.families import folio_zeromap

FAMILY = replace(
    folio_zeromap.FAMILY,
    name="zswap called by folio, loads with an errno",
    since=(6, 15),
    before=None,
    load_is_errno=True,
)
