"""Risk over coverage: how many answers are wrong among those that a run is surest of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from trainers.calibration.inputs import Floats
from trainers.figures.panels import Drawn, Row, Scored, each, sheet, short, thinned
from trainers.figures.style import LEAST_POINTS, house_style, line_look

# More than a page can show apart; a test split of 50,000 would make a heavy file.
MOST_POINTS: Final = 400
MOST_SIDE_BY_SIDE: Final = 2


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk at every coverage 1/N .. 1, and that of the oracle, who is least sure where it is wrong; (N,) each."""

    risk: Floats
    oracle: Floats

    @property
    def aurc(self) -> float:
        """Area under the curve: the mean of its risks."""
        return float(self.risk.mean())


def risk_curve(confidence: Floats, correct: Floats) -> Curve:
    """The curve of confidences (N,) and whether each answer is right (N,), 1.0 or 0.0.

    Of equal confidences the first comes first.

    Source: Geifman and El-Yaniv, NeurIPS 2017; AURC as in calibration.md 3.7, the mean over k = 1..N.
    """
    wrong = 1.0 - correct
    coverage = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(wrong[np.argsort(-confidence, kind="stable")]) / coverage
    return Curve(risk, np.cumsum(np.sort(wrong)) / coverage)


def draw_risk(panels: Mapping[str, Sequence[Scored]], title: str = "") -> Drawn:
    """Curves of risk over coverage, with the oracle's dotted and the area (AURC, times 1000) in the legend.

    One run alone has a curve before and one after temperature scaling, which may change whom it is surest of.

    Args:
        panels: title -> the runs that are compared in it; at least one of each.
        title: stands above the panels.

    Raises:
        ValueError: logits that are not finite or do not fit the targets.
    """
    is_single = [len(runs) for runs in panels.values()] == [1]
    curves = {name: _curves(runs, is_single=is_single) for name, runs in panels.items()}
    with house_style():
        most = max(len(lines) for lines in curves.values())
        drawn = sheet(len(panels), title, (2.3 + 0.175 * (most + 3),), MOST_SIDE_BY_SIDE)
        for (axes,), (name, lines) in zip(drawn.panels, curves.items(), strict=True):
            _draw(axes, lines)
            if len(panels) > 1:
                axes.set_title(short(name, drawn.inches), parse_math=False)
        drawn.panels[0][0].set_ylim(0, _top(curve for lines in curves.values() for _, curve in lines))
        drawn.label("coverage", "risk (share of wrong answers)")
    return Drawn(drawn.figure, each(_rows(name, lines) for name, lines in curves.items()))


def _curves(runs: Sequence[Scored], *, is_single: bool) -> list[tuple[str, Curve]]:
    if is_single and runs[0].temperature is not None:
        return [
            ("as trained", risk_curve(*runs[0].top())),
            ("temperature scaled", risk_curve(*runs[0].top(scaled=True))),
        ]
    return [("as trained" if is_single else run.name, risk_curve(*run.top())) for run in runs]


def _draw(axes: Axes, lines: Sequence[tuple[str, Curve]]) -> None:
    axes.plot([], [], color="black", linestyle=":", linewidth=1.0, label="oracle")
    for number, (name, curve) in enumerate(lines):
        points = thinned(len(curve.risk), MOST_POINTS)
        coverage, look = (points + 1) / len(curve.risk), line_look(number)
        label = f"{short(name, 2.6, 1)}: {1000 * curve.aurc:.1f}"
        every = max(1, len(points) // 6)
        axes.plot(coverage, curve.risk[points], **look, markersize=3, markevery=(every // 2, every), label=label)
        axes.plot(coverage, curve.oracle[points], color=look["color"], linestyle=":", linewidth=1.0)
    axes.set_xlim(0, 1)
    # Below its panel: curves of many runs leave no corner free.
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "frameon": False}
    legend = axes.legend(title="AURC x 1000", title_fontsize=LEAST_POINTS, **below)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _top(curves: Iterable[Curve]) -> float:
    """Where the axis ends: one wrong answer among the very first makes a peak that says nothing."""
    highest = max(float(curve.risk[len(curve.risk) // 20 :].max()) for curve in curves)
    return 1.08 * highest if highest > 0 else 1.0


def _rows(panel: str, lines: Sequence[tuple[str, Curve]]) -> Iterator[Row]:
    for name, curve in lines:
        for point in thinned(len(curve.risk), MOST_POINTS):
            yield {
                "panel": panel,
                "run": name,
                "aurc": curve.aurc,
                "coverage": float((point + 1) / len(curve.risk)),
                "risk": float(curve.risk[point]),
                "oracle": float(curve.oracle[point]),
            }
