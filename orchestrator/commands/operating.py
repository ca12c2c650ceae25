"""`orch requeue`, `cancel`, `hold`, `release`, `priority`: what people do to jobs."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from orchestrator.commands.choosing import selecting

if TYPE_CHECKING:
    from orchestrator.verbs.operating import Action

_MANY: Final = 200  # jobs from which on progress is shown


@click.command(
    epilog="\b\nExample:\n  orch requeue quickstart --state failed\n  orch requeue --where 'loss=focal' --fresh -y"
)
@click.option("--fresh/--resume", default=None, help="From scratch, or from checkpoints.  [default: fresh if done]")
@selecting
@click.pass_obj
def requeue(root: Path, /, *, fresh: bool | None, **asked: Any) -> None:
    """Let jobs that are over run again.

    SELECTOR: an experiment's name, a job id, or a unique beginning of one. All conditions have to be met.
    What they did before no longer counts against their bounds. A failed job resumes from its checkpoint, a done one
    begins anew.
    """
    from orchestrator.verbs.deeds import requeue as deed

    _operate(root, deed(fresh=fresh), asked)


@click.command(
    epilog="\b\nExample:\n  orch cancel quickstart --where 'seed>=3'\n  orch cancel --state silent --dry-run"
)
@selecting
@click.pass_obj
def cancel(root: Path, /, **asked: Any) -> None:
    """Withdraw jobs: they do not run, or run no further.

    SELECTOR: an experiment's name, a job id, or a unique beginning of one. All conditions have to be met.
    What waits will not run, what runs is stopped at its worker's next beat. orch requeue takes it back.
    """
    from orchestrator.verbs.deeds import CANCEL

    _operate(root, CANCEL, asked)


@click.command(epilog="\b\nExample:\n  orch hold quickstart\n  orch hold --where 'backbone=resnet50' -y")
@selecting
@click.pass_obj
def hold(root: Path, /, **asked: Any) -> None:
    """Let no worker start jobs, until orch release.

    SELECTOR: an experiment's name, a job id, or a unique beginning of one. All conditions have to be met.
    What runs goes on. An experiment that is named as a whole is held with the jobs that are planned later.
    """
    from jobs.control import Verb
    from orchestrator.verbs.asks import Ask

    _operate(root, Ask(Verb.HOLD), asked)


@click.command(epilog="\b\nExample:\n  orch release quickstart")
@selecting
@click.pass_obj
def release(root: Path, /, **asked: Any) -> None:
    """Let workers start again what was held.

    SELECTOR: an experiment's name, a job id, or a unique beginning of one. All conditions have to be met.
    """
    from jobs.control import Verb
    from orchestrator.verbs.asks import Ask

    _operate(root, Ask(Verb.RELEASE), asked)


class _NegativeNumbers(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, but -5 is a number and no option; with a space before it click takes it for a word."""
        return super().parse_args(ctx, [f" {word}" if re.fullmatch(r"-\d+", word) else word for word in args])


@click.command(cls=_NegativeNumbers, epilog="\b\nExample:\n  orch priority 10 quickstart --where 'loss=focal'")
@click.argument("number", metavar="NUMBER")
@selecting
@click.pass_obj
def priority(root: Path, /, *, number: str, **asked: Any) -> None:
    """Let workers take jobs of a larger NUMBER first.

    SELECTOR: an experiment's name, a job id, or a unique beginning of one. All conditions have to be met.
    It replaces the plan's priority, 0 unless a grid says more.
    """
    from jobs.control import Verb
    from orchestrator.verbs.asks import Ask, read_priority

    _operate(root, Ask(Verb.PRIORITY, read_priority(number.strip(), asked["selectors"])), asked)


def _operate(root: Path, action: Action, asked: dict[str, Any]) -> None:
    from jobs.selecting import Wanted
    from jobs.selector import parse_names, parse_where
    from jobs.snapshot import State
    from orchestrator.verbs.operating import Manner, Terminal, operate

    states = parse_names(asked["states"], [*State], "--state") if asked["states"] is not None else ()
    wanted = Wanted(
        asked["selectors"],
        parse_where(asked["where"]) if asked["where"] is not None else None,
        frozenset(map(State, states)),
        asked["experiment"],
    )
    terminal = Terminal(
        say=click.echo,
        show=lambda text: click.echo(text, err=asked["as_json"]),
        ask=(lambda text: click.confirm(text, err=asked["as_json"])) if sys.stdin.isatty() else None,
        width=shutil.get_terminal_size((100, 24)).columns,
        progress=_progress,
    )
    operate(root, action, wanted, Manner(asked["yes"], asked["dry_run"], asked["as_json"]), terminal)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where a person sees it and there is something to wait for."""
    if total < _MANY or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("jobs", total=total)
        yield lambda done: bar.update(task, completed=done)
