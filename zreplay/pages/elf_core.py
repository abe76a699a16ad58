"""A core dump's memory: which bytes of the file are pages of the process that has died.

ELF, of 32 or 64 bits in either byte order. The program headers of type LOAD say where a mapping lies in the file; what
the kernel did not dump (``p_memsz`` above ``p_filesz``) is not there. A core of 65,535 mappings or more says how many
in the first section header instead.
"""

import os
import struct
from typing import BinaryIO, NamedTuple

HEADER_BYTES = 64
_ET_CORE, _PT_LOAD, _PN_XNUM = 4, 1, 0xFFFF


class _Layout(NamedTuple):
    """Where a file of 64 or 32 bits has what, in bytes: one letter of :mod:`struct` and where it stands."""

    address: str
    phoff: int
    shoff: int
    phnum: int
    ph_bytes: int
    ph_offset: int
    ph_filesz: int
    sh_info: int


_LAYOUTS = {1: _Layout("I", 28, 32, 44, 32, 4, 16, 28), 2: _Layout("Q", 32, 40, 56, 56, 8, 32, 44)}
_ORDERS = {1: "<", 2: ">"}


def is_core(header: bytes) -> bool:
    """Whether a file that begins with these bytes (:data:`HEADER_BYTES` of them) is a core dump."""
    if len(header) < HEADER_BYTES or header[:4] != b"\x7fELF" or header[4] not in _LAYOUTS or header[5] not in _ORDERS:
        return False
    return bool(struct.unpack_from(_ORDERS[header[5]] + "H", header, 16)[0] == _ET_CORE)


def segments(file: BinaryIO) -> list[tuple[int, int]]:
    """Offset and length in bytes of each mapping that was dumped, in the order of the addresses.

    ``file`` is one of which :func:`is_core` is true. Raises ValueError, saying what is wrong, for headers cut off.
    """
    header = _at(file, 0, HEADER_BYTES)
    layout, order = _LAYOUTS[header[4]], _ORDERS[header[5]]

    def number(data: bytes, letter: str, at: int) -> int:
        return int(struct.unpack_from(order + letter, data, at)[0])

    phnum = number(header, "H", layout.phnum)
    if phnum == _PN_XNUM:
        phnum = number(_at(file, number(header, layout.address, layout.shoff), 64), "I", layout.sh_info)
    table = _at(file, number(header, layout.address, layout.phoff), phnum * layout.ph_bytes)
    found = []
    for at in range(0, len(table), layout.ph_bytes):
        size = number(table, layout.address, at + layout.ph_filesz)
        if number(table, "I", at) == _PT_LOAD and size:
            found.append((number(table, layout.address, at + layout.ph_offset), size))
    return found


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    file_bytes = os.fstat(file.fileno()).st_size
    if offset + size > file_bytes:
        raise ValueError(f"found {file_bytes:,} bytes, expected headers up to {offset + size:,}")
    file.seek(offset)
    return file.read(size)
