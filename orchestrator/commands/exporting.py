"""`orch export`: results in other people's layouts."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands.choosing import complete_experiment, complete_job
from orchestrator.export.layouts import LAYOUTS


@click.command(
    epilog="\b\nExample:\n  orch export --layout calibration-csv calibration-cifar10 --out notebooks/c10\n"
    "  orch export --layout figures quickstart --job digits-exp20-simple-cnn-ce-s0"
)
@click.argument("experiment", shell_complete=complete_experiment)
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    default="calibration-csv",
    show_default=True,
    help="What to write: " + "; ".join(f"{name}: {layout.about}" for name, layout in LAYOUTS.items()) + ".",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to.  [default: report/LAYOUT in the experiment's folder]",
)
@click.option(
    "--job",
    "jobs",
    multiple=True,
    metavar="JOB",
    shell_complete=complete_job,
    help="Only this one, by its id or a unique beginning of it; merged files then hold no other.",
)
@click.pass_obj
def export(root: Path, experiment: str, layout: str, out: Path | None, jobs: tuple[str, ...]) -> None:
    """Write the finished runs of EXPERIMENT in a layout that other notebooks read.

    It may be run again at any time; what it wrote before is replaced, what others wrote is never touched.
    """
    from rich.console import Console

    from orchestrator.export.write import Wish
    from orchestrator.export.write import export as write

    with Console(stderr=True).status("reading") as display:
        exported = write(root, experiment, Wish(layout, out, jobs), display.update)
    for note in exported.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {len(exported.files)} files to {exported.folder}")
