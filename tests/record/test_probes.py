"""The probes of a kernel, against those that were set by hand for Debian's kernels."""

from machines import FOLIO, FRONTSWAP, ZRAM, machine

from zreplay.record.probes import plan


def definitions(planned) -> dict[str, str]:
    """By event; the second of a name with a +."""
    return {probe.event + "+" * probe.group: probe.definition("g").partition(" ")[2] for probe in planned.probes}


def test_frontswap_over_zbud(tmp_path):
    planned = plan(machine(tmp_path), "zswap")
    found = definitions(planned)
    counters = "stored=@zswap_stored_pages:s32 pool=@zswap_pool_total_size:u64"
    assert found["store"] == "zswap_frontswap_store type=$arg1:u32 offset=$arg2:u64"
    assert found["store_ret"] == f"zswap_frontswap_store ret=$retval:s32 {counters}"
    assert found["alloc"] == "zpool_malloc size=$arg2:u64"
    assert found["writeback"] == "zswap_writeback_entry handle=$arg2:x64"
    assert planned.lacks == []
    assert planned.probes[1].definition("g").startswith("r128:g/store_ret ")


def test_a_counter_that_the_kernel_does_not_show_is_left_out(tmp_path):
    symbols = [name for name in FRONTSWAP if name != "zswap_pool_total_size"]
    found = definitions(plan(machine(tmp_path, symbols=symbols), "zswap"))
    assert found["store_ret"] == "zswap_frontswap_store ret=$retval:s32 stored=@zswap_stored_pages:s32"


def test_z3fold_of_6_1_tells_where_objects_are(tmp_path):
    zswap = {"enabled": "Y", "zpool": "z3fold"}
    symbols = [*FRONTSWAP, "z3fold_page_migrate", "vmemmap_base", "page_offset_base"]
    found = definitions(plan(machine(tmp_path, zswap=zswap, symbols=symbols), "zswap"))
    assert found["map"] == "zpool_map_handle handle=$arg2:x64 place=+0($arg2):x64"
    assert found["migrate"] == (
        "z3fold_page_migrate newpage=$arg1:x64 page=$arg2:x64 vmemmap=@vmemmap_base:x64 direct=@page_offset_base:x64"
    )


def test_folios_over_zsmalloc_without_btf_by_the_table_of_6_12(tmp_path):
    planned = plan(
        machine(tmp_path, release="6.12.117", zswap={"enabled": "Y", "zpool": "zsmalloc"}, symbols=FOLIO), "zswap"
    )
    found = definitions(planned)
    visited = "swap=-40($arg1):u64 referenced=-28($arg1):u8 objcg=-8($arg1):x64"
    assert found["store"] == "zswap_store swap=+40($arg1):u64 cgroup=+208(+56($arg1)):u32"
    assert found["load_ret"].startswith("zswap_load ret=$retval:u8 ")
    assert found["visit"] == f"shrink_memcg_cb {visited} cgroup=+208(+16(-8($arg1))):u32"
    assert found["visit+"] == f"shrink_memcg_cb {visited} cgroup=\\1:u32"
    assert found["scan"] == "zswap_shrinker_scan nr=+8($arg2):u64 nid=+4($arg2):s32 cgroup=+208(+24($arg2)):u32"
    assert found["alloc"] == "zs_malloc size=$arg2:u64 pages=+2064($arg1):u64"
    filters = {probe.event + "+" * probe.group: probe.filter for probe in planned.probes if probe.filter}
    address = 0xFFFFFFFF81000000 + FOLIO.index("zswap_list_lru")
    assert filters == {"visit": "objcg != 0", "visit+": "objcg == 0", "walk": f"lru == {address:#x}"}
    assert planned.lacks == []


def test_without_btf_a_release_that_was_not_looked_up_lacks_what_needs_offsets(tmp_path):
    planned = plan(
        machine(tmp_path, release="6.10.3", zswap={"enabled": "Y", "zpool": "zsmalloc"}, symbols=FOLIO), "zswap"
    )
    assert [event for event, _, _ in planned.essential_lacks] == ["store", "alloc", "free"]
    assert planned.lacks[0][1] == "folio.swap: no such member in nothing (no BTF, and no table of this release)"


def test_zbud_of_a_kernel_of_which_nothing_is_known_is_refused_by_name(tmp_path):
    """Where zbud keeps its count was asked for outside of what catches that it is not known: a traceback."""
    planned = plan(machine(tmp_path, release="6.10.3", symbols=[*FOLIO, "zpool_malloc", "zpool_free"]), "zswap")
    found = {event: why for event, why, _ in planned.essential_lacks}
    assert found["alloc"] == "zbud_pool.pages_nr: no such member in nothing (no BTF, and no table of this release)"


def test_zram_of_6_1_and_6_12(tmp_path):
    old = definitions(plan(machine(tmp_path / "1", symbols=[*ZRAM, "zram_rw_page", "zs_map_object"]), "zram"))
    new = definitions(plan(machine(tmp_path / "2", release="6.12.117", symbols=ZRAM), "zram"))
    assert old["bio"].endswith("dev=+4(+856(+8($arg1))):u32")
    assert old["rw"] == "zram_rw_page sector=$arg2:u64 op=$arg4:u32 dev=+4(+856($arg1)):u32"
    assert new["bio"] == (
        "zram_submit_bio op=+16($arg1):u32 sector=+32($arg1):u64 size=+40($arg1):u32 dev=+4(+16(+8($arg1))):u32"
    )
    assert new["slot"] == "zram_free_page index=$arg2:u64 dev=+4(+56($arg1)):u32"
    assert new["alloc"] == "zs_malloc size=$arg2:u64 pages=+2064($arg1):u64 dev=+4(+0($arg1)):b4@0/8"
