"""Many commands to jobs of one shard, in step: one listing and one sync for all of them, one private file to link."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jobs import layout
from jobs.store import Finished, FolderStore, List, Make, Operation, Put, Reply, Request, Sync, Unlink
from jobs.verbs import Answer, Cancel, Commanded, Requeue

LINKS_A_FILE: Final = 500  # file systems bound the names of a file; the least that is met is 1,023


@dataclass(slots=True)
class _File:
    path: str
    links: int = 0


@dataclass(slots=True)
class _Flight:
    """One command under way.

    Attributes:
        source: the private file that it links.
    """

    operation: Operation[Commanded]
    job: str
    source: str = ""
    result: Commanded = field(default_factory=lambda: Commanded(Answer.UNKNOWN))


@dataclass
class Bulk:
    """Carries out commands over a root; what it made for them is gone after `tidy`."""

    store: FolderStore
    _files: dict[bytes, _File] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    def carry_out(self, commands: Sequence[Cancel | Requeue]) -> list[Commanded]:
        """Take every command to its end; all are on disk, or said not to be, when this returns.

        A listing, or a sync, that several ask for is made once, after the last of them has come so far: so none
        decides by what was seen before it asked.

        Args:
            commands: to different jobs; one name of a private file for all of them, so that they write the same.
        """
        flights = [_Flight(command, command.job) for command in commands]
        replies: list[tuple[_Flight, Reply]] = [(flight, None) for flight in flights]
        while replies:
            asked: dict[Request, list[_Flight]] = {}
            for flight, reply in replies:
                request = self._advance(flight, reply)
                if request is not None:
                    asked.setdefault(request, []).append(flight)
            replies = [pair for request, who in asked.items() for pair in self._answer_all(request, who)]
        return [flight.result for flight in flights]

    def _advance(self, flight: _Flight, reply: Reply) -> Request | None:
        """Let a command go on until it asks for what others may ask for too; None: it is over."""
        while not isinstance(outcome := flight.operation.step(reply), Finished):
            flight.operation, request = outcome
            if isinstance(request, List | Sync):
                return request
            reply = self._answer(flight, request)
        flight.result = outcome.result
        return None

    def _answer(self, flight: _Flight, request: Request) -> Reply:
        match request:
            case Make(_, data):
                return self._make(flight, data)
            case Put(_, target):
                return self.store.answer(Put(flight.source, target))
            case Unlink():
                return None  # the others link it too
            case _:
                return self.store.answer(request)

    def _make(self, flight: _Flight, data: bytes) -> Reply:
        file = self._files.get(data)
        if file is None or file.links >= LINKS_A_FILE:
            path = new_temp()
            self._made.append(path)
            reply = self.store.answer(Make(path, data))
            if reply is not None:
                return reply
            file = self._files[data] = _File(path)
        file.links += 1
        flight.source = file.path
        return None

    def _answer_all(self, request: Request, who: Iterable[_Flight]) -> Iterable[tuple[_Flight, Reply]]:
        reply = self.store.answer(request)
        if isinstance(request, List) and isinstance(reply, tuple):
            names = _by_job(reply)
            return [(flight, names.get(flight.job, ())) for flight in who]
        return [(flight, reply) for flight in who]

    def tidy(self) -> None:
        """Remove the private files."""
        for path in self._made:
            with contextlib.suppress(OSError):
                (self.store.root / path).unlink()
        self._made.clear()
        self._files.clear()


def new_temp() -> str:
    """The path of a private file that nobody else has."""
    return layout.command_temp(os.urandom(8).hex())


def _by_job(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """A shard's names by job, so that a command looks through those of its own job only."""
    found: dict[str, Any] = {}
    for name in names:
        found.setdefault(name.partition(".")[0], []).append(name)
    return {job: tuple(those) for job, those in found.items()}
