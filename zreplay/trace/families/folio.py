"""zswap called by folio, same-filled pages in its own hands: 6.6 to 6.11.

A slot is one packed word; a store or load answers with a boolean since frontswap went (6.6, "mm: kill frontswap"), so
the answer does not say why a store was refused. Zswap keeps pages of one repeated word in their entries, without an
allocation.

Loads take the entry: always since 6.9 ("mm/zswap: only support zswap_exclusive_loads_enabled"), before that by a
parameter (`exclusive_loads`), and a load that left its entry frees nothing and stands at its call. Visits of the LRU
are those of shrink_memcg_cb, which there is since 6.8 ("zswap: make shrinking memcg-aware"); older texts have none.
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
