"""Geometric mean loss: means inside the logs, absent classes, the clamp, the power."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import gmean, pmean

from tests.trainers.calibration.golden import Floats, Integers
from tests.trainers.losses.formulas import assert_follows_with_counts, extreme, ordinary
from tests.trainers.losses.golden import CLASS_WEIGHTS, assert_golden, value_and_gradient
from trainers.losses import build_loss

COUNTS = [40, 100, 9, 1]


def class_means(logits: Floats, targets: Integers, counts: Floats, clamp: float = 1e-5) -> dict[int, float]:
    """The mean clamped probability of each class that is there."""
    probs = softmax(logits + np.log(counts), axis=1)[np.arange(len(targets)), targets]
    clamped = np.clip(probs, clamp, 1)
    return {int(each): float(clamped[targets == each].mean()) for each in np.unique(targets)}


def gml(logits: Floats, targets: Integers, clamp: float = 1e-5) -> float:
    counts = COUNTS[: logits.shape[1]]
    loss = build_loss("gml", num_classes=len(counts), class_counts=counts, clamp=clamp)
    return float(loss(torch.from_numpy(logits), torch.from_numpy(targets)))


def test_golden_value_and_gradient() -> None:
    assert_golden(value_and_gradient("gml"), 1.757922, [-0.003711, 0.003630, 0.000081], 1.242905)


def test_golden_value_and_gradient_with_power_2() -> None:
    assert_golden(value_and_gradient("gml", power=2.0), 2.169085, total=1.495661)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 5.0])
def test_it_is_its_formula(power: float) -> None:
    def formula(logits: Floats, targets: Integers, counts: Floats) -> float:
        means = class_means(logits, targets, counts)
        return float(pmean([-np.log(mean) for mean in means.values()], power))

    # Among them a batch of three, in which classes are absent.
    assert_follows_with_counts("gml", formula, (ordinary(), ordinary(3, 5)), power=power)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_it_is_the_log_of_the_geometric_mean_over_the_classes_that_are_there(data: st.DataObject) -> None:
    rows = st.lists(st.tuples(*[st.floats(-20, 20, width=16)] * 4, st.integers(0, 3)), min_size=1, max_size=8)
    drawn = data.draw(rows)
    logits, targets = np.array([row[:4] for row in drawn]), np.array([row[4] for row in drawn])
    expected = gmean(list(class_means(logits, targets, np.array(COUNTS)).values()))
    np.testing.assert_allclose(np.exp(-gml(logits, targets)), expected, rtol=1e-9)


def test_the_clamp_bounds_the_value() -> None:
    logits, targets = extreme()
    means = class_means(logits, targets, np.array(COUNTS), clamp=1e-3)
    np.testing.assert_allclose(gml(logits, targets, clamp=1e-3), -np.mean(np.log(list(means.values()))), rtol=1e-12)
    hopeless = np.array([[1e4, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(gml(hopeless, np.array([3])), -np.log(1e-5), rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_class_below_the_clamp_is_still_learned(dtype: torch.dtype) -> None:
    # Alone in its class, a sample is pulled as cross entropy pulls it, however far it is.
    logits = torch.tensor([[30.0, 0.0, 0.0], [2.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    loss = build_loss("gml", num_classes=3, class_counts=[1, 1, 1])
    value = loss(logits, torch.tensor([2, 0]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert float(value.detach()) == pytest.approx((-np.log(1e-5) + np.log(1 + 2 * np.exp(-2))) / 2, rel=1e-6)
    assert gradient[0].tolist() == pytest.approx([0.5, 0.0, -0.5], abs=1e-6)


def test_many_samples_of_one_class_count_as_one_class() -> None:
    logits, targets = ordinary(9, 3)
    targets[:] = [0, 0, 0, 0, 0, 0, 0, 1, 2]
    again = np.concatenate([logits, logits[:7], logits[:7]])
    once_more = np.concatenate([targets, targets[:7], targets[:7]])
    np.testing.assert_allclose(gml(again, once_more), gml(logits, targets), rtol=1e-12)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_class_weights_weigh_the_classes_that_are_there(power: float) -> None:
    logits, targets = ordinary(12, 3)
    targets[targets == 1] = 0  # class 1 is absent, and its weight counts nothing
    weights = np.array(CLASS_WEIGHTS)
    means = class_means(logits, targets, np.array([100, 10, 1]))
    expected = pmean([-np.log(means[each]) for each in (0, 2)], power, weights=weights[[0, 2]])
    loss = build_loss("gml", num_classes=3, class_counts=[100, 10, 1], power=power)
    value = loss(torch.from_numpy(logits), torch.from_numpy(targets), class_weights=torch.from_numpy(weights))
    np.testing.assert_allclose(float(value), expected, rtol=1e-12)
