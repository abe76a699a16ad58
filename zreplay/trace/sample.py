"""The share of a machine's slots that a sampled trace has."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """`keep` of every `of` slots, chosen by their hash; 1 of 1 is the whole."""

    keep: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str | None) -> "Sample":
        """Of a text like ``1/8``; None is the whole. Raises ValueError, which says what was expected."""
        keep, slash, of = (text or "1/1").partition("/")
        if not (slash and (keep + of).isascii() and keep.isdecimal() and of.isdecimal()):
            raise ValueError("a share like 1/8")
        if int(of) >= 2**32:
            raise ValueError("a share of one in 4,294,967,295 or more")
        if not 0 < int(keep) <= int(of):
            raise ValueError("a share above 0/1 and up to 1/1, like 1/8")
        return cls(int(keep), int(of))

    def __str__(self) -> str:
        return f"{self.keep}/{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return self.keep == self.of

    def of_it(self, sample: "Sample") -> "Sample":
        """A sample of this one, as a share of the machine. Raises ValueError, which says what was expected."""
        return Sample.parse(f"{self.keep * sample.keep}/{self.of * sample.of}")

    def down(self, pages: int) -> int:
        """The sample's share of the machine's pages, rounded."""
        return (pages * self.keep + self.of // 2) // self.of

    def up(self, pages: int) -> int:
        """The machine's pages, of the sample's, rounded."""
        return (pages * self.of + self.keep // 2) // self.keep


WHOLE = Sample()
