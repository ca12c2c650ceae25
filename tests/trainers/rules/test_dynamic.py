"""Weights that follow the losses, recalls or F1 of the classes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor
from torch.nn import functional as F

from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.base import Batch, Loss
from trainers.rules import Rule, build_rule

CE = build_loss("ce", num_classes=3)
FIRST, SECOND = (0.2, 0.5, 1.0), (0.9, 0.3, 0.6)


class OfTheEpoch(Loss):
    needs_epoch = True

    def mean(self, batch: Batch) -> Tensor:
        return F.cross_entropy(batch.logits, batch.targets) * batch.required_epoch()


class OfFeatures(Loss):
    needs_features = True

    def mean(self, batch: Batch) -> Tensor:
        return batch.required_features().sum()


def dynamic(**parameters: Any) -> Rule:
    return build_rule("dynamic_rw", class_counts=[100, 10, 1], epochs=20, **parameters)


def weights(rule: Rule) -> list[float]:
    assert rule.class_weights is not None
    return [float(weight) for weight in rule.class_weights]


def with_losses(losses: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Logits and targets, two samples a class, whose mean cross entropy is this of each class."""
    rows, targets = [], []
    for label, loss in enumerate(losses):
        for share in (0.5, 1.5):
            prob = np.exp(-loss * share)
            row = np.full(3, (1 - prob) / 2)
            row[label] = prob
            rows.append(np.log(row) + 3 * share)
            targets.append(label)
    return torch.tensor(np.array(rows)), torch.tensor(targets)


def with_confusion(confusion: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Logits and targets of this confusion matrix: row the target, column the prediction."""
    pairs = [(row, column) for row in range(3) for column in range(3) for _ in range(confusion[row][column])]
    targets, predicted = torch.tensor(pairs).T
    return F.one_hot(predicted, 3).float() * 4 - 1, targets


def test_two_updates_from_losses_are_the_reference_ones() -> None:
    rule = dynamic()
    assert weights(rule) == [1, 1, 1]
    rule.watch(*with_losses(FIRST), CE, 0)
    assert weights(rule) == pytest.approx([1.280000, 1.699999, 2.399999], abs=2e-6)
    rule.watch(*with_losses(SECOND), CE, 1)
    assert weights(rule) == pytest.approx([2.623998, 2.026666, 3.053331], abs=2e-6)


def test_recalls_are_the_reference_ones() -> None:
    rule = dynamic(mode="recall", ema=0.0)  # nothing is kept: what is left is the new weight
    rule.watch(*with_confusion([[9, 1, 0], [1, 1, 0], [1, 0, 0]]), CE, 0)
    assert weights(rule) == pytest.approx([1.699999, 4.499997, 7.999993], abs=2e-6)


def test_f1_is_that_of_scikit_learn() -> None:
    logits, targets = with_confusion([[8, 1, 1], [2, 6, 2], [3, 3, 4]])
    rule = dynamic(mode="f1", ema=0.0)
    rule.watch(logits, targets, CE, 0)
    need = 1 - f1_score(targets, logits.argmax(dim=1), average=None)
    assert need == pytest.approx([1 - 0.695652, 0.4, 1 - 0.470588], abs=1e-6)
    assert weights(rule) == pytest.approx(1 + 7 * need / (need.max() + 1e-6), rel=1e-6)


def test_losses_are_taken_class_by_class_as_they_are_trained_and_not_weighted() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(200, 3, generator=generator), torch.arange(200) % 7 % 3
    focal = build_loss("focal", num_classes=3, gamma=1.5)
    rule = dynamic(ema=0.0)
    rule.watch(logits, targets, focal, 0)
    rule.watch(logits, targets, focal, 1)  # weights of the first time are not in it
    probs = logits.double().softmax(dim=1)[torch.arange(200), targets]
    terms = -((1 - probs) ** 1.5) * probs.log()
    need = torch.stack([terms[targets == index].mean() for index in range(3)])
    assert weights(rule) == pytest.approx((1 + 7 * need / need.max()).tolist(), rel=1e-5)


def test_a_class_without_samples_keeps_its_weight() -> None:
    for mode in ("loss", "recall", "f1"):
        rule = dynamic(mode=mode)
        rule.watch(*with_losses(SECOND), CE, 0)
        before = weights(rule)
        logits, targets = with_losses(FIRST)
        logits[:, 2] += 20  # class 2 is predicted, and has no sample
        rule.watch(logits[targets != 2], targets[targets != 2], CE, 1)
        assert weights(rule)[2] == before[2]
        assert weights(rule)[0] != before[0]


def test_weights_stay_within_their_bounds_and_come_to_rest_at_their_target() -> None:
    rule = dynamic(min_weight=2.0, max_weight=4.0)
    rule.watch(*with_losses((0.001, 0.5, 1.0)), CE, 0)
    assert weights(rule) == [2, 2, 2]  # 0.8 and a part: cut off after the mean
    for epoch in range(1, 60):
        rule.watch(*with_losses((0.001, 0.5, 1.0)), CE, epoch)
    assert weights(rule) == pytest.approx([2.002, 3, 4], abs=1e-4)


def test_a_mean_of_one_is_of_what_is_used_and_not_of_what_goes_on() -> None:
    plain, scaled = dynamic(), dynamic(normalise="mean1")
    for epoch, losses in enumerate((FIRST, SECOND, FIRST)):
        for rule in (plain, scaled):
            rule.watch(*with_losses(losses), CE, epoch)
        expected = np.array(weights(plain))
        assert weights(scaled) == pytest.approx(expected / expected.mean(), rel=1e-6)


def test_a_checkpoint_brings_the_weights_back_bit_for_bit() -> None:
    rule, resumed = dynamic(normalise="mean1"), dynamic(normalise="mean1")
    for epoch, losses in enumerate((FIRST, SECOND)):
        rule.watch(*with_losses(losses), CE, epoch)
    saved = {key: value.clone() for key, value in rule.state_dict().items()}
    resumed.load_state_dict(saved)
    resumed.begin_epoch(2)
    assert weights(resumed) == weights(rule)
    for one in (rule, resumed):
        one.watch(*with_losses((0.3, 0.1, 0.7)), CE, 2)
    assert weights(resumed) == weights(rule)
    assert weights(rule) != saved["weights"].tolist()


def test_weights_are_written_in_place_and_told_as_a_table() -> None:
    rule = dynamic()
    kept = rule.class_weights
    assert kept is not None
    told = rule.watch(*with_losses(FIRST), CE, 4)
    assert kept.tolist() == pytest.approx([1.28, 1.7, 2.4], abs=1e-5)
    assert rule.watches_train
    assert rule.table_name == "class_weights.csv"
    assert [(row["epoch"], row["class"]) for row in told.table] == [(5, 0), (5, 1), (5, 2)]
    assert [row["weight"] for row in told.table] == pytest.approx(kept.tolist(), abs=1e-6)
    json.dumps([dict(row) for row in told.table])  # plain numbers


def test_a_loss_that_changes_with_the_epoch_is_told_it() -> None:
    rule = dynamic()
    rule.watch(*with_losses(FIRST), OfTheEpoch(), 3)
    assert weights(rule) == pytest.approx([1.28, 1.7, 2.4], abs=1e-5)


def test_what_it_cannot_see_is_refused() -> None:
    with pytest.raises(SpecError, match=r"needs features .* use `mode: recall` or `f1`"):
        dynamic().wrapped(OfFeatures())
    assert isinstance(dynamic(mode="recall").wrapped(OfFeatures()), OfFeatures)
    rule = dynamic()
    with pytest.raises(ValueError, match="NaN or infinity"):
        rule.watch(torch.full((2, 3), torch.nan), torch.tensor([0, 1]), CE, 0)
    assert weights(rule) == [1, 1, 1]
