"""zswap called by folio: 6.6 to 6.14. A slot is one packed word, a store or load answers with a boolean.

"mm: zswap: ... frontswap removed" (6.6); loads take the entry since "mm/zswap: only support zswap_exclusive_loads_enabled"
(6.9); an LRU of entries whose visits show since "list_lru: ... memcg-aware" and "zswap: make shrinking memcg-aware" (6.8).
Whether 6.12 was full when it refused a store is not in the answer.
"""

from zreplay.trace.families.family import Family

FAMILY = Family(
    name="zswap called by folio, same-filled pages in its own hands",
    model="zswap",
    since=(6, 6),
    before=(6, 12),
    probes={"store": "swap", "load": "swap", "invalidate": "swap"},
    packed_slots=True,
    taken_is_one=True,
    loads_take=True,
)
