"""A whole world: its folder, who uses it, and the search over it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

from jobs import claims
from tests.jobs.checker.driving import Driver
from tests.jobs.checker.files import Files
from tests.jobs.checker.minds import Mind, Operator, Renamer, Strangers, fresh_mind
from tests.jobs.checker.moves import Moves
from tests.jobs.checker.others import COMMANDS, Accidents, Command, Operators
from tests.jobs.checker.promises import Promises
from tests.jobs.checker.search import Search
from tests.jobs.checker.shape import Shape, sid_of
from tests.jobs.checker.simpler import Simpler
from tests.jobs.checker.workers import Code, Workers


@contextlib.contextmanager
def small_budgets(evicted: int = 2, interrupted: int = 2) -> Iterator[None]:
    """Budgets that three attempts can spend."""
    with mock.patch.object(claims, "MAX_EVICTED", evicted), mock.patch.object(claims, "MAX_INTERRUPTED", interrupted):
        yield


def search_of(
    shape: Shape,
    code: Code | None = None,
    workers_type: type[Workers] = Workers,
    commands: tuple[Command, ...] = COMMANDS,
    *,
    simplifies: bool = True,
) -> Search:
    files = Files(shape)
    driver = Driver(files, shape.attempts, has_accidents=shape.faults != 0)
    workers = workers_type(driver, shape.sessions, code)
    operators, accidents = Operators(driver, commands), Accidents(driver)
    folder = files.empty
    for worker in range(shape.workers):
        folder = files.open_lease(folder, sid_of(worker, 0))
    minds = [fresh_mind(worker, shape.jobs) for worker in range(shape.workers)]
    givers = [Operator(number) for number in range(len(shape.commands))]
    working, giving = Moves(files, workers.parts), Moves(files, operators.parts)
    moves = [*[working] * len(minds), *[giving] * len(givers), Moves(files, accidents.parts)]
    # Where puts may come late, a marker from the record itself and one from the end are not told to be alike.
    is_on = shape.is_reduced and simplifies and not shape.has_late_puts
    return Search(
        files=files,
        renamer=Renamer(files, driver),
        moves=moves,
        simpler=Simpler(files, {Mind: working, Operator: giving}, is_on=is_on),
        start=(folder, *minds, *givers, Strangers()),
        broken=Promises(files).broken,
        faults=shape.faults,
    )
