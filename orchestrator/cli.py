"""The commands: each parses, calls one function, and prints what another rendered."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from jobs.errors import InputError, OrchError
from orchestrator.commands import exporting, looking, operating
from orchestrator.commands.choosing import complete_experiment


class _OneLineErrors(click.Group):
    """The one place where an error becomes a line and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click does it, but for errors: one line, and the exit code of its kind.

        Completion and callers that ask for `standalone_mode=False` get click's own way.
        """
        is_command_line = kwargs.get("standalone_mode", True)
        kwargs["standalone_mode"] = False
        if not is_command_line:
            return super().main(*args, **kwargs)
        try:
            sys.exit(super().main(*args, **kwargs) or 0)
        except OrchError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx is not None else "orch"
            click.echo(f"error: {error.format_message().rstrip('.')}; see {command} --help", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)
        except OSError as error:  # a server that is away has no traceback worth reading
            from jobs.fitness import unfit
            from trainers.passing import is_passing

            if not is_passing(error):
                raise
            click.echo(f"error: {unfit(error)}", err=True)
            sys.exit(3)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has seen enough; click itself would make it exit code 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(0)


class _Folder(click.Path):
    """A folder's path, not looked at: its server may be away, and `orch doctor` is to say so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        return Path(value)


_EXAMPLE = """\b
Example:
  orch plan grids/quickstart.yaml
  orch worker --gpus none --slots 2
  orch status
  orch report
"""


@click.group(
    cls=_OneLineErrors,
    epilog=_EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--root",
    type=_Folder(file_okay=False),
    default="runs",
    envvar="ORCH_ROOT",
    show_default=True,
    help="The shared folder (or ORCH_ROOT).",
)
@click.version_option(package_name="orch", prog_name="orch")
@click.pass_context
def main(context: click.Context, root: Path) -> None:
    """Run grids of experiments on hosts that share nothing but a folder.

    Shell completion: eval "$(_ORCH_COMPLETE=bash_source orch)", or zsh_source, fish_source.
    """
    if context.invoked_subcommand != "doctor" and root.is_file():
        raise click.BadParameter(f"Directory '{root}' is a file.", ctx=context, param_hint="--root")
    context.obj = root


@main.command(epilog="\b\nExample:\n  orch init && orch plan")
@click.argument("grid", type=click.Path(path_type=Path, dir_okay=False), default="grid.yaml")
def init(grid: Path) -> None:
    """Write a commented GRID to start from (default: grid.yaml)."""
    from orchestrator.planning import write_starter

    write_starter(grid)
    click.echo(f"wrote {grid}; edit it, then: orch plan" + ("" if str(grid) == "grid.yaml" else f" {grid}"))


@main.command(epilog="\b\nExample:\n  orch plan grids/quickstart.yaml --set seed=0,1 --dry-run")
@click.argument("grid", type=click.Path(path_type=Path), default="grid.yaml")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE[,VALUE...]", help="Replace a key or an axis.")
@click.option("--dry-run", is_flag=True, help="List the cells; add nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts (and cells) as JSON.")
@click.pass_obj
def plan(root: Path, grid: Path, sets: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Turn GRID (default: grid.yaml) into job specs; only what is new is added."""
    from orchestrator.planning import plan_grid, render_cells, render_plan

    planned = plan_grid(root, grid, sets, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(planned.as_json()))
        return
    if dry_run:
        for line in render_cells(planned):
            click.echo(line)
    click.echo(render_plan(planned))


@main.command(epilog="\b\nExample:\n  orch worker --gpus 0,1\n  orch worker --gpus none --slots 4")
@click.option("--gpus", metavar="0,1|all|none", help="GPUs to use, by index.  [default: all there are]")
@click.option("--slots", type=click.IntRange(min=0), help="CPU slots.  [default: as many as GPUs, or as cores]")
@click.option("--exit-when-idle", is_flag=True, help="Leave as soon as nothing can be claimed now.")
@click.option("--keep-alive", is_flag=True, help="Stay when nothing is left, and wait for new plans.")
@click.option("--max-jobs", type=click.IntRange(min=1), help="Leave after that many attempts.")
@click.pass_obj
def worker(root: Path, /, gpus: str | None, slots: int | None, **options: Any) -> None:
    """Claim, train and publish until nothing is left. Ctrl-C once: running jobs save and are released."""
    from orchestrator.gpus import choose
    from orchestrator.worker import Options, Worker

    chosen = choose(gpus)
    if slots is None:
        slots = len(chosen) or len(os.sched_getaffinity(0))
    if not chosen and slots == 0:
        raise InputError("--slots 0 without GPUs leaves nothing to run on", "give --slots 1 or more")
    code = Worker(root, chosen, slots, Options(**options, say=click.echo)).run()
    try:
        sys.stdout.flush()
    except OSError:  # what could not be said is no reason for another exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr.flush()
    os._exit(code)  # nothing is left to save, and to take the interpreter down in order takes longer than many a job


@main.command(epilog="\b\nExample:\n  orch status --watch")
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="The stable form for scripts (schema 1).")
@click.option("--failed", is_flag=True, help="Only the jobs that failed, with their errors.")
@click.pass_obj
def status(root: Path, watch: bool, as_json: bool, failed: bool) -> None:
    """Tell how far things are. Never writes, never waits for a lock."""
    from orchestrator.status import as_document, text, watch_status

    if watch:
        watch_status(root, click.clear, click.echo)
    elif as_json:
        click.echo(json.dumps(as_document(root)))
    else:
        click.echo(text(root, only_failed=failed))


@main.command(epilog="\b\nExample:\n  orch report quickstart")
@click.argument("experiment", required=False, shell_complete=complete_experiment)
@click.pass_obj
def report(root: Path, experiment: str | None) -> None:
    """Write tables, figures and one HTML page of EXPERIMENT (default: every one that has results)."""
    from rich.console import Console

    from orchestrator.reporting import write_reports

    with Console(stderr=True).status("drawing"):
        lines = list(write_reports(root, experiment))
    for line in lines:
        click.echo(line)


@main.command(epilog="\b\nExample:\n  orch doctor\n  orch doctor --crash-test --jobs 200 --seed 1")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON (schema 1).")
@click.option(
    "--seconds",
    type=click.FloatRange(min=2, max=600),
    default=8.0,
    show_default=True,
    help="How long two processes, or two hosts, may measure each other.",
)
@click.option("--crash-test", is_flag=True, help="Then work off small jobs here while workers are killed and frozen.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many jobs the crash test has.  [default: 200]")
@click.option("--seed", type=click.IntRange(min=0), help="Of the crash test's faults.  [default: a new one]")
@click.pass_obj
def doctor(root: Path, /, *, as_json: bool, seconds: float, **crash: Any) -> None:
    """Find out whether this host, its GPUs and the root are fit to work, and which lease to use.

    Leaves nothing behind. Run it on two hosts at once to measure what one sees of the other. Exit code 3: unfit.
    """
    from rich.console import Console

    from orchestrator.doctor import crashing
    from orchestrator.doctor.examination import Options, examine
    from orchestrator.doctor.rendering import render

    jobs, seed = crash["jobs"], crash["seed"]
    if not crash["crash_test"] and (jobs is not None or seed is not None):
        raise click.UsageError("--jobs and --seed belong to --crash-test")
    with Console(stderr=True).status("this host") as display:
        found = examine(root, Options(seconds=seconds, tell=display.update))
    if not as_json:
        click.echo(render(found, shutil.get_terminal_size((100, 24)).columns))
    toll = None
    if crash["crash_test"] and found.is_fit:
        toll = crashing.run(root, jobs, seed, lambda line: click.echo(line, err=True))
        if not as_json:
            click.echo("\n".join(crashing.render(toll)))
    if as_json:
        click.echo(json.dumps(found.as_json() | {"crash_test": None if toll is None else toll.as_json()}))
    found.raise_if_unfit()
    if toll is not None:
        crashing.raise_if_broken(root, toll)


for _command in (
    exporting.export,
    looking.show,
    looking.logs,
    operating.requeue,
    operating.cancel,
    operating.hold,
    operating.release,
    operating.priority,
):
    main.add_command(_command)
