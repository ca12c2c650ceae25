from __future__ import annotations

from typing import Any

import pytest

from jobs.spec import JobSpec
from orchestrator.report.records import Scalar, as_number, as_text, cells_of, result_values


def spec(job: str, content: dict[str, Any], cell: dict[str, Any]) -> JobSpec:
    return JobSpec(id=job, kind="train", content=content, cell=cell)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (100.0, "100"), (0.1, "0.1"), (1e-3, "0.001"), (2, "2"), ("ce", "ce")],
)
def test_values_are_written_as_a_grid_writes_them(value: Scalar, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [None, True, "3", float("nan"), 10**400])
def test_what_cannot_be_calculated_with_is_no_number(value: Scalar) -> None:
    assert as_number(value) is None


def test_a_result_is_flat_with_the_metrics_under_their_own_names() -> None:
    summary = {
        "schema": 1,
        "metrics": {"test_acc": 0.5, "seconds": 3.0},
        "seconds": 97.0,
        "class_counts": [5, 1],
        "inner": {"a": {"b": 2}, "list": [1]},
    }
    assert result_values(summary) == {"test_acc": 0.5, "seconds": 97.0, "inner.a.b": 2}


@pytest.mark.parametrize("summary", [{"value": 3}, {"metrics": 3, "value": 3}, {"metrics": None, "value": 3}])
def test_the_result_of_a_call_keeps_its_own_keys(summary: dict[str, Any]) -> None:
    assert result_values(summary)["value"] == 3


def test_mappings_and_lists_of_a_cell_become_scalars() -> None:
    (cell,) = cells_of([spec("a", {}, {"loss": {"name": "focal", "gamma": 2}, "train.milestones": [1, 2]})])
    assert cell.values == {"loss.name": "focal", "loss.gamma": 2, "train.milestones": "[1, 2]"}


def test_fixed_parameters_of_a_train_job_are_part_of_its_cell() -> None:
    content = {"loss": {"name": "focal", "gamma": 3.0}, "train": {"epochs": 30}, "val": {"per_class": 10}}
    (cell,) = cells_of([spec("a", content, {"loss": "focal", "loss.gamma": 3.0})])
    assert cell.values == {"loss": "focal", "loss.gamma": 3.0, "train.epochs": 30, "val.per_class": 10}


def test_a_default_stands_where_other_jobs_say_otherwise() -> None:
    short, whole = cells_of([spec("a", {"train": {"epochs": 30}}, {"seed": 0}), spec("b", {}, {"seed": 1})])
    assert (short.values["train.epochs"], whole.values["train.epochs"]) == (30, 200)


def test_seeds_of_different_data_are_different_settings() -> None:
    def folder(fingerprint: str) -> dict[str, Any]:
        return {"dataset": {"name": "folder", "fingerprint": fingerprint}}

    cells = cells_of(
        [
            spec("a", folder("f1"), {"dataset": "photos", "seed": 0}),
            spec("b", folder("f2"), {"dataset": "photos", "seed": 1}),
            spec("c", folder("f1"), {"dataset": "photos", "seed": 2}),
        ]
    )
    assert [cell.values["dataset.fingerprint"] for cell in cells] == ["f1", "f2", "f1"]


def test_what_differs_with_the_seed_only_is_no_setting() -> None:
    def command(seed: int, *more: str) -> JobSpec:
        content = {"argv": ["python", "train.py", str(seed), *more], "seed": seed, "needs": [f"stage1-{seed}"]}
        return JobSpec(id=f"c{seed}{len(more)}", kind="command", content=content, cell={"seed": seed})

    assert [cell.values for cell in cells_of([command(0), command(1)])] == [{"seed": 0}, {"seed": 1}]
    twins = cells_of([command(0), command(0, "--fast")])
    assert twins[0].values["argv"] != twins[1].values["argv"]
