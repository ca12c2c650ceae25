"""Feature-balanced loss: its logits, its curves, and the gradient that reaches the features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.losses.golden import CLASS_WEIGHTS, LOGITS, TARGETS, assert_golden, value_and_gradient
from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.base import Loss
from trainers.losses.transforms import FeatureNorm

FEATURES = torch.tensor([[2, 0], [0.6, 0.8], [0.3, 0.4], [0, 4]], dtype=torch.float64)
NORMS = np.array([2, 1, 0.5, 4])


def fbl(epochs: int = 20, counts: tuple[int, ...] = (100, 10, 1), **parameters: float | str) -> Loss:
    return build_loss("fbl", num_classes=len(counts), class_counts=counts, epochs=epochs, **parameters)


def of_features(epoch: int, class_weights: Tensor | None = None) -> tuple[float, Tensor]:
    leaf = FEATURES.clone().requires_grad_()
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    value = fbl()(logits, TARGETS, features=leaf, epoch=epoch, class_weights=class_weights)
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient


@pytest.mark.parametrize(
    ("epoch", "value", "row", "total"),
    [
        (0, 0.566881, [-0.053601, 0.043823, 0.009778], 0.823855),
        (5, 8.834723, [-0.001312, 0.001305, 0.000007], 1.018495),  # a = 0.25
        (10, 36.950021, [0.0, 0.0, 0.0], 1.000041),  # a = 1
    ],
)
def test_golden_value_and_gradient(epoch: int, value: float, row: list[float], total: float) -> None:
    assert_golden(value_and_gradient("fbl", told={"features": FEATURES, "epoch": epoch}), value, row, total)


@pytest.mark.parametrize(
    ("epoch", "value", "row", "total"), [(5, 8.834723, [0.002473, 0.0], 23.630681), (10, 36.950021, None, 94.500039)]
)
def test_golden_gradient_of_the_features(epoch: int, value: float, row: list[float] | None, total: float) -> None:
    assert_golden(of_features(epoch), value, row, total)


@pytest.mark.parametrize(
    ("curve", "epochs", "epoch", "strength", "late"),
    [
        ("parabolic", 200, 0, 0.0, 10),
        ("parabolic", 200, 95, 0.25, 10),
        ("parabolic", 200, 190, 1.0, 10),
        ("parabolic", 200, 199, 1.097, 10),
        ("parabolic", 12, 11, 30.25, 10),
        ("linear", 200, 95, 0.5, 10),
        ("linear", 200, 199, 1.0474, 10),
        ("constant", 200, 0, 1.0, 10),
        ("constant", 200, 199, 1.0, 10),
        ("parabolic", 12, 11, 1.0, 1),
        ("linear", 10, 5, 0.5, 0),
    ],
)
def test_the_curves(curve: str, epochs: int, epoch: int, strength: float, late: int) -> None:
    # The gap of two alike logits is what the smallest class is handicapped by: a * lam / norm, with norm 1 and lam 7.
    loss = fbl(epochs, (50, 5), lam=7.0, curve=curve, late_epochs=late)
    told = {"features": torch.tensor([[0.6, 0.8]], dtype=torch.float64), "epoch": epoch}
    value = loss(torch.zeros(1, 2, dtype=torch.float64), torch.tensor([1]), **told)
    assert float(value.expm1().log()) / 7.0 == pytest.approx(strength, abs=5e-5)


def test_it_is_cross_entropy_of_the_shifted_logits() -> None:
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(20, 5, dtype=torch.float64, generator=draw)
    features = torch.randn(20, 8, dtype=torch.float64, generator=draw)
    targets = torch.randint(5, (20,), generator=draw)
    counts = np.array([40, 100, 9, 1, 2])
    weights = torch.tensor([0.1, 0.4, 1.0, 1.5, 2.0], dtype=torch.float64)
    s = (np.log(counts.max()) - np.log(counts)) / np.log(counts.max() / counts.min())
    shift = 2.0 * (3 / 10) ** 2 * s / (np.sqrt((features.numpy() ** 2).sum(axis=1, keepdims=True)) + 1e-12)
    shifted = logits - torch.from_numpy(shift)
    loss = fbl(20, tuple(counts.tolist()), lam=2.0)
    torch.testing.assert_close(loss(logits, targets, features, 3), F.cross_entropy(shifted, targets))
    weighted = loss(logits, targets, features, 3, class_weights=weights)
    torch.testing.assert_close(weighted, F.cross_entropy(shifted, targets, weight=weights))


def test_under_class_weights_the_features_still_have_a_gradient() -> None:
    weights = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
    value, gradient = of_features(10, weights)
    # At a = 1 every term is its shift nearly, so the sample of the smallest class rules the mean.
    assert value > 100
    assert float(gradient[2].norm()) > 100


def test_alike_classes_give_cross_entropy() -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    value = fbl(20, (5, 5, 5))(logits, TARGETS, features=FEATURES, epoch=10)
    torch.testing.assert_close(value, F.cross_entropy(logits, TARGETS))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-7, 1.0, 1e4])
def test_features_of_any_length_have_a_finite_gradient(dtype: torch.dtype, size: float) -> None:
    features = torch.tensor([[size, 0.0], [0.0, -size]], dtype=dtype).requires_grad_()
    value = fbl()(torch.tensor([[1e4, 0.0, -1e4], [0.0, 1.0, 2.0]]), torch.tensor([2, 0]), features=features, epoch=19)
    (gradient,) = torch.autograd.grad(value, features)
    assert value.isfinite()
    # Beyond fp16 it may be infinite, which a scaler of the loss leaves out.
    assert gradient.isfinite().all() or (dtype == torch.float16 and not gradient.isnan().any())


@pytest.mark.parametrize("curve", ["parabolic", "linear"])
def test_too_few_epochs_are_refused(curve: str) -> None:
    with pytest.raises(SpecError, match="loss fbl with late_epochs 10 needs 12 epochs, not 11"):
        fbl(11, curve=curve)
    assert fbl(12, curve=curve)
    assert fbl(2, curve=curve, late_epochs=0)
    assert fbl(1, curve="constant")
    with pytest.raises(SpecError, match="follows the epochs of the whole run; give epochs="):
        build_loss("fbl", num_classes=2, class_counts=[2, 1])


def test_it_says_what_it_needs() -> None:
    logits = torch.tensor(LOGITS)
    with pytest.raises(SpecError, match="needs the features"):
        fbl()(logits, TARGETS, epoch=3)
    with pytest.raises(SpecError, match="changes with the epoch"):
        fbl()(logits, TARGETS, features=FEATURES)


def test_the_handicap_is_none_of_the_largest_class_and_all_of_the_smallest() -> None:
    transform = FeatureNorm([100, 10, 1], 20, 60.0, "constant", 10)
    assert transform.smallness.tolist() == pytest.approx([0.0, 0.5, 1.0])
