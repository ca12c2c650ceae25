"""Groups of classes under several conventions, and the sentences that go with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.report import load
from orchestrator.report.csvfiles import summary_csv
from orchestrator.report.figures import draw_bars
from orchestrator.report.gallery import FILE_NAME, gallery_of
from orchestrator.report.latex import latex
from orchestrator.report.markdown import markdown
from orchestrator.report.measures import measures_of
from orchestrator.report.multiples import draw_multiples
from orchestrator.report.notes import notes_of
from orchestrator.report.records import Cell, Results, Run, result_values
from orchestrator.report.summary import summarise
from orchestrator.report.tables import Number, Table, tables_of
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses
from tests.orchestrator.report.roots import call_spec, finish, plan_jobs
from tests.orchestrator.report.test_multiples import grid
from tests.orchestrator.report.test_page import PNG, page_of

TITLE = "Accuracy by group of classes"


def result(many: float) -> dict[str, Any]:
    """Of a run on ten classes: no few among the shots."""
    few = {"classes": [7, 8, 9], "accuracy": many / 4, "ece": 0.3}
    return {
        "metrics": {"test_acc": many, "test_gm": 0.2, "test_balanced_acc": many, "test_ece_many": 0.05},
        "recalls": [many] * 10,
        "groups": {
            "shots": {
                "many": {"classes": [0, 1], "accuracy": many, "ece": 0.1},
                "medium": {"classes": [2], "accuracy": 0.5, "ece": 0.2},
            },
            "mislas": {"medium": {"classes": [3], "accuracy": None, "ece": None}, "few": few},
        },
        "recall_floor": 1e-3,
        "select": "last",
    }


def a_run(loss: str, told: Mapping[str, Any], **more: Any) -> Run:
    cell = Cell(f"job-{loss}", {"dataset": "digits", "loss": loss, "seed": 0})
    return Run(cell, 1, result_values(told) | more)


def results() -> Results:
    return results_of([a_run("ce", result(0.8)), a_run("bsce", result(0.6))])


def table_of(given: Results, title: str) -> Table:
    return next(table for table in tables_of(summarise(given)) if table.title == title)


def test_each_convention_has_its_three_groups_and_an_absent_one_has_no_number() -> None:
    table = table_of(results(), TITLE)
    assert [measure.heading for measure in table.measures] == [
        *("shots many (%)", "shots medium (%)", "shots few (%)"),
        *("mislas many (%)", "mislas medium (%)", "mislas few (%)"),
    ]
    assert table.left_out == 0  # columns of groups without a class are more than there are measures
    ce, bsce = table.rows
    assert ce.numbers == (
        Number("80.00", is_best=True),
        Number("50.00", is_best=True),
        *(None, None, None),
        Number("20.00", is_best=True),
    )
    assert bsce.numbers[0] == Number("60.00")
    assert "| ce | 1 | **80.00** | **50.00** | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} | **20.00** |" in markdown(
        "x", "", tables_of(summarise(results())), []
    )


def test_balanced_accuracy_and_errors_of_groups_stand_beside_the_other_measures() -> None:
    accuracy, calibration = (
        [measure.label for measure in table_of(results(), title).measures]
        for title in ("Accuracy on the test split", "Calibration on the test split")
    )
    assert accuracy == ["Accuracy", "GM", "Balanced accuracy"]
    assert calibration == ["ECE, many"]
    assert {table.title for table in tables_of(summarise(results()))} == {
        *("Accuracy on the test split", TITLE, "Calibration on the test split"),
    }
    rows = list(csv.DictReader(io.StringIO(summary_csv(summarise(results())))))
    assert rows[0]["groups.mislas.few.ece_mean"] == "0.3"
    assert rows[1]["groups.shots.many.accuracy_mean"] == "0.6"
    assert "ECE of the groups under each convention." in notes_of(results(), summarise(results()))[-1]


def test_the_floor_and_the_conventions_are_said_below_their_tables_in_every_format() -> None:
    tables = tables_of(summarise(results()))
    page = " ".join(page_of(results()).text.split())
    for text in (markdown("x", "", tables, []), latex("x", "", tables), page):
        assert "as 0.001 at least; the lowest recall has no floor" in text
        assert "mislas (by class index" in text
        assert "thirds" not in text
    assert not any(table.remarks for table in tables_of(summarise(two_losses())))


def test_floors_that_differ_are_all_named() -> None:
    runs = [a_run("ce", result(0.8)), a_run("bsce", result(0.6), recall_floor=0.01)]
    (remark,) = table_of(results_of(runs), "Accuracy on the test split").remarks
    assert "0.001 or 0.01" in remark


def test_results_that_tell_nothing_of_groups_have_no_table_of_them() -> None:
    old = results_of([train_run("ce", 0, 0.5, test_gm=0.3)])
    assert [table.title for table in tables_of(summarise(old))] == ["Accuracy on the test split"]
    mixed = results_of([a_run("ce", result(0.8)), train_run("bsce", 0, 0.5)])
    assert {row.numbers for row in table_of(mixed, TITLE).rows if row.numbers[0] is None} == {(None,) * 6}
    assert "0.001 at least" in table_of(old, "Accuracy on the test split").remarks[0]


def test_groups_of_another_program_are_its_own_measures() -> None:
    assert [measure.family for measure in measures_of(["groups.a.many.accuracy", "groups.a.many"])] == ["other"] * 2
    assert tables_of(summarise(call_runs([{"groups.a.many.accuracy": 1}])))[0].title == "Results"


def test_a_notebook_gets_the_groups_as_numbers(tmp_path: Path) -> None:
    plan_jobs(tmp_path, "digits", [call_spec("job-0", loss="ce", seed=0)])
    finish(tmp_path, "digits", "job-0", result(0.8))
    frame = load("digits", tmp_path)
    assert frame["groups.shots.many.accuracy"].tolist() == [0.8]
    assert frame["groups.mislas.medium.accuracy"].dtype == float
    assert not [column for column in frame.columns if column.endswith("classes") or column == "recalls"]


# --- an epoch that was selected on the test split ---------------------------------------------------------------------


def test_the_bars_of_a_number_selected_on_test_are_marked_and_the_mark_is_explained() -> None:
    def svg(select: str) -> bytes:
        return draw_bars(summarise(results_of([train_run("ce", 0, 0.5, select=select)])))[0].data["svg"]

    assert b"epoch selected on the test split" in svg("best_test")
    assert b"epoch selected on the test split" not in svg("best_val")
    given = results_of([train_run("ce", 0, 0.5, select="best_test")])
    assert "whiskers: one standard deviation over seeds; \N{DAGGER} epoch selected on the test split" in " ".join(
        page_of(given, has_figures=True).text.split()
    )


def test_figures_of_several_runs_mark_those_selected_on_test(tmp_path: Path) -> None:
    found = grid(tmp_path, ["ce", "bsce"], ["a"], 1)
    runs = [replace(found.runs[0], values={**found.runs[0].values, "select": "best_test"}), found.runs[1]]
    figures = {one.name: one for one in draw_multiples(summarise(replace(found, runs=runs)))}
    for name in ("grid_reliability", "grid_confidence", "grid_risk_coverage"):
        assert "\N{DAGGER} epoch selected on the test split" in figures[name].title
        assert "ce \N{DAGGER}" in figures[name].data["csv"].decode()
        assert "bsce \N{DAGGER}" not in figures[name].data["csv"].decode()
    assert "\N{DAGGER}" not in figures["grid_epochs"].title  # all epochs are there, none was selected


def test_the_diagram_of_a_run_selected_on_test_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(PNG)
    runs = [replace(train_run("ce", 0, 0.5, select="best_test"), folder=tmp_path)]
    assert [picture.caption for picture in gallery_of(summarise(results_of(runs))).pictures] == ["seed 0 \N{DAGGER}"]


@pytest.mark.parametrize("has_result", [True, False])
def test_the_table_of_a_grid_over_selections_names_each_once(has_result: bool) -> None:
    runs = []
    for select in ("last", "best_test"):
        cell = Cell(f"job-{select}", {"loss": "ce", "select": select, "seed": 0})
        runs.append(Run(cell, 1, {"test_acc": 0.5} | ({"select": select} if has_result else {})))
    text = summary_csv(summarise(results_of(runs)))
    assert text.splitlines()[0].split(",").count("select") == 1
    assert [row["select"] for row in csv.DictReader(io.StringIO(text))] == ["last", "best_test"]
