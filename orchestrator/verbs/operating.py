"""From what a person typed to what is done: choose, show, ask, carry out, tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from jobs.errors import InputError
from jobs.plan import PlanIndex
from jobs.selecting import Chosen, Wanted, choose
from jobs.snapshot import UNTRIED, JobState
from orchestrator.status import unreadable

SHOWN_JOBS: Final = 5


class Result(Protocol):
    """What came of a verb."""

    def lines(self) -> list[str]: ...

    def as_json(self) -> dict[str, Any]: ...

    def raise_if_wrong(self) -> None: ...


class Action(Protocol):
    """A verb."""

    @property
    def verb(self) -> str: ...

    def remarks(self, root: Path, chosen: Chosen) -> list[str]: ...

    def carry_out(self, root: Path, chosen: Chosen, tell: Callable[[int], None]) -> Result: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person wants it done: without a question, only shown, told as JSON."""

    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a person is.

    Attributes:
        say: for what was asked for; show: for what is shown beside it.
        ask: a question that is answered by yes or no; None: nobody is there.
        width: in characters.
        progress: from how many to a context that is told how many are done.
    """

    say: Callable[[str], None]
    show: Callable[[str], None]
    ask: Callable[[str], bool] | None
    width: int
    progress: Callable[[int], AbstractContextManager[Callable[[int], None]]]


def operate(root: Path, action: Action, wanted: Wanted, manner: Manner, terminal: Terminal) -> None:
    """Do what a person asked for.

    Raises:
        InputError: nothing is meant, all of it is refused, or nobody can be asked.
        HostUnfitError: the folder does not take it.
    """
    try:
        chosen = choose(root, wanted)
        if manner.dry_run:
            terminal.say(_dry_run(root, action, chosen, manner, terminal.width))
            return
        if not manner.yes and not _is_agreed(root, action, chosen, terminal):
            terminal.show("nothing was changed")
            return
        with terminal.progress(len(chosen)) as tell:
            result = action.carry_out(root, chosen, tell)
    except OSError as error:
        raise unreadable(root, error) from error
    for line in [json.dumps(result.as_json())] if manner.as_json else result.lines():
        terminal.say(line)
    result.raise_if_wrong()


def _is_agreed(root: Path, action: Action, chosen: Chosen, terminal: Terminal) -> bool:
    remarks = action.remarks(root, chosen)
    if terminal.ask is None:
        problem = f"orch cannot ask here whether to {action.verb} {whom(chosen)}"
        raise InputError(problem, "add -y to do it, or --dry-run to see them")
    terminal.show("\n".join([*preview(chosen, terminal.width), *remarks]))
    return terminal.ask(f"{action.verb} {whom(chosen)}?")


def _dry_run(root: Path, action: Action, chosen: Chosen, manner: Manner, width: int) -> str:
    if not manner.as_json:
        lines = [f"would {action.verb} {whom(chosen)}", *preview(chosen, width), *action.remarks(root, chosen)]
        return "\n".join(lines)
    jobs = [{"experiment": experiment, "job": job.job, "state": job.state.value} for experiment, job in chosen]
    whole = sorted(chosen.whole)
    return json.dumps({"schema": 1, "dry_run": True, "states": chosen.counts(), "whole": whole, "jobs": jobs})


def whom(chosen: Chosen) -> str:
    """Which jobs, in a few words."""
    names = " and ".join(sorted(chosen.whole | chosen.jobs.keys()))
    if len(chosen) == 1 and not chosen.whole:
        ((_, job),) = chosen
        return f"{job.job} of {names}"
    return f"{len(chosen)} {'job' if len(chosen) == 1 else 'jobs'} of {names}"


def preview(chosen: Chosen, width: int) -> list[str]:
    """How many are in which state, and the first few of them."""
    counts = "  ".join(f"{state} {count}" for state, count in chosen.counts().items())
    shown = [(chosen.plans[experiment], job) for experiment, job in _first(chosen)]
    if not shown:
        return ["no jobs yet"]
    longest = max(len(job.job) for _, job in shown)
    lines = [_clipped(f"  {job.job:{longest}}  {job.state:9}  {_words(plan, job)}", width) for plan, job in shown]
    more = len(chosen) - len(shown)
    return [counts, *lines, *([f"  and {more} more"] if more else [])]


def _first(chosen: Chosen) -> list[tuple[str, JobState]]:
    # One more than a line that says "and 1 more" would take.
    most = SHOWN_JOBS + 1 if len(chosen) == SHOWN_JOBS + 1 else SHOWN_JOBS
    return [pair for pair, _ in zip(chosen, range(most), strict=False)]


def _words(plan: PlanIndex, job: JobState) -> str:
    if job.reason and job.reason != UNTRIED:
        return " ".join(job.reason.split())
    return " ".join(f"{key}={value}" for key, value in plan.spec(job.job).cell.items())


def _clipped(line: str, width: int) -> str:
    return line.rstrip() if len(line) <= width else line[: max(width - 3, 20)].rstrip() + "..."
