from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.figures.drawing import assert_legible, assert_within, rows, scored
from trainers.calibration.inputs import Floats
from trainers.figures.confidences import BINS, draw_confidences, histograms
from trainers.figures.panels import Scored


def test_right_and_wrong_answers_are_counted_apart() -> None:
    found = histograms(np.array([0.0, 0.05, 0.051, 0.97, 1.0]), np.array([1.0, 0.0, 1.0, 1.0, 0.0]))
    assert found.right.tolist() == [1, 1, *[0] * 17, 1]
    assert found.wrong.tolist() == [1, *[0] * 18, 1]
    assert (found.mean_right, found.mean_wrong) == pytest.approx((1.021 / 3, 1.05 / 2))


def test_one_run_has_a_panel_before_and_one_after_scaling() -> None:
    drawn = draw_confidences([scored(temperature=1.5922145896)], "a run")
    assert [axes.get_title().split("\n")[0] for axes in drawn.figure.axes] == [
        "before temperature scaling",
        "after temperature scaling, T = 1.592",
    ]
    assert "right 32.8 %, wrong 67.2 %" in drawn.figure.axes[0].get_title()
    assert len(draw_confidences([scored()]).figure.axes) == 1
    assert_legible(drawn.figure)
    assert_within(drawn.figure)


def test_the_table_has_both_temperatures_of_every_run_and_all_images() -> None:
    table = rows(draw_confidences([scored("a", 1.5), scored("b")]))
    assert [(row["run"], row["scaled"]) for row in table[::BINS]] == [("a", "no"), ("a", "yes"), ("b", "no")]
    for start in range(0, len(table), BINS):
        part = table[start : start + BINS]
        assert sum(int(row["n_right"]) for row in part) == 328
        assert sum(int(row["n_wrong"]) for row in part) == 672


def test_several_runs_have_a_panel_each_on_one_scale() -> None:
    drawn = draw_confidences([scored(f"run {index}", 1.2, 1 + index) for index in range(5)])
    titles = [axes.get_title().split("\n")[0] for axes in drawn.figure.axes if axes.axison]
    assert titles == [f"run {index}" for index in range(5)]
    assert len({axes.get_ylim() for axes in drawn.figure.axes if axes.axison}) == 1
    assert_legible(drawn.figure)


@pytest.mark.parametrize("logits", [9 * np.eye(3), 9 * np.eye(3)[[1, 2, 0]]])
def test_a_run_that_is_always_right_or_always_wrong_is_drawn(logits: Floats) -> None:
    assert set(draw_confidences([Scored("x", logits, np.arange(3), 2.0)]).files()) == {"png", "pdf", "csv"}
