"""What a family of kernel releases is to the importer."""

from dataclasses import dataclass, fields

Release = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the kernels of some releases print their calls into zswap or zram, and what their answers mean.

    Attributes:
        name: what to call it in a message.
        model: ``zswap`` or ``zram``.
        since: the first release of it, (major, minor).
        before: the first release that is not of it any more; None: there is none yet.
        probes: names of events, and for each the key that its lines must have, by which a text is known to be of this
            family. (No key: the name alone tells.)
        packed_slots: a slot comes as one word, ``swap=`` (type from bit 58 up, offset below).
        taken_is_one: stores and loads answer with a boolean, 1 taken or found and 0 not; else with 0 or minus an errno.
        load_is_errno: but loads do answer with an errno.
        loads_take: a load that finds an entry takes it out of zswap.
        same_filled_in_pool: zswap keeps pages of one repeated word, without an allocation.
        answers_errno: against what its releases do, this text's stores and loads answer with an errno.
        header_bytes: what zswap asks of the allocator beyond the compressed length, by pool: (first release that does,
            first that does not any more, bytes). A pool that is not named: 0.
    """

    name: str
    model: str
    since: Release
    before: Release | None
    probes: dict[str, str]
    packed_slots: bool = False
    taken_is_one: bool = False
    load_is_errno: bool = False
    loads_take: bool = False
    same_filled_in_pool: bool = True
    answers_errno: bool = False
    header_bytes: dict[str, tuple[Release, Release, int]] | None = None

    def covers(self, release: Release) -> bool:
        """Whether a kernel of this release is one of the family."""
        return self.since <= release and (self.before is None or release < self.before)

    def header_of(self, pool: str, release: Release) -> int:
        """Bytes that zswap puts in front of every object of a pool."""
        first, end, size = (self.header_bytes or {}).get(pool, ((0, 0), (0, 0), 0))
        return size if first <= release < end else 0

    def releases(self) -> str:
        """``6.8 to before 6.14``-like words for a message."""
        since = f"{self.since[0]}.{self.since[1]}"
        return f"{since} and later" if self.before is None else f"{since} to before {self.before[0]}.{self.before[1]}"

    def for_engine(self) -> dict[str, bool]:
        """The keywords of ``_zreplay.FtraceImporter`` that say how to read a line."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.type is bool}
