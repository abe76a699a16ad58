"""zswap called by folio, whose loads say what went wrong: from 6.15 on.

A load answers 0, −ENOENT where there is no entry, or another errno (6.15, "page_io: zswap: do not crash the kernel on
decompression failure"). A store still answers with a boolean.
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
