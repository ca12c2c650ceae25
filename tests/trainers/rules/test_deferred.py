"""What is deferred begins with its epoch, however a run came there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.data.order import epoch_order
from trainers.data.sampling import sampled_order
from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.base import Batch, Loss
from trainers.rules import Rule, build_rule

COUNTS = [100, 10, 1]
LOGITS = torch.tensor([[2, 0.5, -1], [0.1, 0.3, 0.2], [-0.5, 1, 1.5], [1.2, -0.7, 0.4]], dtype=torch.float64)
TARGETS = torch.tensor([0, 1, 2, 0])
SWITCHES = pytest.mark.parametrize("defer", [{}, {"defer": 0.8}, {"defer": 160}, {"defer_epoch": 160}])


class FeatureNorm(Loss):
    """A loss of the features alone, for one label an image."""

    needs_features = True
    needs_one_label = True

    def mean(self, batch: Batch) -> Tensor:
        mean: Tensor = batch.required_features().norm(dim=1).mean()
        return mean


def weighted(rule: Rule, epoch: int) -> float:
    rule.begin_epoch(epoch)
    value = build_loss("ce", num_classes=3)(LOGITS, TARGETS, class_weights=rule.class_weights)
    return float(value)


@SWITCHES
def test_weights_begin_at_epoch_160_of_200(defer: dict[str, Any]) -> None:
    rule = build_rule("drw", class_counts=COUNTS, epochs=200, **defer)
    plain, weighed = 0.566881, 0.591297
    assert weighted(rule, 0) == weighted(rule, 159) == pytest.approx(plain, abs=1e-6)
    assert weighted(rule, 160) == weighted(rule, 199) == pytest.approx(weighed, abs=1e-6)


def test_a_run_that_is_taken_up_later_has_the_weights_of_its_epoch() -> None:
    resumed = build_rule("drw", class_counts=COUNTS, epochs=200)
    assert weighted(resumed, 170) == pytest.approx(0.591297, abs=1e-6)
    resumed.begin_epoch(170)
    assert resumed.class_weights is not None
    assert resumed.class_weights.tolist() == pytest.approx([0.027159, 0.270369, 2.702472], abs=1e-6)
    assert not resumed.state_dict()  # what follows from the spec and the epoch is in no checkpoint
    assert weighted(resumed, 100) == pytest.approx(0.566881, abs=1e-6)


def test_weights_are_written_in_place() -> None:
    rule = build_rule("drw", class_counts=COUNTS, epochs=10)
    kept = rule.class_weights
    assert kept is not None
    rule.begin_epoch(0)
    assert kept.tolist() == [1, 1, 1]
    rule.begin_epoch(8)
    assert kept[2] > 2


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"weights": "inverse"}, [0.027027, 0.270270, 2.702703]),
        ({"weights": "sqrt_inverse"}, [0.211830, 0.669866, 2.118303]),
        ({"beta": 0.9}, [0.239329, 0.367442, 2.393229]),
    ],
)
def test_other_weights_may_be_deferred(parameters: dict[str, Any], expected: list[float]) -> None:
    rule = build_rule("drw", class_counts=COUNTS, epochs=10, **parameters)
    rule.begin_epoch(8)
    assert rule.class_weights is not None
    assert rule.class_weights.tolist() == pytest.approx(expected, abs=1e-6)


@SWITCHES
def test_the_sampler_changes_at_epoch_160_of_200(defer: dict[str, Any]) -> None:
    rule = build_rule("drs", class_counts=[990, 10], epochs=200, **defer)
    labels = torch.tensor([0] * 990 + [1] * 10)

    def rare(epoch: int) -> int:
        sampler = rule.sampler({"name": "instance"}, epoch)
        order = sampled_order(sampler, labels, 2, seed=0, epoch=epoch, epochs=200)
        return int(labels[order].sum())

    assert rule.sampler({"name": "sqrt_rs"}, 159) == {"name": "sqrt_rs"}
    assert rare(159) == 10
    assert torch.equal(
        sampled_order(rule.sampler({"name": "instance"}, 159), labels, 2, seed=0, epoch=159, epochs=200),
        epoch_order(1000, 0, 159),
    )
    assert rare(160) == pytest.approx(500, abs=80)
    assert rare(199) == pytest.approx(500, abs=80)


def test_any_sampler_may_be_deferred_and_has_its_defaults() -> None:
    counts = [160, 10, 10, 10, 10]
    labels = torch.arange(5).repeat_interleave(torch.tensor(counts))
    for name in ("balanced_rs", "effective_rs", "class_aware", "sqrt_rs", "progressive_rs"):
        rule = build_rule("drs", class_counts=counts, epochs=10, sampler=name)
        order = sampled_order(rule.sampler({"name": "instance"}, 9), labels, 5, seed=0, epoch=9, epochs=10)
        assert len(order) == 200
        assert int((labels[order] > 0).sum()) > 60


@SWITCHES
def test_the_loss_is_cross_entropy_until_epoch_160_of_200(defer: dict[str, Any]) -> None:
    own = build_loss("bsce", num_classes=3, class_counts=COUNTS)
    loss = build_rule("deferred_loss", class_counts=COUNTS, epochs=200, **defer).wrapped(own)
    prior = torch.tensor(COUNTS, dtype=torch.float64).log()
    assert loss.needs_epoch
    for epoch in (0, 159):
        torch.testing.assert_close(loss(LOGITS, TARGETS, epoch=epoch), F.cross_entropy(LOGITS, TARGETS))
    for epoch in (160, 199):
        torch.testing.assert_close(loss(LOGITS, TARGETS, epoch=epoch), F.cross_entropy(LOGITS + prior, TARGETS))


def test_a_deferred_loss_needs_and_heeds_what_the_loss_does() -> None:
    rule = build_rule("deferred_loss", class_counts=COUNTS, epochs=10)
    loss = rule.wrapped(FeatureNorm())
    features = torch.full((4, 1), 3.0)
    assert loss.needs_features
    assert loss(LOGITS, TARGETS, features=features, epoch=8) == 3
    torch.testing.assert_close(loss(LOGITS, TARGETS, features=features, epoch=7), F.cross_entropy(LOGITS, TARGETS))
    with pytest.raises(SpecError, match="one label"):
        loss(LOGITS, TARGETS, features=features, epoch=7, shares=torch.ones(4))
    with pytest.raises(SpecError, match="no class weights"):
        loss(LOGITS, TARGETS, features=features, epoch=7, class_weights=torch.ones(3))
    with pytest.raises(SpecError, match="epoch"):
        loss(LOGITS, TARGETS, features=features)


def test_shares_and_weights_reach_both_losses() -> None:
    own = build_loss("ce", num_classes=3)
    loss = build_rule("deferred_loss", class_counts=COUNTS, epochs=10).wrapped(own)
    shares, weights = torch.tensor([0.0, 0.25, 0.5, 1.0]).double(), torch.tensor([1.0, 2.0, 3.0]).double()
    terms = F.cross_entropy(LOGITS, TARGETS, reduction="none")
    expected = (terms * shares * weights[TARGETS]).sum() / weights[TARGETS].sum()
    for epoch in (0, 9):
        torch.testing.assert_close(loss(LOGITS, TARGETS, epoch=epoch, shares=shares, class_weights=weights), expected)


def test_a_loss_that_learns_on_the_validation_split_is_not_deferred() -> None:
    rule = build_rule("deferred_loss", class_counts=COUNTS, epochs=10)
    for name in ("adafocal", "fcl_meta_lambda"):
        with pytest.raises(SpecError, match="cannot be deferred; use `rule: none`"):
            rule.wrapped(build_loss(name, num_classes=3))


@pytest.mark.parametrize("name", ["drw", "drs", "deferred_loss"])
def test_a_switch_that_never_comes_is_refused_and_what_works_is_named(name: str) -> None:
    with pytest.raises(SpecError, match=r"never switches; give a share .* 0.8, or an epoch up to 11"):
        build_rule(name, class_counts=COUNTS, epochs=12, defer=160)
    with pytest.raises(SpecError, match="never switches"):
        build_rule(name, class_counts=COUNTS, epochs=160, defer=160)
    with pytest.raises(SpecError, match=r"never switches; give a share of the epochs, such as 0.8$"):
        build_rule(name, class_counts=COUNTS, epochs=1, defer=1)
    with pytest.raises(SpecError, match=r"defer is 1.5; give a share"):
        build_rule(name, class_counts=COUNTS, epochs=160, defer=1.5)
    build_rule(name, class_counts=COUNTS, epochs=161, defer=160)
