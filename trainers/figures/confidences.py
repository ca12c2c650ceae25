"""How sure a run is where it is right, and where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from trainers.calibration.bins import bin_index
from trainers.calibration.inputs import Floats, Integers
from trainers.figures.panels import Drawn, Row, Scored, Sheet, each, sheet, short
from trainers.figures.style import BLUE, LEAST_POINTS, SKY, VERMILION, house_style

BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Histograms:
    """Images per bin of confidence (BINS,), the right ones and the wrong ones, and the mean confidence of either.

    The mean is NaN where there is none.
    """

    right: Integers
    wrong: Integers
    mean_right: float
    mean_wrong: float


def draw_confidences(runs: Sequence[Scored], title: str = "") -> Drawn:
    """Histograms of confidence, of right and of wrong answers, each as a share of its own kind.

    One run has a panel before and one after temperature scaling; of several runs each has one, as it was trained.

    Args:
        runs: at least one.
        title: stands above the panels.

    Raises:
        ValueError: logits that are not finite or do not fit the targets.
    """
    shown = [(run, scaled) for run in runs for scaled in (False, True) if not scaled or run.temperature is not None]
    counted = [histograms(*run.top(scaled=scaled)) for run, scaled in shown]
    drawn = [index for index, (_, scaled) in enumerate(shown) if not scaled or len(runs) == 1]
    with house_style():
        panels = sheet(len(drawn), title, (2.0 if len(runs) == 1 else 1.25,))
        for (axes,), index in zip(panels.panels, drawn, strict=True):
            run, scaled = shown[index]
            _draw(axes, counted[index])
            name = _when(run, scaled=scaled) if len(runs) == 1 else short(run.name, panels.inches)
            share = 100 * counted[index].right.sum() / (counted[index].right.sum() + counted[index].wrong.sum())
            name += f"\nright {share:.1f} %, wrong {100 - share:.1f} %"
            axes.set_title(name, fontsize=LEAST_POINTS, parse_math=False)
        _finish(panels)
    rows = each(_rows(run, found, scaled=scaled) for (run, scaled), found in zip(shown, counted, strict=True))
    return Drawn(panels.figure, rows)


def histograms(confidence: Floats, correct: Floats) -> Histograms:
    """Count confidences (N,) of right (1.0) and wrong (0.0) answers (N,); bins are (lo, hi], the first closed at 0."""
    index, is_right = bin_index(confidence, BINS), correct > 0.5
    right = np.bincount(index[is_right], minlength=BINS)
    wrong = np.bincount(index[~is_right], minlength=BINS)
    return Histograms(right, wrong, _mean(confidence[is_right]), _mean(confidence[~is_right]))


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _when(run: Scored, *, scaled: bool) -> str:
    if run.temperature is None:
        return "as trained"
    return f"after temperature scaling, T = {run.temperature:.3f}" if scaled else "before temperature scaling"


def _draw(axes: Axes, found: Histograms) -> None:
    edges = np.linspace(0, 1, BINS + 1)
    right, wrong = (counts / max(1, counts.sum()) for counts in (found.right, found.wrong))
    axes.stairs(right, edges, fill=True, color=SKY)
    axes.stairs(right, edges, color=BLUE, linewidth=1.0)
    axes.stairs(wrong, edges, fill=True, facecolor=to_rgba(VERMILION, 0.15), edgecolor=VERMILION, hatch="////")
    axes.stairs(wrong, edges, color=VERMILION, linewidth=1.0)
    for mean, colour, style in ((found.mean_right, BLUE, "-"), (found.mean_wrong, VERMILION, "--")):
        if np.isfinite(mean):
            axes.axvline(mean, color=colour, linestyle=style, linewidth=1.0)
    axes.set_xlim(0, 1)


def _finish(panels: Sheet) -> None:
    first = panels.panels[0][0]
    # Without data, for the legend only.
    first.fill([], [], facecolor=SKY, edgecolor=BLUE, label="right answers")
    first.fill([], [], facecolor=to_rgba(VERMILION, 0.15), edgecolor=VERMILION, hatch="////", label="wrong answers")
    first.plot([], [], color=BLUE, label="mean of the right")
    first.plot([], [], color=VERMILION, linestyle="--", label="mean of the wrong")
    first.set_ylim(bottom=0)
    for (axes,) in panels.panels:
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panels.label("confidence", "share of its kind")
    panels.legend()


def _rows(run: Scored, found: Histograms, *, scaled: bool) -> Iterator[Row]:
    edges = np.linspace(0, 1, BINS + 1)
    for number in range(BINS):
        yield {
            "run": run.name,
            "scaled": "yes" if scaled else "no",
            "temperature": run.temperature,
            "lower": float(edges[number]),
            "upper": float(edges[number + 1]),
            "n_right": int(found.right[number]),
            "n_wrong": int(found.wrong[number]),
        }
