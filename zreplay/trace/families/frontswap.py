"""zswap under frontswap: 3.11 to 6.5. A slot is a type and an offset; every call answers with 0 or minus an errno.

Headers (the swap entry, in front of each object while its allocator could evict): zbud and z3fold to 6.4 (gone in 6.5,
"mm: zswap: remove zswap_header"), zsmalloc from 6.2 ("zsmalloc: implement writeback mechanism for zsmalloc") to 6.4.
"""

from zreplay.trace.families.family import Family

FAMILY = Family(
    name="zswap under frontswap",
    model="zswap",
    since=(3, 11),
    before=(6, 6),
    probes={"store": "type", "load": "type", "invalidate": "type"},
    header_bytes={"zbud": ((0, 0), (6, 5), 8), "z3fold": ((0, 0), (6, 5), 8), "zsmalloc": ((6, 2), (6, 5), 8)},
)
