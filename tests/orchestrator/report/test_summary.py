from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.measures import measures_of
from orchestrator.report.records import Cell, Run
from orchestrator.report.summary import Stat, best_of, split_columns, summarise
from tests.orchestrator.report.builders import call_runs, results_of, train_run, two_losses


def test_means_and_deviations_are_those_worked_by_hand() -> None:
    ce, bsce = summarise(two_losses()).groups
    assert ce.stats["test_acc"].mean == pytest.approx(0.55)
    assert ce.stats["test_acc"].std == pytest.approx(math.sqrt(2 * 0.1**2 / 1))
    assert bsce.stats["test_acc"].mean == pytest.approx(0.7)
    assert bsce.stats["test_acc"].std == pytest.approx(0.0, abs=1e-12)
    assert ce.stats["test_ece"].mean == pytest.approx(0.145)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_statistics_agree_with_a_second_implementation(values: list[float]) -> None:
    stat = Stat.of(values)
    assert stat.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert stat.std == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)


def test_one_run_has_no_deviation() -> None:
    assert Stat.of([0.3]) == Stat(0.3, None, 1)


def test_extreme_numbers_end_in_a_number_not_in_an_error() -> None:
    assert Stat.of([math.inf, 1.0]) == Stat(math.inf, None, 2)
    assert math.isnan(Stat.of([math.inf, -math.inf]).mean)
    assert Stat.of([1e300, -1e300]).mean == 0.0
    assert Stat.of([1.7e308, 1.7e308]).mean == pytest.approx(1.7e308)


def test_seeds_are_averaged_and_what_does_not_vary_is_no_column() -> None:
    summary = summarise(two_losses())
    assert summary.columns == ("loss",)
    assert dict(summary.fixed) == {"dataset": "digits", "imbalance.ratio": 100}


def test_the_seed_of_a_call_job_is_a_seed() -> None:
    runs = [Run(Cell(f"c{seed}", {"params.lr": 0.1, "params.seed": seed}), 1, {"value": seed}) for seed in (1, 3)]
    (group,) = summarise(results_of(runs)).groups
    assert (group.stats["value"].mean, group.stats["value"].n) == (2.0, 2)
    assert group.stats["value"].std == pytest.approx(math.sqrt(2))


def test_a_parameter_that_only_some_cells_have_is_a_column() -> None:
    cells = [Cell("a", {"loss": "focal", "loss.gamma": 2}), Cell("b", {"loss": "focal"})]
    assert split_columns(cells) == (("loss.gamma",), {"loss": "focal"})


def test_a_value_spelled_as_int_and_as_float_is_one_group() -> None:
    runs = [
        Run(Cell("a", {"ratio": 100, "seed": 0}), 1, {"v": 1}),
        Run(Cell("b", {"ratio": 100.0, "seed": 1}), 1, {"v": 2}),
    ]
    assert len(summarise(results_of(runs)).groups) == 1


def test_values_that_do_not_apply_are_left_out_of_the_mean() -> None:
    runs = [train_run("ce", 0, 0.5), train_run("ce", 1, None), train_run("ce", 2, math.nan)]
    (group,) = summarise(results_of(runs)).groups
    assert group.stats["test_acc"] == Stat(0.5, None, 1)


def test_a_planned_group_without_a_done_run_is_there_and_empty() -> None:
    missing = [
        Cell(f"m{seed}", {"dataset": "digits", "imbalance.ratio": 100, "loss": "ldam", "seed": seed}) for seed in (0, 1)
    ]
    group = summarise(results_of(two_losses().runs, *missing)).groups[-1]
    assert (group.cell["loss"], group.runs, group.planned, group.stats) == ("ldam", (), 2, {})


@pytest.mark.parametrize(("key", "best"), [("test_acc", {1}), ("test_ece", {1}), ("temperature", set())])
def test_the_best_is_the_highest_accuracy_and_the_lowest_calibration_error(key: str, best: set[int]) -> None:
    summary = summarise(two_losses())
    (measure,) = measures_of([key])
    assert best_of(summary.groups, measure) == best


def test_settings_are_not_compared_with_each_other() -> None:
    runs = [
        Run(Cell(f"{ratio}-{loss}", {"imbalance.ratio": ratio, "loss": loss}), 1, {"test_acc": accuracy})
        for ratio, loss, accuracy in ((10, "ce", 0.9), (100, "ce", 0.4), (10, "bsce", 0.8), (100, "bsce", 0.5))
    ]
    summary = summarise(results_of(runs))
    (accuracy,) = summary.measures
    assert [[group.cell["loss"] for group in block] for block in summary.blocks] == [["ce", "bsce"], ["ce", "bsce"]]
    assert [best_of(block, accuracy) for block in summary.blocks] == [{0}, {1}]


def test_a_number_selected_on_test_is_never_best_beside_an_honest_one() -> None:
    runs = [train_run("a", 0, 0.9, select="best_test"), train_run("b", 0, 0.6), train_run("c", 0, 0.5)]
    summary = summarise(results_of(runs))
    assert best_of(summary.groups, summary.measures[0]) == {1}
    both = summarise(
        results_of([train_run(name, 0, value, select="best_test") for name, value in (("a", 0.9), ("b", 0.6))])
    )
    assert best_of(both.groups, both.measures[0]) == {0}


def test_means_that_print_alike_share_the_bold() -> None:
    summary = summarise(results_of([train_run("a", 0, 0.70001), train_run("b", 0, 0.70004), train_run("c", 0, 0.6)]))
    assert best_of(summary.groups, summary.measures[0]) == {0, 1}


def test_seconds_are_bookkeeping_beside_metrics_and_a_measure_alone() -> None:
    assert [m.key for m in measures_of(["seconds", "test_acc", "epoch"])] == ["test_acc"]
    assert [m.key for m in measures_of(["seconds"])] == ["seconds"]


def test_results_without_a_number_have_no_measures() -> None:
    summary = summarise(call_runs([{"value": "text"}, {"value": None}, {"ok": True}, {}]))
    assert summary.measures == ()
    assert len(summary.groups) == 4
