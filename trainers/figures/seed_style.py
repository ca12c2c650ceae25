"""The reliability diagram as the seed's script drew it, for notebooks and papers that show it beside old ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trainers.calibration.bins import reliability_table
from trainers.figures.panels import Scored, printable
from trainers.figures.style import BLUE, GREY, LIGHT_BLUE, ORANGE, VERMILION, house_style
from trainers.metrics.evaluate import N_BINS

BAR_WIDTH: Final = 0.06
_STRONG: Final = 0.85
_FAINT: Final = 0.68


def seed_reliability_figure(run: Scored) -> Figure:
    """Per bin four bars around its centre: accuracy and mean confidence, before and after temperature scaling.

    One axis of 7.2 x 5.2 inches. A bin without a sample has no bars. Without a temperature there are two bars.

    Args:
        run: its `name` is the key, `dataset|backbone|method`.

    Raises:
        ValueError: logits that are not finite or do not fit the targets.

    Source: calibration.md 9.1, `style: seed`.
    """
    series = [("acc (before)", BLUE, _STRONG, False, True), ("conf (before)", LIGHT_BLUE, _FAINT, False, False)]
    if run.temperature is not None:
        series += [("acc (after TS)", VERMILION, _STRONG, True, True), ("conf (after TS)", ORANGE, _FAINT, True, False)]
    temperature = "none" if run.temperature is None else f"{run.temperature:.3f}"
    with house_style():
        figure = Figure(figsize=(7.2, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, (label, colour, alpha, scaled, is_accuracy) in enumerate(series):
            table = reliability_table(*run.top(scaled=scaled), N_BINS)
            filled = table.counts > 0
            centres = (table.edges[:-1] + table.edges[1:])[filled] / 2
            heights = (table.accuracy if is_accuracy else table.confidence)[filled]
            left = centres + (place - (len(series) - 1) / 2) * BAR_WIDTH
            axes.bar(left, heights, BAR_WIDTH, color=colour, alpha=alpha, label=label)
        axes.plot([0, 1], [0, 1], linestyle="--", color=GREY, label="perfect")
        axes.set(xlim=(-0.24, 1.24), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy / mean confidence")
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_title(printable(f"Reliability: {run.name} (T={temperature})"), parse_math=False)
        axes.legend(ncols=2, loc="upper left")
    return figure


def seed_png(run: Scored) -> bytes:
    """The figure as a PNG of 150 dots an inch, as the seed's."""
    import io

    file = io.BytesIO()
    with house_style():
        seed_reliability_figure(run).savefig(file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()
