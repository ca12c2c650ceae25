from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from tests.trainers.calibration.golden import Floats, formula_logits
from trainers.calibration.metrics import nll_of_logits
from trainers.calibration.posthoc import fit
from trainers.calibration.posthoc.groups import Objective
from trainers.calibration.temperature import LOWEST

LOGITS, TARGETS = formula_logits()
COUNTS = [500, 300, 200, 120, 100, 50, 30, 20, 19, 5]
GROUP = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
MEMBERS = np.array(GROUP)[LOGITS.argmax(axis=1)]


def objective(x: Floats, kappa: float) -> float:
    """As it is defined: the NLL of every sample at its group's temperature, and the penalty."""
    scaled = LOGITS / np.exp(x[0] + x[1:])[MEMBERS][:, None]
    return nll_of_logits(scaled, TARGETS) + kappa * float((x[1:] ** 2).sum())


def packed(parameters: Any) -> Floats:
    log_temperature = np.log(parameters["temperature"])
    return np.concatenate([[log_temperature], np.log(parameters["temperatures"]) - log_temperature])


@pytest.mark.parametrize("kappa", [0.001, 0.01, 1.0])
def test_another_solver_finds_the_same_groups(kappa: float) -> None:
    found = packed(fit("group_temperature", LOGITS, TARGETS, class_counts=COUNTS, kappa=kappa).parameters)
    simplex = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 5000, "maxfev": 5000}
    searched = minimize(objective, np.zeros(4), args=(kappa,), method="Nelder-Mead", options=simplex)
    assert found == pytest.approx(searched.x, abs=1e-5)
    assert objective(found, kappa) <= searched.fun + 1e-12
    assert approx_fprime(found, objective, 1e-6, kappa) == pytest.approx(np.zeros(4), abs=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    x = np.array([0.3, -0.2, 0.1, 0.4])
    value, gradient = Objective(LOGITS, TARGETS, MEMBERS, 3, 0.05)(x)
    assert value == pytest.approx(objective(x, 0.05), rel=1e-12)
    assert gradient == pytest.approx(approx_fprime(x, objective, 1e-7, 0.05), abs=1e-6)


def test_groups_are_those_of_the_training_counts_and_of_the_predicted_class() -> None:
    calibrator = fit("group_temperature", LOGITS, TARGETS, class_counts=COUNTS)
    assert np.asarray(calibrator.parameters["group"]).tolist() == GROUP
    assert calibrator.facts["group_samples"] == {
        name: int((index == MEMBERS).sum()) for index, name in enumerate(("many", "medium", "few"))
    }
    own = np.asarray(calibrator.parameters["temperatures"])[MEMBERS]
    assert calibrator.logits(LOGITS).tolist() == (LOGITS / own[:, None]).tolist()
    assert calibrator.probs(LOGITS).argmax(axis=1).tolist() == LOGITS.argmax(axis=1).tolist()


def test_groups_fit_at_least_as_well_as_one_temperature() -> None:
    one = fit("temperature", LOGITS, TARGETS)
    several = fit("group_temperature", LOGITS, TARGETS, class_counts=COUNTS)
    assert several.facts["nll_after"] <= one.facts["nll_after"]


def test_a_strong_penalty_leaves_one_temperature() -> None:
    one = fit("temperature", LOGITS, TARGETS).parameters["temperature"]
    several = fit("group_temperature", LOGITS, TARGETS, class_counts=COUNTS, kappa=1e6).parameters
    assert several["temperatures"] == pytest.approx([one] * 3, rel=1e-6)


@pytest.mark.parametrize("kappa", [0.0, 0.01])
def test_a_group_without_a_sample_has_the_common_temperature(kappa: float) -> None:
    rare = LOGITS.argmax(axis=1) >= 8
    calibrator = fit("group_temperature", LOGITS[~rare], TARGETS[~rare], class_counts=COUNTS, kappa=kappa)
    assert calibrator.facts["group_samples"]["few"] == 0
    assert calibrator.parameters["temperatures"][2] == calibrator.parameters["temperature"]  # type: ignore[index]


def test_a_data_set_without_rare_classes_has_no_few() -> None:
    calibrator = fit("group_temperature", LOGITS, TARGETS, class_counts=[500] * 10)
    one = fit("temperature", LOGITS, TARGETS).parameters["temperature"]
    assert calibrator.parameters["temperatures"][0] == pytest.approx(one, rel=1e-5)  # type: ignore[index]


def test_a_split_without_a_mistake_ends_at_the_bound() -> None:
    targets = np.arange(12) % 3
    parameters = fit("group_temperature", np.eye(3)[targets], targets, class_counts=[500, 50, 5]).parameters
    assert parameters["temperature"] == pytest.approx(LOWEST)
    assert np.isfinite(parameters["temperatures"]).all()


def test_groups_need_class_counts_that_fit() -> None:
    with pytest.raises(ValueError, match="group_temperature needs class_counts"):
        fit("group_temperature", LOGITS, TARGETS)
    with pytest.raises(ValueError, match="class_counts has shape"):
        fit("group_temperature", LOGITS, TARGETS, class_counts=[1, 2])
