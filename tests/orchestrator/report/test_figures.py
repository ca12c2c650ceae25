from __future__ import annotations

import io
import math
from xml.etree import ElementTree

import pytest
from PIL import Image

from orchestrator.report.figures import MAX_GROUPS, charts_of, draw_bars
from orchestrator.report.records import Cell, Results, Run
from orchestrator.report.summary import summarise
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses


def image(results: Results) -> Image.Image:
    drawn = draw_bars(summarise(results))
    picture = Image.open(io.BytesIO(drawn[0].data["png"]))
    picture.load()
    return picture


def test_accuracy_and_ece_are_drawn_as_png_pdf_and_svg() -> None:
    drawn = draw_bars(summarise(two_losses()))
    assert [figure.chart.name for figure in drawn] == ["bars_accuracy", "bars_ece"]
    for figure in drawn:
        assert Image.open(io.BytesIO(figure.data["png"])).format == "PNG"
        assert figure.data["pdf"].startswith(b"%PDF-")
        assert b"CreationDate" not in figure.data["pdf"]  # the same numbers make the same bytes tomorrow
        assert figure.data["pdf"].rstrip().endswith(b"%%EOF")
        assert ElementTree.fromstring(figure.data["svg"]).tag.endswith("svg")


def test_the_same_numbers_make_the_same_bytes() -> None:
    first, second = (draw_bars(summarise(two_losses()))[0].data for _ in range(2))
    assert first == second


def test_ece_has_a_bar_before_and_one_after_temperature_scaling() -> None:
    results = results_of([train_run("ce", 0, 0.5, test_ece=0.2, test_ece_ts=0.05)])
    charts = {chart.name: chart for chart in charts_of(summarise(results))}
    assert [series.key for series in charts["bars_ece"].series] == ["test_ece", "test_ece_ts"]
    assert [series.key for series in charts["bars_accuracy"].series] == ["test_acc"]


def test_a_longer_bar_is_drawn_for_a_higher_accuracy() -> None:
    def dark_pixels(accuracy: float) -> int:
        picture = image(results_of([train_run("a", 0, accuracy), train_run("b", 0, 1.0)])).convert("RGB")
        return sum(pixel == (59, 59, 59) for pixel in picture.get_flattened_data())

    assert dark_pixels(0.2) < dark_pixels(0.8)


@pytest.mark.parametrize("name", ["$\\frac{$", "<script>", "a\x00b\x1bc", "\ud800", "\u6f22\u5b57", "x" * 300, "\n"])
def test_any_name_can_be_a_label(name: str) -> None:
    for figure in draw_bars(summarise(results_of([train_run(name, 0, 0.5), train_run("ce", 0, 0.4)]))):
        ElementTree.fromstring(figure.data["svg"])


def test_missing_and_infinite_numbers_leave_a_gap() -> None:
    missing = Cell("m", {"dataset": "digits", "imbalance.ratio": 10, "loss": "ldam", "seed": 0})
    runs = [train_run("ce", 0, math.inf), train_run("ce", 1, 0.4), train_run("bsce", 0, 0.5)]
    assert image(results_of(runs, missing)).size[0] > 500


def test_numbers_of_call_jobs_are_drawn_one_chart_each_up_to_four() -> None:
    results = call_runs([{"zero": 0} | {f"m{index}": index + 1 for index in range(6)}])
    assert [chart.title for chart in charts_of(summarise(results))] == ["m0", "m1", "m2", "m3"]
    assert draw_bars(summarise(call_runs([{"value": "text"}]))) == []


def test_a_large_grid_is_cut_to_a_figure_that_can_be_drawn() -> None:
    runs = [Run(Cell(f"j{index}", {"x": index}), 1, {"value": index}) for index in range(MAX_GROUPS + 40)]
    assert image(results_of(runs)).size[1] < 4000
