from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits
from tests.trainers.figures.drawing import assert_legible, assert_within, rows, scored
from trainers.figures.reliability import draw_reliability, reliability_figure
from trainers.figures.style import save_png


def png(temperature: float | None, title: str = "digits") -> bytes:
    file = io.BytesIO()
    save_png(reliability_figure(*formula_logits(), temperature, title), file)
    return file.getvalue()


def bars(axes: Axes, *, hatched: bool) -> list[Rectangle]:
    return [bar for bar in axes.patches if isinstance(bar, Rectangle) and bool(bar.get_hatch()) == hatched]


def texts(axes: Axes) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


def test_bars_are_accuracies_at_full_width_and_empty_bins_are_blank() -> None:
    figure = reliability_figure(np.log(PRINTED_PROBS), PRINTED_TARGETS, None, "")
    drawn = bars(figure.axes[0], hatched=False)
    # Bins of 1/15: .44 .48 .55 .65 .71 .77 .86 .91 .95 .97; only .91 shares its bin with no other, .95 with .97.
    assert [round(bar.get_x() * 15) for bar in drawn] == [6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert [bar.get_width() for bar in drawn] == pytest.approx([1 / 15] * 9)
    assert [bar.get_height() for bar in drawn] == [1, 0, 1, 0, 1, 1, 0, 1, 1]


def test_the_hatched_part_lies_between_accuracy_and_mean_confidence() -> None:
    figure = reliability_figure(np.log(PRINTED_PROBS), PRINTED_TARGETS, None, "")
    hatched, plain = (bars(figure.axes[0], hatched=which) for which in (True, False))
    assert [bar.get_x() for bar in hatched] == [bar.get_x() for bar in plain]
    gaps = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in hatched]
    confidence, accuracy = [0.44, 0.48, 0.55, 0.65, 0.71, 0.77, 0.86, 0.91, 0.96], [1, 0, 1, 0, 1, 1, 0, 1, 1]
    assert np.array(gaps) == pytest.approx(np.sort(np.array([confidence, accuracy]).T, axis=1))


def test_the_corner_tells_the_error_and_the_histogram_adds_up_to_one() -> None:
    above, below = reliability_figure(*formula_logits(), None, "").axes
    assert "12.07 %" in texts(above)
    assert "32.80 %" in texts(above)
    assert sum(bar.get_height() for bar in bars(below, hatched=False)) == pytest.approx(1)
    confidence, accuracy = (line.get_xdata()[0] for line in below.lines)  # type: ignore[index]
    assert (confidence, accuracy) == pytest.approx((0.4470528658, 0.328))


def test_the_text_leaves_its_corner_where_a_bar_stands() -> None:
    usual, beside = (
        reliability_figure(logits, np.arange(3), None, "").axes[0].texts[0].get_position()
        for logits in (9 * np.eye(3)[[1, 2, 0]], np.eye(3))
    )
    assert usual == (0.03, 0.97)
    assert beside == (0.03, 0.97)
    hidden = reliability_figure(1e-3 * np.eye(4), np.arange(4), None, "")
    assert hidden.axes[0].texts[0].get_position() == (0.97, 0.03)


def test_with_a_temperature_a_second_panel_shows_the_scaled_split_on_the_same_scale() -> None:
    assert len(reliability_figure(*formula_logits(), None, "").axes) == 2
    before, after, *_ = reliability_figure(*formula_logits(), 1.5922145896, "").axes
    assert "12.07 %" in texts(before)
    assert "3.63 %" in texts(after)
    assert "T = 1.592" in after.get_title()
    assert before.get_ylim() == after.get_ylim() == (0, 1)


def test_the_png_is_legible_and_the_same_each_time() -> None:
    height, width = imread(io.BytesIO(png(1.5))).shape[:2]
    assert width > 1200
    assert height > 700
    assert png(1.5) == png(1.5)


@pytest.mark.parametrize("setting", [{"text.usetex": True}, {"axes.facecolor": "black"}, {"savefig.transparent": True}])
def test_the_settings_of_the_user_do_not_show(setting: Any) -> None:
    expected = png(None)
    with mpl.rc_context(setting):
        assert png(None) == expected


@pytest.mark.parametrize("title", ["", "50$_{$%", "\\frac{", "digits exp ratio 100 resnet32 bsce seed 0 " * 5])
def test_any_title_is_drawn_as_it_is(title: str) -> None:
    assert png(2.0, title).startswith(b"\x89PNG")


@pytest.mark.parametrize("logits", [np.eye(3)[:1], 1e4 * np.eye(3)[:1], np.zeros((1, 3))])
def test_a_single_image_is_a_diagram_too(logits: Any) -> None:
    assert len(bars(reliability_figure(logits, [0], 0.05, "").axes[0], hatched=False)) == 1


def test_the_table_has_every_bin_and_the_same_error_as_the_corner() -> None:
    table = rows(draw_reliability([scored("a", 1.5922145896), scored("b")]))
    assert [(row["run"], row["scaled"]) for row in table[::15]] == [("a", "no"), ("a", "yes"), ("b", "no")]
    assert [int(row["n"]) for row in table[:15]] == [0, 0, 1, 70, 200, 213, 163, 128, 63, 40, 30, 30, 43, 18, 1]
    assert table[0]["confidence"] == table[0]["accuracy"] == ""
    gaps = [
        abs(float(row["confidence"]) - float(row["accuracy"])) * int(row["n"]) / 1000
        for row in table[:15]
        if row["accuracy"]
    ]
    assert sum(gaps) == pytest.approx(0.1206643169, abs=1e-10)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_several_runs_have_a_panel_each_with_its_error_and_its_histogram(count: int) -> None:
    drawn = draw_reliability([scored(f"run {index}", 1.5922145896) for index in range(count)], "grid")
    shown = [axes for axes in drawn.figure.axes if axes.axison]
    above = [axes for axes in shown if axes.get_title()]
    assert [axes.get_title() for axes in above] == [f"run {index}" for index in range(count)]
    assert len(shown) == 2 * count
    for axes in above:
        assert "ECE 12.1 \N{RIGHTWARDS ARROW} 3.6 %" in texts(axes)
        assert len(bars(axes, hatched=False)) == 13
    assert_legible(drawn.figure)
    assert_within(drawn.figure)


@pytest.mark.parametrize("temperature", [None, 1.5])
def test_the_diagram_of_one_run_is_legible_at_the_width_it_is_printed_at(temperature: float | None) -> None:
    figure = draw_reliability([scored("a", temperature)], "focal, resnet20, cifar10").figure
    assert_legible(figure)
    assert_within(figure)
