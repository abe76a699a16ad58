"""Offsets out of type information written by hand, byte by byte (Documentation/bpf/btf.rst)."""

import struct

import pytest

from zreplay.record.btf import Btf

INT, STRUCT, UNION, TYPEDEF, FUNC, FUNC_PROTO = 1, 4, 5, 8, 12, 13


class Writer:
    """Types in order, numbered from 1 (or on from a base's), their names in one table."""

    def __init__(self, first_string: int = 0) -> None:
        self._first_string = first_string
        self.strings = b"" if first_string else b"\0"
        self.types = b""

    def name(self, word: str) -> int:
        if not word:
            return 0
        self.strings += word.encode() + b"\0"
        return self._first_string + len(self.strings) - len(word) - 1

    def add(self, name: str, kind: int, last: int, extra: bytes = b"", members: int = 0, flag: int = 0) -> None:
        self.types += struct.pack("<III", self.name(name), flag << 31 | kind << 24 | members, last) + extra

    def struct(self, name: str, members: list[tuple[str, int, int]], kind: int = STRUCT, flag: int = 0) -> None:
        packed = b"".join(struct.pack("<III", self.name(word), of, bits) for word, of, bits in members)
        self.add(name, kind, 64, packed, len(members), flag)

    def bytes(self) -> bytes:
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


def kernel() -> Writer:
    out = Writer()
    out.add("int", INT, 4, struct.pack("<I", 32))  # 1
    out.struct("bvec_iter", [("bi_sector", 1, 0), ("bi_size", 1, 64)])  # 2
    out.add("iter_t", TYPEDEF, 2)  # 3
    out.struct("", [("swap", 1, 0), ("private", 1, 0)], UNION)  # 4
    out.struct("", [("lru", 1, 64), ("", 4, 320)])  # 5
    out.struct("bio", [("bi_bdev", 1, 64), ("bi_iter", 3, 256)])  # 6
    out.struct("folio", [("", 5, 0), ("memcg_data", 1, 448)])  # 7
    out.struct("flags", [("isolated", 1, 3 | 3 << 24), ("inuse", 1, 32)], flag=1)  # 8
    out.add("", FUNC_PROTO, 1, struct.pack("<IIII", 0, 1, 0, 1), 2)  # 9
    out.add("zswap_invalidate", FUNC, 9)  # 10
    return out


@pytest.mark.parametrize(
    ("member", "offset"),
    [
        ("bio.bi_bdev", 8),
        ("bio.bi_iter.bi_size", 32 + 8),  # through a typedef
        ("folio.swap", 40),  # in a union in a structure, both without a name
        ("folio.memcg_data", 56),
        ("flags.inuse", 4),
        ("flags.isolated", None),  # a bit field
        ("folio.nothing", None),
        ("nothing.at_all", None),
    ],
)
def test_offset_of_a_member(member, offset):
    assert Btf(kernel().bytes()).offset_bytes(*member.split(".", 1)) == offset


def test_parameters_of_a_function():
    btf = Btf(kernel().bytes())
    assert (btf.parameters("zswap_invalidate"), btf.parameters("zswap_store")) == (2, None)


def test_module_counts_on_from_the_kernels_types_and_strings():
    base = kernel()
    module = Writer(first_string=len(base.strings))
    module.struct("zs_pool", [("name", 1, 0), ("shrink", 6, 128), ("pages_allocated", 1, 16512)])  # 11; 6 is bio
    btf = Btf(base.bytes(), module.bytes())
    assert btf.offset_bytes("zs_pool", "pages_allocated") == 2064
    assert btf.offset_bytes("zs_pool", "shrink.bi_iter.bi_size") == 16 + 32 + 8
    assert btf.offset_bytes("folio", "swap") == 40


@pytest.mark.parametrize("data", [b"", b"\x7fELF" + bytes(40)])
def test_what_is_no_btf_is_said(data):
    with pytest.raises(ValueError, match="not BTF"):
        Btf(data)
