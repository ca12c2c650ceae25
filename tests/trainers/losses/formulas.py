"""What the losses are held against: formulas in float64 numpy, and gradients by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, Integers
from trainers.losses import build_loss
from trainers.losses.base import Loss

Formula = Callable[[Floats, Integers], float]

# The losses' goldens are of the logarithms of the printed probabilities.
PRINTED_LOGITS: Floats = np.log(PRINTED_PROBS)


def log_probs(logits: Floats) -> Floats:
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True)))


def log_sum(values: Floats) -> Floats:
    """logsumexp of each row, of which -inf may be a part."""
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(axis=1)))


def nll(logits: Floats, targets: Integers) -> Floats:
    return np.asarray(-log_probs(logits)[np.arange(len(targets)), targets])


def log_rest(logits: Floats, targets: Integers) -> Floats:
    """log(1 - p_y): the sum over the other classes."""
    others = np.where(one_hot(logits, targets) == 1, -np.inf, log_probs(logits))
    return log_sum(others)


def one_hot(logits: Floats, targets: Integers) -> Floats:
    return np.eye(logits.shape[1])[targets]


def cross_entropy(logits: Floats, targets: Integers) -> float:
    return float(nll(logits, targets).mean())


def ordinary(count: int = 12, num_classes: int = 5) -> tuple[Floats, Integers]:
    """Logits without ties, right and wrong ones among them."""
    draw = np.random.default_rng(0)
    return draw.normal(scale=2.0, size=(count, num_classes)), draw.integers(num_classes, size=count)


def extreme() -> tuple[Floats, Integers]:
    """Logits up to +-1e4, without ties; right and wrong, sure and undecided."""
    rows = [
        [1e4, 3.0, -1e4, 0.5],
        [-1e4, 9988.7, -9990.0, 1e4],
        [0.3, -1e4, 0.1, 0.2],
        [9998.6, 1e4, 9999.5, -50.0],
        [-1e4, -9999.0, -9998.5, 12.0],
        [1.0, 2.5, 0.5, -1.5],
        [40.0, -40.0, 2.0, 1.0],
    ]
    return np.array(rows), np.array([0, 1, 2, 0, 3, 1, 1])


def value_and_gradient(loss: Loss, logits: Floats, targets: Integers) -> tuple[float, Floats]:
    leaf = torch.from_numpy(np.asarray(logits, dtype=np.float64)).requires_grad_()
    value = loss(leaf, torch.from_numpy(targets))
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient.numpy()


def differences(formula: Formula, logits: Floats, targets: Integers, step: float = 2e-4) -> Floats:
    """The gradient by central differences of fourth order."""
    gradient = np.empty_like(logits)
    for place in np.ndindex(logits.shape):
        values = []
        for steps in (-2, -1, 1, 2):
            moved = logits.copy()
            moved[place] += steps * step
            values.append(formula(moved, targets))
        gradient[place] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return gradient


def assert_follows(loss: Loss, formula: Formula, sets: tuple[tuple[Floats, Integers], ...] = ()) -> None:
    """The loss has the formula's value and gradient, on ordinary and on extreme logits."""
    for logits, targets in sets or (ordinary(), extreme()):
        value, gradient = value_and_gradient(loss, logits, targets)
        np.testing.assert_allclose(value, formula(logits, targets), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(gradient, differences(formula, logits, targets), rtol=1e-6, atol=1e-7)


# Classes of many images and of one, in no order.
COUNTS = [40, 100, 9, 1, 2]


def assert_follows_with_counts(
    name: str,
    formula: Callable[[Floats, Integers, Floats], float],
    sets: tuple[tuple[Floats, Integers], ...] = (),
    **parameters: Any,
) -> None:
    """As `assert_follows`, of a loss that knows the counts of the classes; so does the formula."""
    for logits, targets in sets or (ordinary(), extreme()):
        counts = np.array(COUNTS[: logits.shape[1]], dtype=np.float64)
        loss = build_loss(name, num_classes=len(counts), class_counts=COUNTS[: len(counts)], **parameters)
        assert_follows(loss, lambda z, y, n=counts: formula(z, y, n), ((logits, targets),))  # type: ignore[misc]


def effective_number(counts: Floats, beta: float) -> Floats:
    """Class weights of Cui et al., of mean 1, by the sum of the powers: E_n = 1 + beta + ... + beta^(n - 1)."""
    sums = np.array([sum(beta**power for power in range(int(count))) for count in counts])
    return np.asarray(1 / sums / np.mean(1 / sums))


def printed(name: str, **parameters: Any) -> float:
    """A loss, by name, of the ten printed samples."""
    loss = build_loss(name, num_classes=3, **parameters)
    return value_and_gradient(loss, PRINTED_LOGITS, PRINTED_TARGETS)[0]
