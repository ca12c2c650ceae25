"""Every figure of single runs, each as PNG, PDF and CSV, in a folder a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.export.layouts import Files
from orchestrator.export.names import Named, name_jobs
from orchestrator.export.source import Done, Source
from orchestrator.report.artefacts import as_history, read_bins, read_epochs, read_scored
from trainers.figures.confidences import draw_confidences
from trainers.figures.gammas import draw_gammas
from trainers.figures.lines import Method, draw_lines
from trainers.figures.panels import Drawn
from trainers.figures.reliability import draw_reliability
from trainers.figures.risk import draw_risk


def files(source: Source) -> Files:
    """The figures of all runs: `<dataset>_<backbone>_<method>/reliability.png` and so on."""
    names = name_jobs(source.jobs)
    for done in source.done:
        name, count = names[done.job.id], 0
        for figure, draw in _figures(name, done, done.folder) if done.folder is not None else ():
            count += 1
            for kind, data in draw().files().items():
                yield f"{name.stem}/{figure}.{kind}", data
        if not count:
            source.notes.append(f"{done.job.id} left nothing to draw")


def _figures(name: Named, done: Done, folder: Path) -> Iterator[tuple[str, Callable[[], Drawn]]]:
    title = f"{name.method}, {name.backbone}, {name.dataset}" + (f", seed {name.seed}" if name.suffix else "")
    scored = read_scored(folder, title, done.temperature)
    if scored is not None:
        yield "reliability", lambda: draw_reliability([scored], title)
        yield "confidence", lambda: draw_confidences([scored], title)
        yield "risk_coverage", lambda: draw_risk({"": [scored]}, title)
    history = as_history(read_epochs(folder))
    if any(row.get("epoch") is not None for row in history):
        yield "epochs", lambda: draw_lines({"": [Method(name.method, [history])]}, title)
    bins = read_bins(folder, title)
    if bins is not None:
        yield "adafocal", lambda: draw_gammas([bins], title)
