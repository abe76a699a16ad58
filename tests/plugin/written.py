"""Modules with plugins, written by a test."""

from pathlib import Path

#: An index that is right, to derive wrong ones from.
IN_A_DICT = """
from zreplay.plugins import Index, Order, Pool

class InADict(Index):
    def __init__(self):
        self.words = {}
    def find(self, type, offset):
        return self.words.get((type, offset))
    def insert(self, type, offset, location):
        old, self.words[type, offset] = self.words.get((type, offset)), location
        return old
    def erase(self, type, offset):
        return self.words.pop((type, offset), None)
    def move(self, type, offset, location):
        return self.insert(type, offset, location) if (type, offset) in self.words else None
    def entries(self, type):
        return sorted((offset, word) for (of, offset), word in self.words.items() if of == type)
    def memory(self):
        return len(self.words), 0, 0
"""


def module(folder: Path, name: str, text: str = "") -> str:
    """A module of that name with the index and more; gives the name."""
    (folder / f"{name}.py").write_text(IN_A_DICT + text)
    return name
