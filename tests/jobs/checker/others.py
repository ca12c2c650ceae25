"""Who else touches the folder: people who give commands, strangers who remove leases, and puts that arrive late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from jobs import layout
from jobs.store import Finished
from jobs.verbs import Cancel, Requeue
from tests.jobs.checker.driving import BEYOND, At, Driver, Turn
from tests.jobs.checker.folder import Folder
from tests.jobs.checker.minds import Operator, Strangers
from tests.jobs.checker.shape import EXPERIMENT, job_id
from tests.jobs.checker.workers import Next, Part

Command = Callable[[str, str, str], Any]


def requeue_fresh(experiment: str, job: str, temp: str) -> Requeue:
    return Requeue(experiment, job, temp, fresh=True)


COMMANDS: Final[tuple[Command, ...]] = (Cancel, Requeue, requeue_fresh)


@dataclass(frozen=True)
class Operators:
    """The moves of people: each gives so many commands, one after another, and may stop in the middle of any."""

    driver: Driver
    commands: tuple[Command, ...]

    def parts(self, operator: Operator) -> list[Part]:
        if operator.at is not None:
            return [partial(self._go_on, operator, operator.at)]
        if operator.given >= self.driver.files.shape.commands[operator.who]:
            return []
        jobs = range(self.driver.files.shape.jobs)
        return [partial(self._give, operator, job, command) for job in jobs for command in self.commands]

    def _go_on(self, operator: Operator, at: At, folder: Folder) -> Iterator[Next]:
        for turn in self.driver.turns(at, folder, dict(operator.made)):
            yield self._after(operator, turn)

    def _give(self, operator: Operator, job: int, command: Command, folder: Folder) -> Iterator[Next]:
        temp = layout.command_temp(f"{operator.who}-{operator.given}")
        begun = operator._replace(given=operator.given + 1)
        where = self.driver.start(command(EXPERIMENT, job_id(job), temp))
        for turn in self.driver.settle(Turn(where, folder)):
            assert isinstance(turn.where, At)
            for after in self.driver.turns(turn.where, folder, dict(turn.made)):
                found = self._after(begun._replace(made=turn.made), after)
                yield found._replace(text=f" {command.__name__} {job_id(job)}:{found.text}")

    def _after(self, operator: Operator, turn: Turn) -> Next:
        where = turn.where
        if isinstance(where, Finished):
            said = BEYOND if where.result is BEYOND else where.result.answer.name
            return Next(operator._replace(at=None, made=()), turn.folder, turn.cost, f"{turn.text} {said}")
        made = tuple(sorted({**dict(operator.made), **dict(turn.made)}.items()))
        return Next(operator._replace(at=where, made=made), turn.folder, turn.cost, turn.text)


@dataclass(frozen=True)
class Accidents:
    """What happens to the folder itself."""

    driver: Driver

    def parts(self, strangers: Strangers) -> list[Part]:
        removals = self.driver.files.leases if self.driver.has_accidents else ()
        return [partial(self._arrive, strangers), *(partial(self._remove, strangers, place) for place in removals)]

    def _arrive(self, strangers: Strangers, folder: Folder) -> Iterator[Next]:
        if folder.has(self.driver.files.late_place):
            yield Next(strangers, self.driver.files.arrived(folder), text=" a late put ARRIVES")

    def _remove(self, strangers: Strangers, place: int, folder: Folder) -> Iterator[Next]:
        if folder.has(place):
            text = f" a stranger REMOVES {self.driver.files.paths[place]}"
            yield Next(strangers, self.driver.files.with_file(folder, place, 0), 1, text)
