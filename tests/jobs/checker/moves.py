"""What may follow, looked up: the real code runs once for each memory and each thing that it could find in the folder.

A turn asks for a few places of a folder only, and what it asks for next depends on what it found there. So all turns
of one memory make a tree: a place to ask for, and a branch for each file found there. A leaf holds what follows, as
changes, which are the same for every folder that leads there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.jobs.checker.files import Files
from tests.jobs.checker.folder import As, Folder
from tests.jobs.checker.minds import Mind, Strangers
from tests.jobs.checker.workers import Part


class Change(NamedTuple):
    """What follows, for every folder that looks alike to the turn."""

    mind: Any
    places: tuple[tuple[int, int], ...]
    cost: int
    text: str
    broken: str
    tidy: Callable[[bytes], bytes]


class After(NamedTuple):
    """What follows from one folder."""

    mind: Any
    folder: bytes
    cost: int
    text: str
    broken: str


class Fork:
    """The next place that is asked for, and what follows by what is found there."""

    __slots__ = ("branches", "place", "table")

    def __init__(self, place: int, table: list[int]) -> None:
        self.place, self.table = place, table
        self.branches: dict[int, Fork | list[Change]] = {}


class Moves:
    """The moves of one kind of user of a folder, in parts that ask for different things.

    Args:
        files: the folder's names.
        parts: what a memory may do; the same parts for the same memory, in the same order.
    """

    def __init__(self, files: Files, parts: Callable[[Any], list[Part]]) -> None:
        self.files, self.parts = files, parts
        self._tidies: dict[Any, Callable[[bytes], bytes]] = {}
        self.known: dict[Any, tuple[list[Part], list[Fork | list[Change] | None]]] = {}

    def changes(self, mind: Any, folder: bytes) -> list[Change]:
        known = self.known.get(mind)
        if known is None:
            parts = self.parts(mind)
            known = self.known[mind] = (parts, [None] * len(parts))
        found: list[Change] = []
        parts, roots = known
        for number, node in enumerate(roots):
            while type(node) is Fork:
                node = node.branches.get(node.table[folder[node.place]])
            leaf = self._learn(parts[number], roots, number, folder) if node is None else node
            assert isinstance(leaf, list)
            found += leaf
        return found

    def _learn(self, part: Part, roots: list[Fork | list[Change] | None], number: int, folder: bytes) -> list[Change]:
        seen = Folder(folder)
        found = [
            Change(
                after.mind,
                tuple(after.folder.changes.items()),
                after.cost,
                after.text,
                after.broken,
                self._tidy(after.mind),
            )
            for after in part(seen)
        ]
        asked = list(seen.asked)
        if not asked:
            roots[number] = found
            return found
        node = roots[number] or self._fork(asked[0])
        roots[number] = node
        for one, following in zip(asked, [*asked[1:], None], strict=True):
            assert isinstance(node, Fork)
            assert node.place == one[0], "a turn asked the same folder for something else"
            assert node.table is self.files.classes[one[1]]
            value = node.table[folder[node.place]]
            if following is None:
                node.branches[value] = found
            else:
                node = node.branches.setdefault(value, self._fork(following))
        return found

    def all_changes(self) -> Iterator[Change]:
        """Everything that was learnt so far."""
        nodes = [node for _, roots in self.known.values() for node in roots if node is not None]
        while nodes:
            node = nodes.pop()
            if isinstance(node, Fork):
                nodes += node.branches.values()
            else:
                yield from node

    def _fork(self, asked: tuple[int, As]) -> Fork:
        return Fork(asked[0], self.files.classes[asked[1]])

    def after(self, change: Change, folder: bytes) -> bytes:
        """The folder after it, without what can matter no more."""
        if change.places:
            changed = bytearray(folder)
            for place, file in change.places:
                changed[place] = file
            folder = bytes(changed)
        return change.tidy(folder)

    def tidied(self, mind: Any, folder: bytes) -> bytes:
        return self._tidy(mind)(folder)

    def _tidy(self, mind: Any) -> Callable[[bytes], bytes]:
        """Leaves out of a folder what can matter no more."""
        if not self.files.shape.is_reduced or isinstance(mind, Strangers):
            return lambda folder: folder
        if mind not in self._tidies:
            owner, kept = mind.temps
            if isinstance(mind, Mind):
                who, claims, old = mind.who, mind.open_claims, mind.old
                self._tidies[mind] = lambda folder: self.files.settle(
                    self.files.disown(folder, owner, kept), who, claims, old
                )
            else:
                self._tidies[mind] = lambda folder: self.files.disown(folder, owner, kept)
        return self._tidies[mind]

    def next(self, mind: Any, folder: bytes) -> list[After]:
        """What may follow, with the folders that come of it."""
        return [
            After(change.mind, self.after(change, folder), change.cost, change.text, change.broken)
            for change in self.changes(mind, folder)
        ]
