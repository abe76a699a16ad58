"""The kernel's functions whose entry is one of the importer's events: how an event of another name is known.

``p_zswap_store_0``, ``zswap_store__return`` or somebody's own name: the probe point says which function it is a probe
of. To add one: its line here.
"""

FUNCTIONS: dict[str, str] = {
    # zswap
    "zswap_frontswap_store": "store",
    "zswap_store": "store",
    "zswap_frontswap_load": "load",
    "zswap_load": "load",
    "zswap_frontswap_invalidate_page": "invalidate",
    "zswap_invalidate": "invalidate",
    "zswap_frontswap_invalidate_area": "invalidate_area",
    "zswap_writeback_entry": "writeback",
    "zpool_shrink": "shrink",
    "shrink_worker": "shrink",
    "shrink_memcg_cb": "visit",
    "zswap_shrinker_scan": "scan",
    # the pools
    "zpool_malloc": "alloc",
    "zs_malloc": "alloc",
    "zpool_map_handle": "map",
    "zpool_obj_read_begin": "map",
    "zpool_obj_write": "map",
    "zs_map_object": "map",
    "zs_obj_read_begin": "map",
    "zs_obj_write": "map",
    "zpool_free": "free",
    "zs_free": "free",
    "zs_compact": "compact",
    "zs_page_migrate": "migrate",
    "z3fold_page_migrate": "migrate",
    # zram
    "zram_rw_page": "rw",
    "zram_submit_bio": "bio",
    "zram_slot_free_notify": "slotfree",
    "zram_free_page": "slot",
    "zram_slot_free": "slot",
    "writeback_store": "zwriteback",
    # named after what they do, by hand
    "zswap_alloc": "alloc",
    "zswap_map": "map",
    "zswap_free": "free",
    "zswap_writeback": "writeback",
    "zswap_shrink": "shrink",
    "zram_rw": "rw",
    "zram_bio": "bio",
    "zram_slotfree": "slotfree",
    "zram_alloc": "alloc",
    "zram_map": "map",
    "zram_free": "free",
}
