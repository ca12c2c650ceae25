"""Fit vector, matrix and Dirichlet scaling: multinomial regression on the logits or on the log-probabilities."""

from __future__ import annotations

from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.posthoc.validation import Solution, Split
from trainers.calibration.softmax import log_softmax, nll_of_log_probs

_MAX_STEPS: Final = 200
_SMALLEST_GRADIENT: Final = 1e-9  # the largest entry; the NLL is then within 1e-15 or so of the optimum
_WHY: Final = "would drive their probability to 0"


def fit_vector(split: Split) -> Solution:
    """softmax(w * z + b) with the smallest NLL; w, b (C,); b sums to 0, which the NLL leaves open.

    Raises:
        ValueError: a class without a sample.
    """
    split.need_every_class("vector scaling", _WHY)
    return _fit(VectorObjective(split.logits, split.targets))


def fit_matrix(split: Split, *, lam: float = 0.01, mu: float = 0.01) -> Solution:
    """softmax(W z + b) with the smallest NLL + lam * mean of W_ij^2 off the diagonal + mu * mean of b^2; W (C, C).

    Args:
        split: fitted on. C^2 + C parameters on few samples fit noise: it is the penalty that keeps them from it.
        lam: weight of the off-diagonal penalty.
        mu: weight of the penalty of the bias.

    Raises:
        ValueError: a class without a sample.
    """
    split.need_every_class("matrix scaling", _WHY)
    return _fit(MatrixObjective(split.logits, split.targets, lam, mu))


def fit_dirichlet(split: Split, *, lam: float = 0.01, mu: float = 0.01) -> Solution:
    """`fit_matrix` on log-probabilities in place of logits; unlike logits, they know no constant to be added.

    Raises:
        ValueError: a class without a sample.
    """
    split.need_every_class("Dirichlet calibration", _WHY)
    return _fit(MatrixObjective(log_softmax(split.logits), split.targets, lam, mu))


class MatrixObjective:
    """NLL of softmax(W z + b) with its penalty, at x = (W row by row, b): convex, with gradient and Hessian product.

    Args:
        inputs: z (N, C).
        targets: (N,).
        lam: weight of the mean square off the diagonal.
        mu: weight of the mean square of b.
    """

    def __init__(self, inputs: Floats, targets: Integers, lam: float, mu: float) -> None:
        self.inputs, self.targets = inputs, targets
        samples, classes = inputs.shape
        self._rows, self._share = np.arange(samples), 1 / samples
        off_diagonal = ~np.eye(classes, dtype=bool)
        # Of the penalty, half of the second derivative by each parameter.
        self._penalty = self._joined(lam * off_diagonal / (classes * (classes - 1)), np.full(classes, mu / classes))
        self._at: Floats | None = None
        self._probs = inputs

    @property
    def start(self) -> Floats:
        """W = I, b = 0: the network as it is."""
        classes = self.inputs.shape[1]
        return self._joined(np.eye(classes), np.zeros(classes))

    def value(self, x: Floats) -> tuple[float, Floats]:
        """Objective and gradient."""
        log_probs = log_softmax(self._scores(x))
        residual = np.exp(log_probs)
        self._at, self._probs = x.copy(), residual.copy()
        residual[self._rows, self.targets] -= 1.0
        value = nll_of_log_probs(log_probs, self.targets) + float((self._penalty * np.square(x)).sum())
        return value, self._pulled(residual * self._share) + 2 * self._penalty * x

    def curvature(self, x: Floats, direction: Floats) -> Floats:
        """Hessian at x times a direction."""
        if self._at is None or not np.array_equal(self._at, x):
            self.value(x)  # keeps the probabilities: a step asks for many directions at one x
        moved = self._scores(direction)
        moved -= (self._probs * moved).sum(axis=1, keepdims=True)
        moved *= self._probs * self._share
        return self._pulled(moved) + 2 * self._penalty * direction

    def parameters(self, x: Floats) -> tuple[Floats, Floats]:
        """W (C, C) and b (C,)."""
        classes = self.inputs.shape[1]
        return x[:-classes].reshape(classes, classes), x[-classes:]

    def _scores(self, x: Floats) -> Floats:
        weight, bias = self.parameters(x)
        scores: Floats = self.inputs @ weight.T + bias
        return scores

    def _pulled(self, by_score: Floats) -> Floats:
        """The gradient by parameters of one by scores (N, C)."""
        return self._joined(by_score.T @ self.inputs, by_score.sum(axis=0))

    def _joined(self, weight: Floats, bias: Floats) -> Floats:
        return np.concatenate([weight.ravel(), bias])


class VectorObjective(MatrixObjective):
    """NLL of softmax(w * z + b) at x = (w, b): the diagonal of a matrix alone, without a penalty."""

    def __init__(self, inputs: Floats, targets: Integers) -> None:
        super().__init__(inputs, targets, 0.0, 0.0)
        self._penalty = np.zeros(2 * inputs.shape[1])

    @property
    def start(self) -> Floats:
        """Ones and zeros: the network as it is."""
        classes = self.inputs.shape[1]
        return self._joined(np.ones(classes), np.zeros(classes))

    def parameters(self, x: Floats) -> tuple[Floats, Floats]:
        """The scale w and the bias b, (C,) each."""
        classes = self.inputs.shape[1]
        return x[:classes], x[classes:]

    def _scores(self, x: Floats) -> Floats:
        weight, bias = self.parameters(x)
        return self.inputs * weight + bias

    def _pulled(self, by_score: Floats) -> Floats:
        return self._joined((by_score * self.inputs).sum(axis=0), by_score.sum(axis=0))


def _fit(objective: MatrixObjective) -> Solution:
    """The optimum, by Newton steps within a trust region: ten reach what LBFGS needs hundreds for, or never reaches.

    Where no penalty holds it, as when every sample is right, the optimum lies at infinity; the steps end when the
    gradient has vanished, or after `_MAX_STEPS`. The objective never ends above where it starts.
    """
    from scipy.optimize import minimize  # only to fit

    options = {"gtol": _SMALLEST_GRADIENT, "maxiter": _MAX_STEPS}
    found = minimize(
        objective.value, objective.start, jac=True, hessp=objective.curvature, method="trust-ncg", options=options
    )
    weight, bias = objective.parameters(found.x)
    facts = {"objective": float(found.fun), "gradient": float(np.abs(found.jac).max()), "steps": int(found.nit)}
    return Solution({"weight": weight.copy(), "bias": bias.copy()}, facts)
