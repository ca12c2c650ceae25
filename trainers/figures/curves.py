"""How a run went: accuracy, loss, calibration error and learning rate over its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainers.calibration.inputs import Floats
from trainers.figures.style import BLUE, GREEN, GREY, ORANGE, PAGE_WIDTH, VERMILION, add_title, house_style, new_figure

# A curve of fewer points than this shows them, so that a run of one epoch shows at all.
SHOW_POINTS_BELOW: Final = 16


@dataclass(frozen=True, slots=True)
class _Line:
    column: str
    label: str
    colour: str
    style: str = "-"


_PANELS: Final[Mapping[str, tuple[_Line, ...]]] = {
    "accuracy": (
        _Line("train_acc", "train", GREY),
        _Line("val_acc", "validation", ORANGE),
        _Line("test_acc", "test", BLUE),
    ),
    "loss and NLL (nats)": (
        _Line("train_loss", "train loss", GREY),
        _Line("val_nll", "validation NLL", ORANGE),
        _Line("test_nll", "test NLL", BLUE),
        _Line("test_nll_ts", "test NLL, temperature scaled", BLUE, "--"),
    ),
    "calibration error on test (ECE)": (
        _Line("test_ece", "as trained", VERMILION),
        _Line("test_ece_ts", "temperature scaled", VERMILION, "--"),
    ),
    "learning rate": (_Line("lr", "learning rate", GREEN),),
}


def curves_figure(history: Sequence[Mapping[str, Any]], reported: int, title: str) -> Figure:
    """Draw four panels; a column without a value has no line, and a missing cell is bridged.

    Args:
        history: one row an epoch, keyed by column names.
        reported: index of the row that the run reports; a dotted line stands there in every panel.
        title: stands above the panels.
    """
    epochs = column_of(history, "epoch")
    with house_style():
        figure = new_figure(PAGE_WIDTH, 4.8)
        add_title(figure, title)
        grid = figure.subplots(2, 2, sharex=True)
        for axes, (name, lines) in zip(grid.flat, _PANELS.items(), strict=True):
            axes.set_title(name)
            for line in lines:
                _draw_line(axes, epochs, column_of(history, line.column), line)
            axes.axvline(
                epochs[reported], color=GREY, linestyle=":", label="reported epoch" if axes is grid[0, 0] else None
            )
            if len(axes.get_legend_handles_labels()[0]) > 1:
                axes.legend()
        _scale(grid, column_of(history, "lr"))
    return figure


def _scale(grid: Any, rates: Floats) -> None:
    """Zero where it means something, whole epochs, and a logarithm for a rate that falls in steps."""
    grid[0, 0].set_ylim(0, 1.02)
    grid[1, 0].set_ylim(bottom=0)
    if is_stepwise(rates):
        grid[1, 1].set_yscale("log")
    else:
        grid[1, 1].set_ylim(bottom=0)
    for axes in grid[1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_line(axes: Axes, epochs: Floats, values: Floats, line: _Line) -> None:
    known = np.isfinite(values)
    if not known.any():
        return
    marker = "o" if known.sum() < SHOW_POINTS_BELOW else None
    axes.plot(
        epochs[known],
        values[known],
        linestyle=line.style,
        color=line.colour,
        marker=marker,
        markersize=2.5,
        label=line.label,
    )


def is_stepwise(rates: Floats) -> bool:
    """Whether the rate mostly stays as it is but changes, and is never 0."""
    changes = np.diff(rates[np.isfinite(rates)])
    return bool(changes.any() and np.mean(changes == 0) > 0.5 and np.nanmin(rates) > 0)


def column_of(history: Sequence[Mapping[str, Any]], name: str) -> Floats:
    """The values (E,) of one column of a history; NaN where it says nothing."""
    return np.array([np.nan if row.get(name) is None else row[name] for row in history], dtype=np.float64)
