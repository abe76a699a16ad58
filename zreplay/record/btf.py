"""Where members are in a kernel's structures, from its own type information (BTF, Documentation/bpf/btf.rst)."""

import struct
from collections.abc import Iterator, Sequence

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_STRUCT, _UNION, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC, _FUNC_PROTO, _TYPE_TAG = 4, 5, 8, 9, 10, 11, 12, 13, 18
# What follows a type of a kind: bytes, and bytes for each of its members.
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
_TRANSPARENT = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)


class Btf:
    """The types of a kernel and of modules that build on it.

    Args:
        vmlinux: the bytes of /sys/kernel/btf/vmlinux.
        modules: those of /sys/kernel/btf/MODULE, whose types and strings count on from the kernel's.

    Raises ValueError for bytes that are no BTF of this machine's byte order.
    """

    def __init__(self, vmlinux: bytes, *modules: bytes) -> None:
        base = _Section(vmlinux, None)
        self._sections = [base, *(_Section(module, base) for module in modules)]

    def offset_bytes(self, structure: str, member: str) -> int | None:
        """Bytes from a structure's begin to a member of it; None where either does not exist.

        ``member`` may lead into members that are structures ("bi_iter.bi_sector"); unnamed structures and unions are
        looked into. A bit field has no offset in bytes and is None as well.
        """
        for section in self._sections:
            for number in section.named(structure, (_STRUCT, _UNION)):
                bits = self._bits(section, number, member.split("."))
                if bits is not None and bits % 8 == 0:
                    return bits // 8
        return None

    def parameters(self, function: str) -> int | None:
        """How many parameters a function has; None where it is not known."""
        for section in self._sections:
            for number in section.named(function, (_FUNC,)):
                _, _, proto = section.type(number)
                _, info, _ = section.type(proto)
                if info >> 24 & 31 == _FUNC_PROTO:
                    return info & 0xFFFF
        return None

    def _bits(self, section: "_Section", number: int, path: Sequence[str]) -> int | None:
        for name, kind, bits in section.members(number):
            if name == path[0]:
                if len(path) == 1:
                    return bits
                inner = self._bits(section, section.resolved(kind), path[1:])
                return None if inner is None or bits is None else bits + inner
            if not name and bits is not None:
                inner = self._bits(section, section.resolved(kind), path)
                if inner is not None:
                    return bits + inner
        return None


class _Section:
    """The types of one file, numbered on from those of its base."""

    def __init__(self, data: bytes, base: "_Section | None") -> None:
        if len(data) < _HEADER.size or int.from_bytes(data[:2], "little") != _MAGIC:
            raise ValueError("not BTF")
        _, _, _, header, types, types_bytes, strings, strings_bytes = _HEADER.unpack_from(data)
        self._base: _Section | None = base
        self._data = data
        self._strings = data[header + strings : header + strings + strings_bytes]
        self._first_string = base.strings_end if base else 0
        self.strings_end: int = self._first_string + strings_bytes
        self._first = base.end if base else 1
        self._at: list[int] = []
        at, end = header + types, header + types + types_bytes
        while at < end:
            self._at.append(at)
            info = int.from_bytes(data[at + 4 : at + 8], "little")
            kind = info >> 24 & 31
            at += _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
        self.end: int = self._first + len(self._at)

    def type(self, number: int) -> tuple[int, int, int]:
        """Name, info and size or type of a type."""
        if number < self._first:
            return self._base.type(number) if self._base else (0, 0, 0)
        return _TYPE.unpack_from(self._data, self._at[number - self._first])

    def named(self, name: str, kinds: Sequence[int]) -> Iterator[int]:
        """The numbers of this section's types of a name."""
        wanted = self._string_offset(name)
        for i, at in enumerate(self._at):
            name_at, info, _ = _TYPE.unpack_from(self._data, at)
            if name_at in wanted and info >> 24 & 31 in kinds:
                yield self._first + i

    def _string_offset(self, name: str) -> set[int]:
        out = set() if self._base is None else self._base._string_offset(name)
        found = self._strings.find(b"\0" + name.encode() + b"\0")
        if found >= 0:
            out.add(self._first_string + found + 1)
        return out

    def _string(self, at: int) -> str:
        if at < self._first_string:
            return self._base._string(at) if self._base else ""
        at -= self._first_string
        return self._strings[at : self._strings.index(b"\0", at)].decode()

    def members(self, number: int) -> Iterator[tuple[str, int, int | None]]:
        """Name, type and offset in bits (None: a bit field) of each member of a structure or union."""
        if number < self._first:
            if self._base:
                yield from self._base.members(number)
            return
        at = self._at[number - self._first]
        _, info, _ = _TYPE.unpack_from(self._data, at)
        if info >> 24 & 31 not in (_STRUCT, _UNION):
            return
        for i in range(info & 0xFFFF):
            name, kind, bits = _MEMBER.unpack_from(self._data, at + _TYPE.size + i * _MEMBER.size)
            if info >> 31:  # bit offset and, above it, the size of a bit field
                bits = None if bits >> 24 else bits & 0xFFFFFF
            yield self._string(name), kind, bits

    def resolved(self, number: int) -> int:
        """The type behind typedefs and qualifiers."""
        for _ in range(32):
            _, info, kind = self.type(number)
            if info >> 24 & 31 not in _TRANSPARENT:
                return number
            number = kind
        return number
