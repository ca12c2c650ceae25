"""Class weights of a rule, and labels that have a share of an image: for each loss what they do, or that it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.losses.test_every_loss import Case, built, each_case, normal, told
from trainers.errors import SpecError
from trainers.losses import build_loss

WEIGHTS = torch.tensor([0.2, 3.0, 1.3, 0.7], dtype=torch.float64)
KEEPS_SCALE = ("focal",)  # its mean divides by the samples, not by their weights


def doubles() -> tuple[Tensor, Tensor]:
    logits, targets = normal()
    return logits.double(), targets


def singly(case: Case, logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each sample by itself, (N,)."""
    loss = built(case)
    each = [loss(row[None], label[None], **told(loss, row[None])) for row, label in zip(logits, targets, strict=True)]
    return torch.stack(each)


@each_case
def test_shares_multiply_the_terms(case: Case) -> None:
    logits, targets = doubles()
    shares = torch.rand(len(targets), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    loss = built(case)
    if loss.needs_one_label:
        with pytest.raises(SpecError, match="one label an image"):
            loss(logits, targets, shares=shares, **told(loss, logits))
        return
    value = loss(logits, targets, shares=shares, **told(loss, logits))
    weights = torch.ones(4).double()
    if case[0] in ("cb_ce", "cb_focal"):
        weights = loss.own_weights  # type: ignore[assignment]
    terms = shares * singly(case, logits, targets) * (weights[targets] if case[0] == "cb_ce" else 1)
    total = weights[targets].sum() if case[0] == "cb_ce" else len(targets)
    torch.testing.assert_close(value, terms.sum() / total)


@each_case
def test_two_labels_of_the_same_shares_are_the_two_losses_mixed(case: Case) -> None:
    logits, targets = doubles()
    others, shares = targets.flip(0), torch.full((len(targets),), 0.3, dtype=torch.float64)
    loss = built(case)
    if loss.needs_one_label:
        return
    seen = told(loss, logits)
    value = loss(logits, targets, shares=shares, **seen) + loss(logits, others, shares=1 - shares, **seen)
    mixed = 0.3 * loss(logits, targets, **seen) + 0.7 * loss(logits, others, **seen)
    torch.testing.assert_close(value, mixed)


@each_case
def test_class_weights_weigh_the_terms(case: Case) -> None:
    logits, targets = doubles()
    loss = built(case)
    seen = told(loss, logits)
    if not loss.takes_weights:
        with pytest.raises(SpecError, match="no class weights"):
            loss(logits, targets, class_weights=WEIGHTS, **seen)
        return
    value = loss(logits, targets, class_weights=WEIGHTS, **seen)
    ones = loss(logits, targets, class_weights=torch.ones(4), **seen)
    torch.testing.assert_close(ones, loss(logits, targets, **seen))
    scaled = loss(logits, targets, class_weights=7 * WEIGHTS, **seen)
    torch.testing.assert_close(scaled, 7 * value if case[0] in KEEPS_SCALE else value)
    if loss.needs_one_label:  # no mean of terms of single images: test_gml, test_lade
        assert abs(float(value - ones)) > 1e-2
        return
    weights, terms = WEIGHTS[targets], singly(case, logits, targets)
    total = len(targets) if case[0] in KEEPS_SCALE else weights.sum()
    torch.testing.assert_close(value, (weights * terms).sum() / total)
    shares = torch.linspace(0, 1, len(targets), dtype=torch.float64)
    shared = loss(logits, targets, class_weights=WEIGHTS, shares=shares, **seen)
    torch.testing.assert_close(shared, (shares * weights * terms).sum() / total)


def test_cross_entropy_is_torchs_with_weights() -> None:
    logits, targets = doubles()
    value = build_loss("ce", num_classes=4)(logits, targets, class_weights=WEIGHTS)
    torch.testing.assert_close(value, F.cross_entropy(logits, targets, weight=WEIGHTS))


def test_cross_entropy_of_two_labels_is_torchs_of_soft_targets() -> None:
    logits, targets = doubles()
    others, shares = targets.roll(3), torch.linspace(0, 1, len(targets), dtype=torch.float64)
    loss = build_loss("ce", num_classes=4)
    value = loss(logits, targets, shares=shares) + loss(logits, others, shares=1 - shares)
    eye = torch.eye(4, dtype=torch.float64)
    soft = shares[:, None] * eye[targets] + (1 - shares)[:, None] * eye[others]
    torch.testing.assert_close(value, F.cross_entropy(logits, soft))


def test_float32_logits_take_float64_weights_and_stay_float32() -> None:
    logits, targets = normal()
    value = build_loss("ce", num_classes=4)(logits, targets, class_weights=WEIGHTS, shares=torch.ones(16).double())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, F.cross_entropy(logits, targets, weight=WEIGHTS.float()))
