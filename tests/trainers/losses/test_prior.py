"""Balanced softmax, logit adjustment, class-dependent temperatures, and vector scaling, of which all are cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows_with_counts, cross_entropy
from tests.trainers.losses.golden import LOGITS, TARGETS, assert_golden, value_and_gradient
from trainers import build_loss
from trainers.errors import SpecError


@pytest.mark.parametrize(
    ("name", "parameters", "value", "total"),
    [
        ("bsce", {}, 1.323669, 0.942525),
        ("logit_adjusted", {}, 1.323669, 0.942525),
        ("logit_adjusted", {"tau": 0.5}, 0.741893, 0.831253),
        ("cdt", {}, 0.643961, 0.591344),
        ("cdt", {"gamma": 0.2}, 0.643961, 0.591344),
        ("vs", {"gamma": 0.2, "tau": 1.0}, 1.542079, 0.703619),
        ("vs", {}, 1.597780, None),
    ],
)
def test_golden_value_and_gradient(name: str, parameters: dict[str, Any], value: float, total: float | None) -> None:
    found = value_and_gradient(name, **parameters)
    row = [-0.005576, 0.005454, 0.000122] if value == 1.323669 else None
    assert_golden(found, value, row, total)


@pytest.mark.parametrize(("gamma", "tau"), [(0.3, 1.0), (0.0, 1.0), (0.2, 0.0), (0.5, -0.5), (0.0, 0.0)])
def test_vector_scaling_is_its_formula(gamma: float, tau: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        return cross_entropy((counts / counts.max()) ** gamma * logits + tau * np.log(counts / counts.sum()), targets)

    assert_follows_with_counts("vs", formula, gamma=gamma, tau=tau)


@pytest.mark.parametrize(
    ("name", "parameters", "case"),
    [
        ("bsce", {}, {"gamma": 0.0, "tau": 1.0}),
        ("logit_adjusted", {"tau": 0.7}, {"gamma": 0.0, "tau": 0.7}),
        ("cdt", {"gamma": 0.3}, {"gamma": 0.3, "tau": 0.0}),
    ],
)
def test_the_others_are_cases_of_it(name: str, parameters: dict[str, Any], case: dict[str, Any]) -> None:
    assert value_and_gradient(name, **parameters)[0] == value_and_gradient("vs", **case)[0]


def test_balanced_softmax_adds_the_logs_of_the_counts_and_nothing_else() -> None:
    logits = 5 * torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(64) % 3
    counts = torch.tensor([5000.0, 387.0, 50.0], dtype=torch.float64)
    loss = build_loss("bsce", num_classes=3, class_counts=[5000, 387, 50])
    assert torch.equal(loss(logits, targets), F.cross_entropy(logits + counts.log().float(), targets))


@pytest.mark.parametrize("name", ["bsce", "logit_adjusted", "cdt", "vs"])
def test_counts_matter_only_by_their_ratios(name: str) -> None:
    logits = torch.tensor(LOGITS)
    small = build_loss(name, num_classes=3, class_counts=[100, 10, 1])(logits, TARGETS)
    torch.testing.assert_close(build_loss(name, num_classes=3, class_counts=[700, 70, 7])(logits, TARGETS), small)


@pytest.mark.parametrize("name", ["bsce", "logit_adjusted", "cdt", "vs"])
def test_balanced_counts_give_cross_entropy(name: str) -> None:
    logits = torch.tensor(LOGITS)
    balanced = build_loss(name, num_classes=3, class_counts=[5, 5, 5])(logits, TARGETS)
    torch.testing.assert_close(balanced, build_loss("ce", num_classes=3)(logits, TARGETS))


@pytest.mark.parametrize(
    ("counts", "says"),
    [(None, "needs class_counts"), ([3, 4], "2 class_counts for 3 classes"), ([3, 0, 1], "at least one image")],
)
@pytest.mark.parametrize("name", ["bsce", "vs", "cb_ce", "ldam", "lade", "gml", "las"])
def test_counts_that_do_not_fit_are_refused(name: str, counts: list[int] | None, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        build_loss(name, num_classes=3, class_counts=counts)
