from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from sklearn.linear_model import LogisticRegression

from tests.trainers.calibration.golden import Floats, Integers, formula_logits
from trainers.calibration.posthoc import fit
from trainers.calibration.posthoc.linear import MatrixObjective, VectorObjective
from trainers.calibration.softmax import log_softmax

LOGITS, TARGETS = formula_logits()
HALF = LOGITS[:500], TARGETS[:500]


def nll(scores: Floats, targets: Integers) -> float:
    return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(targets)), targets]))


def matrix_objective(weight: Floats, bias: Floats, lam: float, mu: float) -> float:
    """As it is defined, entry by entry."""
    size = len(bias)
    off = [weight[i, j] ** 2 for i in range(size) for j in range(size) if i != j]
    return nll(HALF[0] @ weight.T + bias, HALF[1]) + lam * float(np.mean(off)) + mu * float(np.mean(bias**2))


@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_gradient_and_curvature_are_those_of_finite_differences(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = HALF[0][:40, :4], np.arange(40) % 4
    objective = VectorObjective(*rows) if kind == "vector" else MatrixObjective(*rows, 0.3, 0.2)
    x = objective.start + 0.3 * rng.normal(size=len(objective.start))
    direction = rng.normal(size=len(x))
    numeric = approx_fprime(x, lambda at: objective.value(at)[0], 1e-7)
    assert objective.value(x)[1] == pytest.approx(numeric, abs=1e-6)
    step = 1e-5
    moved = (objective.value(x + step * direction)[1] - objective.value(x - step * direction)[1]) / (2 * step)
    assert objective.curvature(x, direction) == pytest.approx(moved, abs=1e-8)


@pytest.mark.parametrize(("lam", "mu"), [(0.01, 0.01), (1.0, 0.0), (0.0, 0.5)])
def test_the_matrix_has_no_slope_left_in_any_entry(lam: float, mu: float) -> None:
    parameters = fit("matrix", *HALF, lam=lam, mu=mu).parameters
    packed = np.concatenate([np.ravel(parameters["weight"]), np.ravel(parameters["bias"])])
    slopes = []
    for entry in range(len(packed)):
        values = []
        for step in (1e-4, -1e-4):
            moved = packed.copy()
            moved[entry] += step
            values.append(matrix_objective(moved[:100].reshape(10, 10), moved[100:], lam, mu))
        slopes.append((values[0] - values[1]) / 2e-4)
    assert np.abs(slopes).max() < 1e-7


def test_another_solver_finds_the_same_vector() -> None:
    parameters = fit("vector", *HALF).parameters
    found = minimize(lambda x: nll(HALF[0] * x[:10] + x[10:], HALF[1]), np.repeat([1.0, 0.0], 10), method="BFGS").x
    assert parameters["weight"] == pytest.approx(found[:10], abs=1e-3)
    assert parameters["bias"] == pytest.approx(found[10:] - found[10:].mean(), abs=1e-3)


def test_the_matrix_without_a_penalty_is_logistic_regression() -> None:
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(*HALF)
    assert fit("matrix", *HALF, lam=0, mu=0).probs(HALF[0]) == pytest.approx(model.predict_proba(HALF[0]), abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["vector", "matrix", "dirichlet"]), st.floats(0.1, 5))
def test_the_fitted_split_never_gets_worse(seed: int, name: str, scale: float) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(60) % 4)
    logits = scale * (rng.normal(size=(60, 4)) + np.eye(4)[targets])
    facts = fit(name, logits, targets).facts
    assert facts["nll_after"] <= facts["nll_before"] + 1e-12


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_dirichlet_does_not_see_a_constant_added_to_a_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    moved = HALF[0] + rng.normal(size=(500, 1)) * 10
    probs = [fit("dirichlet", rows, HALF[1]).probs(rows) for rows in (HALF[0], moved)]
    assert probs[1] == pytest.approx(probs[0], abs=1e-6)


def test_dirichlet_is_the_matrix_on_log_probabilities() -> None:
    calibrator = fit("dirichlet", *HALF)
    inputs = log_softmax(HALF[0])
    assert calibrator.probs(HALF[0]).tolist() == fit("matrix", inputs, HALF[1]).probs(inputs).tolist()


@pytest.mark.parametrize("name", ["vector", "matrix", "dirichlet"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_split_without_a_mistake_gives_finite_numbers(name: str, scale: float) -> None:
    targets = np.arange(30) % 3
    calibrator = fit(name, scale * np.eye(3)[targets], targets)
    assert np.isfinite(calibrator.probs(np.eye(3))).all()
    assert calibrator.facts["nll_after"] <= calibrator.facts["nll_before"]
