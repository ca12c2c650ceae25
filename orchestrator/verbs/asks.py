"""`orch hold`, `release` and `priority`: asked of all workers at once, by registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jobs.control import Command, ControlLog, Verb, add_command
from jobs.errors import InputError
from jobs.selecting import Chosen
from jobs.snapshot import State
from jobs.store import FolderStore

_MOST: Final = 10**9  # a priority, either way


@dataclass(frozen=True, slots=True)
class Ask:
    """A verb that all workers go by.

    Attributes:
        verb: which.
        priority: of `priority` alone.
    """

    kind: Verb
    priority: int | None = None

    @property
    def verb(self) -> str:
        return self.kind.value if self.priority is None else f"give priority {self.priority} to"

    @property
    def past(self) -> str:
        past = {Verb.HOLD: "held", Verb.RELEASE: "released"}
        return past.get(self.kind, f"priority {self.priority} for")

    def remarks(self, root: Path, chosen: Chosen) -> list[str]:
        """What a person should know before.

        Raises:
            InputError: what stands in the folder cannot be understood, so nothing can be asked.
        """
        log = ControlLog()
        log.refresh(FolderStore(root))
        if log.problem:
            raise InputError(log.problem, log.remedy)
        if self.kind is Verb.RELEASE:
            count = sum(log.is_held(experiment, job.job) for experiment, job in chosen)
            return [f"{count or 'none'} of them {'are' if count > 1 else 'is'} held"]
        running = chosen.counts().get(State.RUNNING, 0)
        return [f"what runs goes on: {running}"] if self.kind is Verb.HOLD and running else []

    def carry_out(self, root: Path, chosen: Chosen, tell: Callable[[int], None]) -> Asked:
        """Put one register for each experiment: for all of it, or for the jobs that were chosen.

        Raises:
            InputError: what stands in the folder cannot be understood.
            HostUnfitError: the folder does not take it.
        """
        asked, store = Asked(self), FolderStore(root)
        for experiment in sorted(chosen.whole | chosen.jobs.keys()):
            jobs = frozenset(job.job for job in chosen.jobs.get(experiment, ()))
            command = Command(self.kind, experiment, None if experiment in chosen.whole else jobs, self.priority)
            asked.put.append((add_command(store, command), command, len(jobs)))
            tell(sum(count for *_, count in asked.put))
        return asked


@dataclass
class Asked:
    """What was asked: number, command, and how many jobs that are there it speaks of."""

    ask: Ask
    put: list[tuple[int, Command, int]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        return [f"{self.ask.past} {_whom(command, count)}" for _, command, count in self.put]

    def as_json(self) -> dict[str, Any]:
        commands = []
        for number, command, _ in self.put:
            jobs = None if command.jobs is None else sorted(command.jobs)
            commands.append({"number": number, "experiment": command.experiment, "jobs": jobs})
        priority = {} if self.ask.priority is None else {"priority": self.ask.priority}
        return {"schema": 1, "verb": self.ask.kind.value, **priority, "commands": commands}

    def raise_if_wrong(self) -> None:
        """Nothing of it can be refused."""


def _whom(command: Command, count: int) -> str:
    if command.jobs is None:
        return f"all of {command.experiment}: {count} jobs, and those that are planned later"
    if len(command.jobs) == 1:
        return f"{min(command.jobs)} of {command.experiment}"
    return f"{count} jobs of {command.experiment}"


def read_priority(text: str, selectors: tuple[str, ...]) -> int:
    """A priority from its text.

    Raises:
        InputError: it is no whole number, or one that nobody needs.
    """
    try:
        number = int(text)
    except ValueError as error:
        is_swapped = bool(selectors) and selectors[-1].lstrip("+-").isdecimal()
        words = [selectors[-1], text, *selectors[:-1]] if is_swapped else ["10", *(selectors or ("SELECTOR",))]
        problem = f"priority {text!r} is not a whole number"
        raise InputError(problem, f"say for example: orch priority {' '.join(words)}") from error
    if abs(number) > _MOST:
        raise InputError(f"priority {number} is out of range", f"give one between {-_MOST} and {_MOST}")
    return number
