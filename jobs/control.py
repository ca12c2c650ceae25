"""What people ask of all workers: hold, release, priority. Numbered registers; the number is the order."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from jobs import layout
from jobs.errors import HostUnfitError, InputError
from jobs.fitness import unfit
from jobs.store import Failed, FolderStore, List, Make, Put, Read, Sync, Won

SCHEMA: Final = 1
NEWER_REMEDY: Final = "update orch on this host"
GARBAGE_REMEDY: Final = "move it away, then say again what was said after it"

_PUT_TRIES: Final = 25
_PAUSE_SECONDS: Final = 0.2  # between tries while the folder does not say what became of a put


class Verb(StrEnum):
    """What may be asked."""

    HOLD = "hold"
    RELEASE = "release"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Command:
    """One register of `.orch/control`.

    Attributes:
        experiment: the only one it speaks of.
        jobs: which of its jobs; None: all, those that are planned later too.
        priority: of the verb `priority` alone: larger first.
    """

    verb: Verb
    experiment: str
    jobs: frozenset[str] | None
    priority: int | None = None

    def encode(self) -> bytes:
        body: dict[str, Any] = {"schema": SCHEMA, "verb": self.verb.value, "experiment": self.experiment}
        body["jobs"] = None if self.jobs is None else sorted(self.jobs)
        if self.priority is not None:
            body["priority"] = self.priority
        return json.dumps(body, separators=(",", ":")).encode() + b"\n"


class NewerSchemaError(ValueError):
    """A register that a later version of this program has written."""


def decode_command(data: bytes) -> Command:
    """What a register says.

    Raises:
        NewerSchemaError: a later version wrote it.
        ValueError: it is no command.
    """
    body = json.loads(data)
    schema = body.get("schema") if isinstance(body, dict) else None
    if type(schema) is not int or schema < 1:
        raise ValueError("it is no command")
    if schema > SCHEMA:
        raise NewerSchemaError(f"it has schema {schema}, this orch knows {SCHEMA}")
    verb, jobs, priority = Verb(body.get("verb")), body.get("jobs"), body.get("priority")
    if not isinstance(body.get("experiment"), str) or (type(priority) is int) != (verb is Verb.PRIORITY):
        raise ValueError("it is no command")
    if jobs is not None and not (isinstance(jobs, list) and all(isinstance(job, str) for job in jobs)):
        raise ValueError("it names no jobs")
    return Command(verb, body["experiment"], None if jobs is None else frozenset(jobs), priority)


T = TypeVar("T")


@dataclass(slots=True)
class _Newest(Generic[T]):
    """The newest that was said of an experiment as a whole, and what was said of single jobs after that."""

    whole: T | None = None
    jobs: dict[str, T] = field(default_factory=dict)

    def note(self, jobs: frozenset[str] | None, value: T) -> None:
        if jobs is None:
            self.whole = value
            self.jobs.clear()
        else:
            self.jobs.update(dict.fromkeys(jobs, value))

    def of(self, job: str) -> T | None:
        return self.jobs.get(job, self.whole)


@dataclass
class ControlLog:
    """Everything that was read of `.orch/control`; the numbers have no gaps, and a listing may be late.

    Attributes:
        files: how many registers were read.
        problem: a line about the register that stops the reading: it cannot be understood; "": none does.
        remedy: what to do about the problem.
        strangers: names in the folder that are no register, as the last listing had them.
    """

    files: int = 0
    problem: str = ""
    remedy: str = ""
    strangers: list[str] = field(default_factory=list)
    _held: dict[str, _Newest[bool]] = field(default_factory=dict)
    _priority: dict[str, _Newest[int]] = field(default_factory=dict)

    def refresh(self, store: FolderStore) -> bool:
        """Read the registers that are new; whether there were any, or the problem is another than before."""
        before = self.files, self.problem
        names = store.answer(List(layout.CONTROL))
        if not isinstance(names, tuple):
            return False
        numbers = {name: layout.control_number(name) for name in names}
        self.strangers = sorted(name for name, number in numbers.items() if number is None)
        there = {number for number in numbers.values() if number is not None}
        self.problem = self.remedy = ""
        while self.files + 1 in there and self._read_next(store):
            pass
        return (self.files, self.problem) != before

    def _read_next(self, store: FolderStore) -> bool:
        path = layout.control_file(self.files + 1)
        data = store.answer(Read(path))
        if not isinstance(data, bytes):
            return False
        try:
            command = decode_command(data)
        except NewerSchemaError as error:
            self.problem, self.remedy = f"{path}: {error}", NEWER_REMEDY
            return False
        except (ValueError, RecursionError):
            self.problem, self.remedy = f"{path}: no command that orch wrote", GARBAGE_REMEDY
            return False
        self.files += 1
        self._note(command)
        return True

    def _note(self, command: Command) -> None:
        if command.priority is not None:
            self._priority.setdefault(command.experiment, _Newest()).note(command.jobs, command.priority)
        else:
            self._held.setdefault(command.experiment, _Newest()).note(command.jobs, command.verb is Verb.HOLD)

    def is_held(self, experiment: str, job: str) -> bool:
        """Whether the newest hold or release that speaks of a job is a hold."""
        held = self._held.get(experiment)
        return held is not None and held.of(job) is True

    def held_as(self, experiment: str, job: str) -> str:
        """What `orch release` is to name so that a job is no longer held: the job, its experiment, or "": not held."""
        held = self._held.get(experiment)
        if held is None or not self.is_held(experiment, job):
            return ""
        return job if job in held.jobs else experiment

    def priority(self, experiment: str, job: str, planned: int) -> int:
        """A job's priority: the newest that was asked for, else the plan's."""
        asked = self._priority.get(experiment)
        newest = asked.of(job) if asked is not None else None
        return planned if newest is None else newest


def add_command(store: FolderStore, command: Command) -> int:
    """Put a command behind all that are there, on disk; its number.

    Raises:
        InputError: what stands there cannot be understood, so workers would never read what comes after it.
        HostUnfitError: the folder cannot be written, or does not say what became of it.
    """
    temp = layout.command_temp(os.urandom(8).hex())
    try:
        made = store.answer(Make(temp, command.encode()))
        if isinstance(made, Failed):
            raise HostUnfitError(f"the {command.verb} could not be written: {made.error}", "try again")
        number = _put(store, temp, command)
        synced = store.answer(Sync(layout.CONTROL))
        if isinstance(synced, Failed):
            raise HostUnfitError(f"the {command.verb} could not be synced: {synced.error}", "say it again")
        return number
    except OSError as error:
        raise unfit(error) from error
    finally:
        with contextlib.suppress(OSError):
            (store.root / temp).unlink()


def _put(store: FolderStore, temp: str, command: Command) -> int:
    log, number, unknown = ControlLog(), 0, 0
    while unknown < _PUT_TRIES:
        log.refresh(store)
        if log.problem:
            raise InputError(log.problem, log.remedy)
        # Who was told that a number is taken knows so even where no listing shows it yet. One whose fate is unknown is
        # asked for again.
        number = max(number, log.files + 1) if not unknown else number
        won = store.answer(Put(temp, layout.control_file(number)))
        if won is Won.MINE:
            return number
        if won is Won.GONE:
            break
        if won is Won.THEIRS:
            number, unknown = number + 1, 0
        else:
            unknown += 1
            time.sleep(_PAUSE_SECONDS)
    raise HostUnfitError(f"the folder did not say whether it took the {command.verb}", "look (orch status), try again")
