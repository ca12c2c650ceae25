from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS
from tests.trainers.figures.drawing import scored
from trainers.figures.panels import Scored
from trainers.figures.seed_style import BAR_WIDTH, seed_png, seed_reliability_figure


def test_four_bars_stand_around_the_centre_of_every_bin_that_holds_something() -> None:
    figure = seed_reliability_figure(Scored("d|b|m", np.log(PRINTED_PROBS), PRINTED_TARGETS, 1.0))
    (axes,) = figure.axes
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    assert len(bars) == 4 * 9
    centres = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars]).reshape(4, 9)
    assert np.diff(centres, axis=0) == pytest.approx(np.full((3, 9), BAR_WIDTH))
    assert centres.mean(axis=0) == pytest.approx((np.arange(6, 15) + 0.5) / 15)
    heights = np.array([bar.get_height() for bar in bars]).reshape(4, 9)
    assert heights[0].tolist() == [1, 0, 1, 0, 1, 1, 0, 1, 1]
    assert heights[2] == pytest.approx(heights[0])
    assert heights[1] == pytest.approx([0.44, 0.48, 0.55, 0.65, 0.71, 0.77, 0.86, 0.91, 0.96])
    assert axes.get_title() == "Reliability: d|b|m (T=1.000)"
    assert axes.get_xlim() == (-0.24, 1.24)


def test_without_a_temperature_there_are_two_bars() -> None:
    run = replace(scored("d|b|m"), temperature=None)
    assert len(seed_reliability_figure(run).axes[0].containers) == 2


def test_the_picture_has_the_size_of_the_seeds() -> None:
    assert Image.open(io.BytesIO(seed_png(scored("d|b|m", 1.5)))).size == (1080, 780)
    assert seed_png(scored("d|b|m", 1.5)) == seed_png(scored("d|b|m", 1.5))
