"""One step of the optimizer: in parts, of mixed labels, and what it leaves behind."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.losses import build_loss
from trainers.losses.base import Batch, Loss
from trainers.precision import Precision
from trainers.rules.rule import Rule
from trainers.rules.static import Inverse
from trainers.step import EagerStep, Model, Samples

CPU = torch.device("cpu")


class Net(nn.Module):
    """Without batch norm, so that the parts of a batch do not see each other."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.linear = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, images: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        features = F.relu(self.body(images)).mean(dim=(2, 3))
        logits: Tensor = self.linear(features)
        return (logits, features) if with_features else logits


def model(loss: Loss | None = None, rule: Rule | None = None) -> Model:
    torch.manual_seed(0)
    network = Net()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9)
    precision = Precision("fp32", CPU)
    loss = loss or build_loss("ce", num_classes=3)
    return Model(network, network, loss, rule or Rule(), optimizer, precision.scaler(), precision)


def samples(count: int = 10) -> Samples:
    draw = torch.Generator().manual_seed(1)
    return Samples(torch.randn(count, 3, 6, 6, generator=draw), torch.randint(3, (count,), generator=draw))


def weights(of: Model) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in of.network.parameters()]


@pytest.mark.parametrize("accumulate", [2, 3, 10, 64])
def test_a_batch_in_parts_is_the_step_of_the_whole_batch(accumulate: int) -> None:
    whole, parts = model(), model()
    for _ in range(3):
        loss, hits = EagerStep(whole)(samples(), 1.0, 0)
        same_loss, same_hits = EagerStep(parts, accumulate)(samples(), 1.0, 0)
        torch.testing.assert_close(loss, same_loss)
        assert hits == same_hits
    for one, other in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(one, other)


def test_what_an_earlier_step_left_in_the_gradients_does_not_count() -> None:
    clean, dirty = model(), model()
    for parameter in dirty.network.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    EagerStep(clean)(samples(), 1.0, 0)
    EagerStep(dirty)(samples(), 1.0, 0)
    assert all(torch.equal(one, other) for one, other in zip(weights(clean), weights(dirty), strict=True))


@pytest.mark.parametrize("shares", [None, torch.linspace(0, 1, 10)])
@pytest.mark.parametrize("name", ["ce", "focal", "cb_ce"])
def test_class_weights_mean_the_same_in_one_part_and_in_three(name: str, shares: Tensor | None) -> None:
    rule = None if name == "cb_ce" else Inverse([40, 10, 2])
    found = []
    for accumulate in (1, 3):
        of, given = model(build_loss(name, num_classes=3, class_counts=[40, 10, 2]), rule), samples()
        others = None if shares is None else given.targets.roll(1)
        EagerStep(of, accumulate)(Samples(given.images, given.targets, others, shares), 1.0, 0)
        found.append(weights(of))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts)


def test_class_weights_are_those_of_torchs_cross_entropy() -> None:
    rule, given = Inverse([40, 10, 2]), samples()
    of = model(rule=rule)
    expected = F.cross_entropy(of.network(given.images), given.targets, weight=rule.class_weights)
    assert EagerStep(of)(given, 1.0, 0)[0] == pytest.approx(float(expected.detach()), rel=1e-6)


def test_each_mixed_image_may_have_a_share_of_its_own() -> None:
    of, given = model(), samples()
    others, shares = given.targets.flip(0), torch.linspace(0, 1, 10)
    logits = of.network(given.images)
    soft = shares[:, None] * F.one_hot(given.targets, 3) + (1 - shares[:, None]) * F.one_hot(others, 3)
    loss, hits = EagerStep(of)(Samples(given.images, given.targets, others, shares), 1.0, 0)
    torch.testing.assert_close(loss, F.cross_entropy(logits, soft).detach())
    assert hits == (logits.argmax(dim=1) == torch.where(shares >= 0.5, given.targets, others)).sum()


def test_mixed_images_count_for_both_labels_in_their_shares() -> None:
    of, given = model(), samples()
    others = given.targets.flip(0)
    logits = of.network(given.images)
    expected = 0.3 * F.cross_entropy(logits, given.targets) + 0.7 * F.cross_entropy(logits, others)
    before = copy.deepcopy(of.network)
    loss, hits = EagerStep(of)(Samples(given.images, given.targets, others, torch.tensor(0.3)), 1.0, 0)
    torch.testing.assert_close(loss, expected.detach())
    assert hits == (logits.argmax(dim=1) == others).sum()  # the label with the larger share
    gradient = torch.autograd.grad(
        0.3 * F.cross_entropy(before(given.images), given.targets)
        + 0.7 * F.cross_entropy(before(given.images), others),
        list(before.parameters()),
    )
    for one, other in zip(of.network.parameters(), gradient, strict=True):
        torch.testing.assert_close(one.grad, other)


class Late(Loss):
    """Tells what it was told."""

    needs_epoch = True

    def mean(self, batch: Batch) -> Tensor:
        return F.cross_entropy(batch.logits, batch.targets) * (1 + batch.required_epoch())


class Sly(Late):
    """Uses the epoch without saying so."""

    needs_epoch = False


def test_only_a_loss_that_says_so_is_told_the_epoch() -> None:
    first, third = (EagerStep(model(Late()))(samples(), 1.0, epoch)[0] for epoch in (0, 2))
    torch.testing.assert_close(third, 3 * first)
    with pytest.raises(ValueError, match="changes with the epoch"):
        EagerStep(model(Sly()))(samples(), 1.0, 0)
