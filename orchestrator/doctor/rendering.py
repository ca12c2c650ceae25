"""An examination made readable: a table that stays readable in a pipe."""

from __future__ import annotations

import io
import itertools
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.doctor.examination import Examination
from orchestrator.doctor.finding import Finding, Verdict

_COLOURS: Final = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.UNFIT: "bold red"}


def render(examination: Examination, width: int = 100) -> str:
    """The findings for a person; colours are for the caller to strip where nobody sees them."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False)
    with console.capture() as captured:
        for section, findings in itertools.groupby(examination.findings, key=lambda finding: finding.section):
            where = f" {examination.root}" if section.value == "the root" else ""
            console.print(Text(f"{section.value}{where}", style="bold"), soft_wrap=True)
            console.print(_table(list(findings)))
        console.print(_conclusion(examination))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=7)
    table.add_column(width=22)
    table.add_column(ratio=1, overflow="fold")
    for finding in findings:
        told = Text(finding.measured)
        if finding.remedy:
            told.append(f"\n-> {finding.remedy}", style="italic")
        table.add_row(Text(f"  {finding.verdict.value}", style=_COLOURS[finding.verdict]), finding.name, told)
    return table


def _conclusion(examination: Examination) -> Text:
    counts = {verdict: sum(f.verdict is verdict for f in examination.findings) for verdict in Verdict}
    notes = f", {counts[Verdict.NOTE]} to note" if counts[Verdict.NOTE] else ""
    if examination.is_fit:
        return Text(f"fit to work{notes}", style="bold green")
    return Text(f"unfit: {counts[Verdict.UNFIT]} to mend{notes}", style="bold red")
