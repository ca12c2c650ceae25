"""The words by which all commands choose jobs, and what a shell completes them to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_MOST_COMPLETIONS: Final = 100


def _root(context: click.Context) -> Path:
    # A shell that completes has parsed the words before, and called nothing.
    root: Path = context.find_root().params["root"]
    return root


def complete_experiment(context: click.Context, _: click.Parameter, start: str) -> list[str]:
    """Experiments of the root that begin so."""
    from jobs.plan import experiments

    return [name for name in _experiments(experiments, _root(context)) if name.startswith(start)]


def _experiments(listed: Callable[[Path], list[str]], root: Path) -> list[str]:
    try:
        return listed(root)
    except OSError:  # nothing can be said here, and nothing is what a shell shows
        return []


def complete_job(context: click.Context, _: click.Parameter, start: str) -> list[str]:
    """Jobs of the root that begin so."""
    return list(_jobs(context, start)) if start else []


def complete_selector(context: click.Context, parameter: click.Parameter, start: str) -> list[str]:
    """Experiments, and jobs once a letter is typed."""
    return complete_experiment(context, parameter, start) + complete_job(context, parameter, start)


def _jobs(context: click.Context, start: str) -> Iterator[str]:
    from itertools import islice

    from jobs.plan import experiments
    from jobs.selecting import read_index

    root, only = _root(context), context.params.get("experiment")
    for name in [only] if only else _experiments(experiments, root):
        ids = (job for job in read_index(root, name).order if job.startswith(start))
        yield from islice(ids, _MOST_COMPLETIONS)


def complete_states(_: click.Context, __: click.Parameter, start: str) -> list[str]:
    """Names of states, after a comma too."""
    from jobs.snapshot import State

    before, comma, last = start.rpartition(",")
    return [before + comma + state for state in State if state.startswith(last)]


def experiment_option(command: F) -> F:
    """`-e`: the only experiment to look at."""
    option = click.option(
        "-e", "--experiment", metavar="NAME", help="Look at this experiment only.", shell_complete=complete_experiment
    )
    return option(command)


def job_argument(command: F) -> F:
    """A command that is about one job."""
    return click.argument("job", shell_complete=complete_job)(experiment_option(command))


def selecting(command: F) -> F:
    """A command that is about any jobs; it gets what was said of them as keywords."""
    options = (
        click.argument("selectors", metavar="[SELECTOR]...", nargs=-1, shell_complete=complete_selector),
        click.option("--where", metavar="CONDITION", help="Only jobs whose cell is so: 'loss=focal and seed<3'."),
        click.option(
            "--state",
            "states",
            metavar="STATE[,STATE...]",
            help="Only jobs in one of these states: failed,silent.",
            shell_complete=complete_states,
        ),
        experiment_option,
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Only show which jobs are meant."),
        click.option("--json", "as_json", is_flag=True, help="Tell what was done as JSON (schema 1)."),
    )
    for option in reversed(options):
        command = option(command)
    return command
