"""Experiments to report on, made of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.report.records import Cell, Results, Run, Scalar

# Four seeds of two losses. By hand: ce has mean .55 and standard deviation .1; bsce .7 and 0.
ACCURACY = {"ce": (0.45, 0.65), "bsce": (0.7, 0.7)}


def train_run(loss: str, seed: int, accuracy: float | None, **more: Scalar) -> Run:
    """A done training job; `more` are further values of its result."""
    cell = Cell(f"digits-{loss}-{seed}", {"dataset": "digits", "imbalance.ratio": 100, "loss": loss, "seed": seed})
    return Run(cell, 1, {"test_acc": accuracy, "select": "last", **more})


def results_of(runs: Sequence[Run], *missing: Cell, **states: str) -> Results:
    """An experiment whose plan is what is done and what is missing."""
    return Results("digits-lt", runs, [*(run.cell for run in runs), *missing], states)


def two_losses() -> Results:
    """The experiment of `ACCURACY`, nothing missing."""
    return results_of(
        [
            train_run(loss, seed, accuracy, test_ece=0.2 - accuracy / 10)
            for loss, values in ACCURACY.items()
            for seed, accuracy in enumerate(values)
        ]
    )


def call_runs(values: Sequence[Mapping[str, Any]]) -> Results:
    """Done `call` jobs of one axis, `params.x`, with these results."""
    return results_of([Run(Cell(f"call-{x}", {"params.x": x}), 1, dict(value)) for x, value in enumerate(values)])
