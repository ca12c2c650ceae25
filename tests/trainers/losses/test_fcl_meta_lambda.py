"""FCL-Metalambda: the gradient of its weight, the steps that it takes, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows, log_rest, nll, ordinary, printed
from tests.trainers.losses.test_brier import brier
from tests.trainers.losses.test_smooth_ece import sece
from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.base import MetaBatch
from trainers.losses.brier import brier_score
from trainers.losses.fcl_meta_lambda import FocalCalibrationMeta
from trainers.losses.smooth_ece import smooth_ece

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1, 1, 1, 1, 0, 2, 2, 1, 1, 0, 0, 2, 2, 2, 0, 0, 1])


def build(**parameters: Any) -> FocalCalibrationMeta:
    loss = build_loss("fcl_meta_lambda", num_classes=3, **parameters)
    assert isinstance(loss, FocalCalibrationMeta)
    return loss


def golden_batch(rate: float = 0.1) -> MetaBatch:
    """Twenty-four samples and a linear head without a random draw."""
    i, j, k = (np.arange(count, dtype=np.float64) for count in (24, 4, 3))
    features = np.sin(0.9 * i[:, None] + 0.7 * j + 0.3 * i[:, None] * j + 0.2)
    weight = 1.5 * np.cos(1.1 * k[:, None] + 0.6 * j)
    scores = features @ (weight + 0.8 * np.sin(2.3 * k[:, None] + 1.7 * j)).T + 0.5 * np.cos(1.3 * i[:, None] * (k + 1))
    assert scores.argmax(axis=1).tolist() == LABELS.tolist()
    head = nn.Linear(4, 3).double()
    head.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(0.1 * k)})
    rows = torch.from_numpy(features)
    return MetaBatch(rows[:12], LABELS[:12], rows[12:], LABELS[12:], head, rate)


def random_batch(seed: int, rate: float = 0.1) -> MetaBatch:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(24, 4, generator=draw, dtype=torch.float64)
    targets = torch.randint(3, (24,), generator=draw)
    return MetaBatch(features[:12], targets[:12], features[12:], targets[12:], golden_batch().head, rate)


def plain_focal(logits: Tensor, targets: Tensor) -> Tensor:
    losses = F.cross_entropy(logits, targets, reduction="none")
    return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


def objective_after(batch: MetaBatch, lam: float, kappa: float) -> float:
    """J a plain gradient step ahead, from formulas of its own."""
    batch.head.train()
    weights = dict(batch.head.named_parameters())
    logits = batch.head(batch.features)
    own = F.one_hot(batch.targets, logits.shape[1])
    brier_term = (F.softmax(logits, dim=1) - own).square().sum(dim=1).mean()
    steps = torch.autograd.grad(plain_focal(logits, batch.targets) + lam * brier_term, list(weights.values()))
    ahead = {name: weight - batch.rate * step for (name, weight), step in zip(weights.items(), steps, strict=True)}
    batch.head.eval()
    scores = functional_call(batch.head, ahead, (batch.val_features,)).detach()
    targets = batch.val_targets
    right = (scores.argmax(dim=1) == targets).double().numpy()
    error = sece(F.softmax(scores, dim=1).amax(dim=1).numpy(), right)
    return error + kappa * float(F.cross_entropy(scores, targets))


def slope(function: Callable[[float], float], at: float, step: float = 1e-3) -> float:
    values = [function(at + steps * step) for steps in (-2, -1, 1, 2)]
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)


def test_golden_loss_values() -> None:
    assert printed("fcl_meta_lambda") == pytest.approx(0.9448085368, abs=1e-10)
    assert printed("fcl_meta_lambda", lam=0.5) == pytest.approx(0.7118285368, abs=1e-10)
    assert printed("fcl_meta_lambda", gamma=3.0, **{"lambda": 0.5}) == pytest.approx(0.6353731442, abs=1e-10)


@pytest.mark.parametrize(("gamma", "lam"), [(2.0, 1.0), (0.5, 0.1), (0.0, 10.0)])
def test_it_is_its_formula(gamma: float, lam: float) -> None:
    def formula(logits: Floats, targets: Integers) -> float:
        focal = np.exp(gamma * log_rest(logits, targets)) * nll(logits, targets)
        return float(focal.mean()) + lam * brier(logits, targets)

    assert_follows(build(gamma=gamma, lam=lam), formula)


def test_the_weight_starts_where_it_is_told_to() -> None:
    assert float(build().rho) == pytest.approx(0.5413249, abs=5e-8)
    for lam in (1e-3, 0.3, 1.0, 10.0):
        assert float(build(lam=lam).lam) == pytest.approx(lam, rel=1e-12)


def test_golden_meta_step() -> None:
    loss, batch = build(), golden_batch()
    logits = batch.head(batch.features).detach()
    assert float(build(lam=1e-9)(logits, batch.targets)) == pytest.approx(0.4246147884, abs=2e-9)
    assert float(brier_score(logits, batch.targets)) == pytest.approx(0.5470525190, abs=1e-10)
    before = smooth_ece(batch.head(batch.val_features), batch.val_targets)
    assert float(before.detach()) == pytest.approx(0.1769747950, abs=1e-10)
    assert objective_after(batch, 1.0, 0.0) == pytest.approx(0.1586792201, abs=1e-10)
    assert float(loss.gradient_of_lam(batch)) == pytest.approx(-9.739421e-3, abs=5e-10)
    assert float(loss.gradient_of_rho(batch)) == pytest.approx(-6.156488e-3, abs=5e-10)


@pytest.mark.parametrize("kappa", [0.0, 2.0])
@pytest.mark.parametrize("lam", [0.2, 1.0, 5.0])
def test_the_gradient_is_that_of_finite_differences(lam: float, kappa: float) -> None:
    for batch in (golden_batch(), random_batch(1), random_batch(2, rate=0.5)):
        found = float(build(lam=lam, meta_ce_weight=kappa).gradient_of_lam(batch))
        assert found == pytest.approx(slope(partial(objective_after, batch, kappa=kappa), lam), abs=1e-8)


def whole_network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)).double()


def test_all_of_a_network_may_be_moved_ahead_and_stays_as_it_was() -> None:
    network = whole_network()
    rows = golden_batch()
    batch = MetaBatch(rows.features, rows.targets, rows.val_features, rows.val_targets, network, 0.1)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = float(build(meta_params="all").gradient_of_lam(batch))
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())

    def objective(lam: float) -> float:
        network.load_state_dict(before)
        # Its own running statistics are those of before the step: a forward in training mode would have moved them.
        frozen = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
        for module in frozen:
            module.momentum = 0.0
        return objective_after(batch, lam, 0.0)

    assert found == pytest.approx(slope(objective, 1.0), abs=1e-8)


def test_it_steps_as_torch_adam_does() -> None:
    loss = build(meta_lr=0.05)
    rho = nn.Parameter(loss.rho.clone())
    adam = torch.optim.Adam([rho], lr=0.05)
    for seed in range(8):
        rho.grad = loss.gradient_of_rho(random_batch(seed))
        loss.learn(random_batch(seed))
        adam.step()
        assert float(loss.rho) == pytest.approx(float(rho.detach()), abs=1e-13)


def test_the_weight_stays_within_its_range() -> None:
    high = build(meta_lr=20.0)
    high.learn(golden_batch())  # upwards
    assert float(high.lam) == pytest.approx(10.0, abs=1e-12)
    low = build(meta_lr=20.0)
    batch = next(one for one in map(random_batch, range(20)) if low.gradient_of_lam(one) > 0)
    low.learn(batch)
    assert 0 < float(low.lam) < 1e-6


def test_a_gradient_that_is_no_number_moves_nothing() -> None:
    loss, batch = build(), golden_batch()
    broken = MetaBatch(batch.features * float("inf"), *list(vars(batch).values())[1:])
    before = float(loss.rho)
    loss.learn(broken)
    assert float(loss.rho) == before
    loss.learn(batch)
    assert np.isfinite(float(loss.rho))
    assert float(loss.rho) != before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_features_of_half_precision_are_widened(dtype: torch.dtype) -> None:
    batch, loss = golden_batch(), build()
    halved = MetaBatch(
        batch.features.to(dtype),
        batch.targets,
        batch.val_features.to(dtype),
        batch.val_targets,
        batch.head.float(),
        0.1,
    )
    assert float(loss.gradient_of_lam(halved)) == pytest.approx(-9.739421e-3, rel=0.1)


def test_a_checkpoint_has_the_same_future_and_updates_are_in_place() -> None:
    one = build()
    places = {name: value.data_ptr() for name, value in one.named_buffers()}
    for seed in range(3):
        one.learn(random_batch(seed))
    other = build()
    other.load_state_dict(one.state_dict())
    for seed in range(3, 7):
        one.learn(random_batch(seed))
        other.learn(random_batch(seed))
    assert all(torch.equal(value, dict(other.named_buffers())[name]) for name, value in one.named_buffers())
    assert all(value.data_ptr() == places[name] for name, value in one.named_buffers())
    assert float(one.rho) != float(build().rho)


def test_it_tells_its_weight_and_the_error_of_the_validation_split() -> None:
    logits, targets = ordinary(200, 3)
    loss = build(lam=0.25)
    scores = torch.from_numpy(logits)
    told = loss.watch(scores.float(), torch.from_numpy(targets), 0)
    probs = F.softmax(scores, dim=1).numpy()
    expected = sece(probs.max(axis=1), (probs.argmax(axis=1) == targets).astype(float))
    assert list(told.columns) == ["lambda_if_any", "val_smooth_ece_if_any"]
    assert told.columns["lambda_if_any"] == pytest.approx(0.25)
    assert told.columns["val_smooth_ece_if_any"] == pytest.approx(expected, abs=1e-7)
    assert not told.table
    with pytest.raises(ValueError, match="NaN or infinity"):
        loss.watch(scores * float("nan"), torch.from_numpy(targets), 1)


def test_it_asks_for_a_batch_every_so_many_steps() -> None:
    assert build().meta_every == 10
    assert build(meta_every=3).meta_every == 3


@pytest.mark.parametrize("lam", [0.0, 10.5])
def test_a_weight_out_of_range_is_refused(lam: float) -> None:
    with pytest.raises(SpecError, match="lam is"):
        build(lam=lam)
