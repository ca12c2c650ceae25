"""Rules, samplers and mixers within whole runs: they do what they say, and survive being stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.attempts import attempt, document, pieces, result, rows
from trainers.spec import parse_spec

pytestmark = pytest.mark.usefixtures("tiny")

DYNAMIC = {"name": "dynamic_rw", "mode": "loss"}
DRW = {"name": "drw", "defer": 2.0}


@pytest.mark.parametrize(
    "sections",
    [
        {"rule": DYNAMIC},
        {"rule": {"name": "drw", "defer": 1.0}, "loss": {"name": "ldam"}, "head": {"name": "cosine"}},
        {"rule": {"name": "drs", "defer": 1.0}, "loss": {"name": "gml"}},
        {"rule": {"name": "deferred_loss", "defer": 1.0}, "loss": {"name": "lade"}, "sampler": {"name": "class_aware"}},
        {"mixer": {"name": "remix"}, "rule": {"name": "effective_rw"}, "sampler": {"name": "sqrt_rs"}},
    ],
    ids=["dynamic_rw", "ldam-drw", "gml-drs", "deferred-lade", "remix"],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, sections: dict[str, Any]) -> None:
    spec = document({"epochs": 3, "batch_size": 20}, eval_every=3, **sections)
    attempt(tmp_path / "whole", spec)
    (tmp_path / "pieces").mkdir()
    last = pieces(tmp_path / "pieces", spec, stops=6)
    assert result(last)["weights_sha256"] == result(tmp_path / "whole")["weights_sha256"]
    for name in ("metrics.csv", *(["class_weights.csv"] if sections.get("rule") == DYNAMIC else [])):
        assert rows(last / name) == rows(tmp_path / "whole" / name)


def test_a_deferred_rule_changes_nothing_before_its_epoch_and_everything_after(tmp_path: Path) -> None:
    losses = {}
    for name in ("none", "drw", "drs", "deferred_loss"):
        rule = {"name": name} if name == "none" else {"name": name, "defer": 2.0}
        spec = document({"epochs": 3}, rule=rule, loss={"name": "bsce" if name == "deferred_loss" else "ce"})
        attempt(tmp_path / name, spec)
        losses[name] = [float(row["train_loss"]) for row in rows(tmp_path / name / "metrics.csv")]
    plain = losses.pop("none")
    for found in losses.values():
        assert found[:2] == pytest.approx(plain[:2], rel=1e-5)
        assert found[2] != pytest.approx(plain[2], rel=1e-3)


def test_dynamic_weights_stay_within_their_bounds_and_are_told_for_each_epoch(tmp_path: Path) -> None:
    attempt(tmp_path, document({"epochs": 3}, rule={**DYNAMIC, "ema": 0.0}))
    table = rows(tmp_path / "class_weights.csv")
    assert sorted({row["epoch"] for row in table}) == ["1", "2"]  # after the last one nothing is trained
    weights = [float(row["weight"]) for row in table if row["epoch"] == "2"]
    assert max(weights) == pytest.approx(8.0, rel=1e-4)  # the class with the largest loss
    assert min(weights) >= 1


def test_what_is_not_plain_about_a_method_is_in_its_name(tmp_path: Path) -> None:
    sections = {"loss": {"name": "ldam"}, "head": {"name": "cosine"}, "rule": {"name": "drw", "weights": "inverse"}}
    attempt(tmp_path, document({"epochs": 2}, **sections, mixer={"name": "mixup"}))
    assert {row["method"] for row in rows(tmp_path / "metrics.csv")} == {"ldam-drw-inverse-mixup"}
    assert parse_spec(document(rule={"name": "drs", "sampler": "sqrt_rs"})).method == "ce-drs-sqrt_rs"
    assert parse_spec(document(loss={"name": "focal", "gamma": 1.0, "form": "softmax"})).method == "focal"
