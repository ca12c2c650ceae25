"""What a worker remembers between two requests."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

from jobs import layout
from jobs.claims import NOTHING, Names
from jobs.queue import Claim
from jobs.store import Stamp
from tests.jobs.checker.driving import At, Driver
from tests.jobs.checker.files import Files
from tests.jobs.checker.naming import Naming
from tests.jobs.checker.shape import job_number, sid_of

Key = tuple[int, int]  # job, attempt
WORKS, LEAVES, GONE = "works", "leaves", "gone"


class Mind(NamedTuple):
    """A worker.

    Attributes:
        who: its number; number: of its current session; first: of the first session of this process.
        roll: which set of tickets it uses.
        views: what it knows of each job's names.
        tried: claims that this session has put, or may have put; ran: attempts that this process has begun.
        running: attempts that a slot runs; unsent: ends that it could not put, by the private file that holds them.
        unknown: claims to be asked again.
        at, about: the operation under way, and what it is for; asking: a claim under way, as it began.
    """

    who: int
    views: tuple[Names, ...]
    state: str = WORKS
    number: int = 0
    first: int = 0
    roll: int = 0
    tried: frozenset[Key] = frozenset()
    ran: frozenset[Key] = frozenset()
    running: frozenset[Key] = frozenset()
    unsent: frozenset[tuple[int, int, str]] = frozenset()
    unknown: tuple[At, ...] = ()
    at: At | None = None
    about: tuple[Any, ...] = ()
    asking: At | None = None

    @property
    def sid(self) -> str:
        return sid_of(self.who, self.number)

    @property
    def past(self) -> frozenset[str]:
        return frozenset(sid_of(self.who, number) for number in range(self.first, self.number))

    @property
    def held(self) -> frozenset[Key]:
        """Attempts that a slot runs, or whose end is on its way."""
        return self.running | {(job, attempt) for job, attempt, _ in self.unsent}

    @property
    def temps(self) -> tuple[str, frozenset[str]]:
        """What its private files begin with, and those that it may still put."""
        return f"{layout.TMP}/{self.who:08x}", frozenset(temp for _, _, temp in self.unsent)

    @property
    def open_claims(self) -> frozenset[Key]:
        """Attempts that it may still put, run or end."""
        waiting = [(job_number(at.operation.job.id), at.operation.attempt) for at in self.unknown]
        if self.at is not None and isinstance(self.at.operation, Claim):
            waiting.append((job_number(self.at.operation.job.id), self.at.operation.attempt))
        return self.held | frozenset(waiting)

    @property
    def old(self) -> tuple[str, ...]:
        """Its sessions that no living process of it knows."""
        known = self.number + 1 if self.state == GONE else self.first
        return tuple(sid_of(self.who, number) for number in range(known))

    def noting(self, job: int, names: Names) -> Mind:
        views = list(self.views)
        views[job] = views[job].merged(names)
        return self._replace(views=tuple(views))


class Operator(NamedTuple):
    """Someone who gives commands, one after another.

    Attributes:
        given: how many commands so far; made: private files of the command under way.
    """

    who: int
    given: int = 0
    made: tuple[tuple[str, bytes], ...] = ()
    at: At | None = None

    @property
    def temps(self) -> tuple[str, frozenset[str]]:
        return layout.command_temp(f"{self.who}-"), frozenset(f"{path} {data.decode()}" for path, data in self.made)


class Strangers(NamedTuple):
    """Everything that happens to the folder itself."""


def fresh_mind(who: int, jobs: int, number: int = 0) -> Mind:
    return Mind(who, (NOTHING,) * jobs, number=number, first=number)


class Renamer:
    """Minds under other names of workers and jobs."""

    def __init__(self, files: Files, driver: Driver) -> None:
        self.files, self.driver = files, driver

    def renamed(self, mind: Any, naming: Naming) -> Any:
        if isinstance(mind, Mind):
            return self._mind(mind, naming)
        if isinstance(mind, Operator) and mind.at is not None:
            made = tuple((path, data) for path, data in mind.made)
            return mind._replace(at=self._value(mind.at, naming), made=made)
        return mind

    def known(self, mind: Any) -> Any:
        """The same memory with this driver's objects in it: of one that was read from a file."""
        naming = Naming(tuple(range(self.files.shape.workers)), tuple(range(self.files.shape.jobs)))
        return self.renamed(mind, naming)

    def _mind(self, mind: Mind, naming: Naming) -> Mind:
        views = [NOTHING] * len(mind.views)
        for job, names in enumerate(mind.views):
            views[naming.jobs[job]] = names
        return mind._replace(
            who=naming.worker(mind.who),
            views=tuple(views),
            tried=_keys(mind.tried, naming),
            ran=_keys(mind.ran, naming),
            running=_keys(mind.running, naming),
            unsent=frozenset((naming.jobs[job], attempt, naming.text(temp)) for job, attempt, temp in mind.unsent),
            unknown=tuple(self._value(at, naming) for at in mind.unknown),
            at=self._value(mind.at, naming),
            about=_about(mind.about, naming),
            asking=self._value(mind.asking, naming),
        )

    def _value(self, value: Any, naming: Naming) -> Any:
        if isinstance(value, At):
            return self.driver.at(self._value(value.operation, naming), self._value(value.request, naming))
        if isinstance(value, str):
            return naming.text(value)
        if isinstance(value, Stamp):
            return replace(value, inode=self.files.renamed_stamp(value, naming))
        if isinstance(value, frozenset | tuple):
            return type(value)(self._value(part, naming) for part in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(
                value, **{f.name: self._value(getattr(value, f.name), naming) for f in fields(value) if f.init}
            )
        return value


def _keys(keys: frozenset[Key], naming: Naming) -> frozenset[Key]:
    return frozenset((naming.jobs[job], attempt) for job, attempt in keys)


def _about(about: tuple[Any, ...], naming: Naming) -> tuple[Any, ...]:
    """Jobs stand in it by number behind the first word, sessions by name."""
    if about and about[0] in {"claim", "publish"}:
        return (about[0], naming.jobs[about[1]], *map(_text_of(naming), about[2:]))
    return tuple(map(_text_of(naming), about))


def _text_of(naming: Naming) -> Any:
    return lambda part: naming.text(part) if isinstance(part, str) else part
