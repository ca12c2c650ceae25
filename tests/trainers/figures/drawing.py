"""Runs to draw, and what is asked of every figure."""

from __future__ import annotations

import csv
import io

from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.trainers.calibration.golden import formula_logits
from trainers.figures.panels import Drawn, Scored
from trainers.figures.style import COLUMN_WIDTH, LEAST_POINTS, PAGE_WIDTH


def scored(name: str = "run", temperature: float | None = None, scale: float = 1.0) -> Scored:
    """The golden set G2, its logits times `scale`."""
    logits, targets = formula_logits()
    return Scored(name, scale * logits, targets, temperature)


def rows(drawn: Drawn) -> list[dict[str, str]]:
    """The CSV behind a figure."""
    return list(csv.DictReader(io.StringIO(drawn.csv)))


def assert_legible(figure: Figure) -> None:
    """It fits a column or a page as it is, and nothing that is written in it is smaller than 7 pt."""
    assert figure.get_figwidth() in (COLUMN_WIDTH, PAGE_WIDTH)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    assert texts
    assert min(float(text.get_fontsize()) for text in texts) >= LEAST_POINTS


def assert_within(figure: Figure) -> None:
    """No title, label or legend is cut off at the border."""
    figure.canvas.draw()
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert drawn.x0 >= -0.02
    assert drawn.y0 >= -0.02
    assert drawn.x1 <= width + 0.02
    assert drawn.y1 <= height + 0.02
