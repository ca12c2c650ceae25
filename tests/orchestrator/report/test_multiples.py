from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from orchestrator.report.multiples import PAGE_RUNS, draw_multiples, split_facets
from orchestrator.report.records import Cell, Results, Run
from orchestrator.report.summary import summarise
from tests.trainers.calibration.golden import formula_logits
from trainers.outputs import write_metrics_csv

BINS = "epoch,bin,gap,gamma_after\n1,0,.1,5\n1,1,-.1,3\n"


def leave(folder: Path, loss: str) -> None:
    """What a run leaves that is drawn of it."""
    folder.mkdir(parents=True)
    logits, targets = formula_logits()
    file = io.BytesIO()
    np.savez(file, test_logits=logits[:100], test_targets=targets[:100])
    (folder / "predictions.npz").write_bytes(file.getvalue())
    write_metrics_csv(folder / "metrics.csv", [{"epoch": 1, "lr": 0.1, "test_acc": 0.5, "test_ece": 0.2}])
    if loss == "adafocal":
        (folder / "val_bin_stats.csv").write_text(BINS)


def grid(root: Path, losses: list[str], backbones: list[str], seeds: int = 2) -> Results:
    def runs() -> Iterator[Run]:
        for loss in losses:
            for backbone in backbones:
                for seed in range(seeds):
                    job = f"{loss}-{backbone}-{seed}"
                    leave(root / job, loss)
                    cell = Cell(job, {"dataset": "digits", "backbone": backbone, "loss": loss, "seed": seed})
                    yield Run(cell, 1, {"test_acc": 0.5, "temperature": 1.5}, root / job)

    found = list(runs())
    return Results("x", found, [run.cell for run in found])


def test_a_grid_has_its_runs_side_by_side_the_first_seed_of_each_row(tmp_path: Path) -> None:
    figures = {one.name: one for one in draw_multiples(summarise(grid(tmp_path, ["ce", "adafocal"], ["a", "b"])))}
    assert list(figures) == [
        *("grid_reliability", "grid_confidence", "grid_risk_coverage", "grid_epochs", "grid_adafocal"),
    ]
    for one in figures.values():
        assert one.data["png"].startswith(b"\x89PNG")
        assert one.data["pdf"].startswith(b"%PDF-")
        assert one.data["csv"].startswith((b"run,", b"panel,"))
    assert figures["grid_reliability"].data["csv"].count(b"\n") == 1 + 4 * 2 * 15
    drawn = {line.split('"')[1] for line in figures["grid_reliability"].data["csv"].decode().splitlines()[1:]}
    assert drawn == {"a, ce", "b, ce", "a, adafocal", "b, adafocal"}


def test_backbones_and_settings_tell_panels_apart_and_the_rest_lines(tmp_path: Path) -> None:
    assert split_facets(summarise(grid(tmp_path / "1", ["ce", "bsce"], ["a", "b"], 1))) == (("backbone",), ("loss",))
    assert split_facets(summarise(grid(tmp_path / "2", ["ce"], ["a", "b"], 1))) == ((), ("backbone",))
    assert split_facets(summarise(grid(tmp_path / "3", ["ce"], ["a"], 1))) == ((), ())


def test_one_run_alone_is_not_set_beside_anything(tmp_path: Path) -> None:
    assert [one.name for one in draw_multiples(summarise(grid(tmp_path, ["ce"], ["a"], 1)))] == ["grid_epochs"]


def test_runs_that_left_nothing_have_no_figure(tmp_path: Path) -> None:
    cells = [Cell(f"c{value}", {"x": value}) for value in (1, 2)]
    runs = [Run(cells[0], 1, {"value": 1}, tmp_path / "gone"), Run(cells[1], 1, {"value": 2}, None)]
    assert draw_multiples(summarise(Results("x", runs, cells))) == []


@pytest.mark.parametrize("count", [PAGE_RUNS + 1])
def test_a_large_grid_goes_over_several_pages(tmp_path: Path, count: int) -> None:
    figures = draw_multiples(summarise(grid(tmp_path, [f"l{index:02}" for index in range(count)], ["a"], 1)))
    pages = [one for one in figures if one.name.startswith("grid_reliability")]
    assert [one.name for one in pages] == ["grid_reliability_1", "grid_reliability_2"]
    assert sum(one.data["csv"].count(b"\n") - 1 for one in pages) == count * 2 * 15
