"""AdaFocal over its epochs: the gamma of every bin of the validation split, and how far the bin's confidence is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainers.calibration.inputs import Floats, Integers
from trainers.figures.panels import Drawn, Row, each, short
from trainers.figures.style import LEAST_POINTS, PAGE_WIDTH, add_title, house_style, line_look, new_figure

# Blue to red through white: the colour-blind tell its ends apart, and white is zero.
COLOURS: Final = "RdBu_r"
SHOWN_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class BinHistory:
    """What a run's `val_bin_stats.csv` holds.

    Attributes:
        name: what tells the run from the others.
        epochs: (E,) of the updates, from 1.
        gamma: (M, E) after the update; NaN: not said.
        gap: (M, E) mean confidence minus accuracy; NaN where the bin was empty.
    """

    name: str
    epochs: Integers
    gamma: Floats
    gap: Floats


def bin_history(name: str, rows: Sequence[Mapping[str, Any]]) -> BinHistory:
    """A history of the rows of `val_bin_stats.csv`: epoch, bin, gap and gamma_after are looked at.

    Raises:
        ValueError: there is no row, or one lacks a column or holds no number.
    """
    try:
        cells = [(int(row["epoch"]), int(row["bin"]), _number(row["gamma_after"]), _number(row["gap"])) for row in rows]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no table of bins: {error}") from error
    if not cells or min(number for _, number, _, _ in cells) < 0:
        raise ValueError("no table of bins: it has no row, or a bin below 0")
    epochs = sorted({epoch for epoch, *_ in cells})
    place = {epoch: index for index, epoch in enumerate(epochs)}
    gamma = np.full((1 + max(number for _, number, _, _ in cells), len(epochs)), np.nan)
    gap = gamma.copy()
    for epoch, number, gamma_after, gap_there in cells:
        gamma[number, place[epoch]], gap[number, place[epoch]] = gamma_after, gap_there
    return BinHistory(name, np.array(epochs), gamma, gap)


def _number(cell: Any) -> float:
    return float("nan") if cell in (None, "") else float(cell)


def draw_gammas(runs: Sequence[BinHistory], title: str = "") -> Drawn:
    """Maps of bin x epoch, gamma on the left and the gap on the right; one run alone has lines of five bins beside.

    Args:
        runs: at least one.
        title: stands above the panels.
    """
    with house_style():
        figure = _single(runs[0], title) if len(runs) == 1 else _multiples(runs, title)
    return Drawn(figure, each(map(_rows, runs)))


def _single(run: BinHistory, title: str) -> Figure:
    figure = new_figure(PAGE_WIDTH, 4.4)
    if title:
        add_title(figure, title)
    grid = figure.subplots(2, 2, sharex=True)
    for row, (values, name) in enumerate(((run.gamma, "gamma"), (run.gap, "gap (confidence \N{MINUS SIGN} accuracy)"))):
        lines, heat = grid[row]
        for number, place in enumerate(_shown(len(values))):
            every = max(1, len(run.epochs) // 8)
            look = line_look(number) | {"markersize": 3, "markevery": every}
            lines.plot(run.epochs, values[place], **look, label=f"bin {place + 1}")
        lines.set_ylabel(name)
        lines.axhline(0, color="black", linewidth=0.6)
        figure.colorbar(_heat(heat, run.epochs, values, _reach(values)), ax=heat)
        heat.set_ylabel("bin (by confidence)")
        heat.set_title(name)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=SHOWN_LINES)
    for axes in grid[1]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _multiples(runs: Sequence[BinHistory], title: str) -> Figure:
    figure = new_figure(PAGE_WIDTH, 1.35 * len(runs) + 0.6)
    if title:
        add_title(figure, title)
    grid = figure.subplots(len(runs), 2, squeeze=False, sharex=True)
    for column, name in enumerate(("gamma", "gap")):
        maps = [getattr(run, name) for run in runs]
        reach = max(_reach(values) for values in maps)  # one scale, so that the maps can be compared
        for axes, run, values in zip(grid[:, column], runs, maps, strict=True):
            shown = _heat(axes, run.epochs, values, reach)
            axes.set_title(f"{name}: {short(run.name, 2.6, 1)}", fontsize=LEAST_POINTS, parse_math=False)
        figure.colorbar(shown, ax=list(grid[:, column]), fraction=0.06)
        grid[-1, column].set_xlabel("epoch")
        grid[-1, column].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in grid[:, 0]:
        axes.set_ylabel("bin")
    return figure


def _shown(count: int) -> list[int]:
    return sorted({round(index * (count - 1) / (SHOWN_LINES - 1)) for index in range(SHOWN_LINES)})


def _reach(values: Floats) -> float:
    """The largest size there is, which both ends of the colours stand for."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(sizes.max()) if sizes.size and sizes.max() > 0 else 1.0


def _heat(axes: Axes, epochs: Integers, values: Floats, reach: float) -> Any:
    axes.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    # One cell an update, as wide as the time to the next one; a bin that says nothing is grey.
    steps = np.diff(epochs)
    starts = np.concatenate([[epochs[0] - (steps[0] if len(steps) else 1)], epochs]) + 0.5
    axes.set_facecolor("#D0D0D0")
    shown = axes.pcolormesh(
        starts,
        np.arange(len(values) + 1) + 0.5,
        np.ma.masked_invalid(values),
        cmap=COLOURS,
        vmin=-reach,
        vmax=reach,
        rasterized=True,  # as vectors, hair lines would show between the cells
    )
    axes.set_xlim(starts[0], starts[-1])
    return shown


def _rows(run: BinHistory) -> Iterator[Row]:
    for column, epoch in enumerate(run.epochs):
        for number in range(len(run.gamma)):
            yield {
                "run": run.name,
                "epoch": int(epoch),
                "bin": number,
                "gamma": float(run.gamma[number, column]),
                "gap": float(run.gap[number, column]),
            }
