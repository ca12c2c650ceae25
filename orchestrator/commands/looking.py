"""`orch show` and `orch logs`: one job from near."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from orchestrator.commands.choosing import job_argument


@click.command(epilog="\b\nExample:\n  orch show digits-exp100-resnet32-ce-s0")
@job_argument
@click.option("--json", "as_json", is_flag=True, help="The same as JSON (schema 1).")
@click.pass_obj
def show(root: Path, job: str, experiment: str | None, as_json: bool) -> None:
    """Tell all of JOB, an id or a unique beginning of one: its spec, and how each attempt went and ended."""
    from orchestrator.showing import show as shown

    width = shutil.get_terminal_size((100, 24)).columns
    click.echo(shown(root, job, experiment=experiment, as_json=as_json, width=width))


@click.command(epilog="\b\nExample:\n  orch logs -f digits-exp100-resnet32-ce-s0")
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, to the next attempt too, until the job is over.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Of this attempt.  [default: the newest]")
@click.pass_obj
def logs(root: Path, job: str, experiment: str | None, follow: bool, attempt: int | None) -> None:
    """Print what JOB, an id or a unique beginning of one, has printed."""
    from orchestrator.logs import follow as write_log

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    write_log(
        root,
        job,
        follow=follow,
        write=write,
        tell=lambda line: click.echo(line, err=True),
        attempt=attempt,
        experiment=experiment,
    )
