"""Offsets of members, from the kernel's BTF; without it, of the releases that were looked up, on x86-64."""

from zreplay.record.machine import Machine

# Debian's kernels (6.1.192, 6.12.117): pahole on their BTF. For a kernel of the same release built without BTF.
_TABLE: dict[tuple[int, int], dict[str, int]] = {
    (6, 1): {
        "zs_pool.pages_allocated": 2064,
        "zs_pool.name": 0,
        "zbud_pool.pages_nr": 1032,
        "zpool.pool": 8,
        "shrink_control.nr_to_scan": 8,
        "block_device.bd_disk": 856,
        "gendisk.first_minor": 4,
        "zram.disk": 24,
        "bio.bi_bdev": 8,
        "bio.bi_opf": 16,
        "bio.bi_iter.bi_sector": 32,
        "bio.bi_iter.bi_size": 40,
        "device.devt": 660,
    },
    (6, 12): {
        "folio.swap": 40,
        "folio.memcg_data": 56,
        "mem_cgroup.id.id": 208,
        "obj_cgroup.memcg": 16,
        "zswap_entry.swpentry": 0,
        "zswap_entry.referenced": 12,
        "zswap_entry.objcg": 32,
        "zswap_entry.lru": 40,
        "zs_pool.pages_allocated": 2064,
        "zs_pool.name": 0,
        "zbud_pool.pages_nr": 1016,
        "zpool.pool": 8,
        "shrink_control.nid": 4,
        "shrink_control.nr_to_scan": 8,
        "shrink_control.memcg": 24,
        "block_device.bd_disk": 16,
        "gendisk.first_minor": 4,
        "zram.disk": 56,
        "bio.bi_bdev": 8,
        "bio.bi_opf": 16,
        "bio.bi_iter.bi_sector": 32,
        "bio.bi_iter.bi_size": 40,
        "device.devt": 676,
    },
}


class UnknownOffsetError(LookupError):
    """A member that this kernel does not have, or of which nothing says where it is; the message names it."""


class Layout:
    """Where members are, in bytes; ``source`` says how that is known."""

    def __init__(self, machine: Machine) -> None:
        self._btf = machine.btf
        release = machine.context("zswap").release or (0, 0)
        self._table = _TABLE.get(release, {})
        if self._btf:
            self.source = "BTF"
        elif self._table:
            self.source = f"the table of release {release[0]}.{release[1]} (no BTF)"
        else:
            self.source = "nothing (no BTF, and no table of this release)"

    def __call__(self, *names: str) -> int:
        """The offset of the first of these that there is, each ``structure.member``. Raises UnknownOffsetError."""
        for name in names:
            structure, _, member = name.partition(".")
            found = self._btf.offset_bytes(structure, member) if self._btf else self._table.get(name)
            if found is not None:
                return found
        raise UnknownOffsetError(f"{names[0]}: no such member in {self.source}")

    def parameters(self, function: str) -> int | None:
        """How many parameters a function has, where it is known."""
        return self._btf.parameters(function) if self._btf else None
