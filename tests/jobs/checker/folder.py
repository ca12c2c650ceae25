"""A folder in the middle of a turn."""

from __future__ import annotations

from enum import IntEnum


class As(IntEnum):
    """How much of a place is asked for: which file stands there, what it holds, or only whether there is one."""

    FILE = 0
    CONTENT = 1
    NAME = 2


class Folder:
    """A folder as one turn sees it: what was asked of it, and what was changed.

    Attributes:
        base: as it was before the turn.
        changes: place -> file.
        asked: (place, how much) that were asked for, in that order, each once; shared by all that came of one `base`.
    """

    __slots__ = ("asked", "base", "changes")

    def __init__(
        self, base: bytes, changes: dict[int, int] | None = None, asked: dict[tuple[int, As], None] | None = None
    ) -> None:
        self.base, self.changes = base, changes or {}
        self.asked: dict[tuple[int, As], None] = {} if asked is None else asked

    def __getitem__(self, place: int) -> int:
        return self.ask(place, As.FILE)

    def ask(self, place: int, how: As) -> int:
        """The file at a place, of which the caller promises to use so much only."""
        if place in self.changes:
            return self.changes[place]
        self.asked[place, how] = None
        return self.base[place]

    def has(self, place: int) -> bool:
        return bool(self.ask(place, As.NAME))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folder) and self.changes == other.changes and self.base == other.base

    __hash__ = None  # type: ignore[assignment]

    def changed(self, place: int, file: int) -> Folder:
        return Folder(self.base, {**self.changes, place: file}, self.asked)

    def plain(self) -> bytes:
        changed = bytearray(self.base)
        for place, file in self.changes.items():
            changed[place] = file
        return bytes(changed)
