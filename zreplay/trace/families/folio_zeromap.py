"""zswap called by folio, zero pages kept from it: 6.12 to 6.14.

As folio.py, but zero pages are marked in a bitmap of the swap area before zswap is asked (6.12, "mm: store zero pages
to be swapped out in a bitmap"), and zswap looks for same-filled pages no more (6.12, "mm: remove code to handle same
filled pages"): a store that succeeds has asked the allocator.
"""

from dataclasses import replace

from zreplay.trace.families import folio

FAMILY = replace(folio.FAMILY, name="zswap called by folio", since=(6, 12), before=(6, 15), same_filled_in_pool=False)
