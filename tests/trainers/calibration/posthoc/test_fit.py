from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.trainers.calibration.golden import formula_logits
from trainers.calibration.posthoc import METHODS, fit
from trainers.calibration.posthoc.forms import FORMS
from trainers.errors import SpecError

LOGITS, TARGETS = formula_logits()
COUNTS = [500, 300, 200, 120, 100, 50, 30, 20, 19, 5]


@pytest.mark.parametrize("name", METHODS)
def test_every_entry_is_what_its_code_accepts(name: str) -> None:
    found = METHODS[name]
    parameters = inspect.signature(pkgutil.resolve_name(found.target)).parameters.values()
    assert found.params == {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert found.source


def test_every_method_has_a_form() -> None:
    assert set(METHODS) == set(FORMS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_probabilities_from_tensors_too(name: str) -> None:
    calibrator = fit(name, LOGITS, TARGETS, class_counts=COUNTS)
    tensors = torch.from_numpy(LOGITS).requires_grad_(), torch.from_numpy(TARGETS)
    again = fit(name, *tensors, class_counts=torch.tensor(COUNTS))
    probs = calibrator.probs(LOGITS)
    assert probs.shape == LOGITS.shape
    assert probs.dtype == np.float64
    assert (probs >= 0).all()
    assert probs.sum(axis=1) == pytest.approx(np.ones(len(probs)), abs=1e-12)
    assert again.probs(tensors[0]).tolist() == probs.tolist()


@pytest.mark.parametrize("name", METHODS)
def test_what_the_fit_saw_is_told(name: str) -> None:
    facts = fit(name, LOGITS, TARGETS, class_counts=COUNTS).facts
    assert facts["samples"] == 1000
    assert facts["acc_before"] == 0.328
    assert facts["nll_before"] == pytest.approx(1.7045762955, abs=1e-10)
    assert facts["nll_after"] < facts["nll_before"]


@pytest.mark.parametrize("name", METHODS)
def test_logits_are_given_where_probabilities_have_some(name: str) -> None:
    calibrator = fit(name, LOGITS, TARGETS, class_counts=COUNTS)
    if FORMS[name].gives_logits:
        powers = np.exp(calibrator.logits(LOGITS))
        assert calibrator.probs(LOGITS) == pytest.approx(powers / powers.sum(axis=1, keepdims=True))
    else:
        with pytest.raises(ValueError, match=f"{name} maps probabilities"):
            calibrator.logits(LOGITS)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("temprature", {}, "unknown calibrator 'temprature'; did you mean 'temperature'?"),
        ("vector", {"lam": 1.0}, "unknown parameter of vector 'lam'; there is none"),
        ("matrix", {"lamb": 1.0}, "did you mean 'lam'?"),
        ("matrix", {"lam": -1.0}, "matrix.lam is -1.0; it must be at least 0"),
        ("matrix", {"mu": "much"}, "matrix.mu is 'much'; give a number"),
        ("matrix", {"mu": float("nan")}, "matrix.mu is nan; give a finite number"),
        ("temperature", {"criterion": "ece"}, "unknown temperature.criterion 'ece'"),
        ("temperature", {"criterion": "ece_grid", "n_bins": 2.5}, "temperature.n_bins is 2.5; give one int"),
        ("temperature", {"n_bins": 10}, "n_bins has no effect on criterion nll"),
        ("histogram", {"n_bins": 0}, "histogram.n_bins is 0; it must be at least 1"),
        ("histogram", {"n_bins": True}, "histogram.n_bins is True"),
        ("histogram", {"bins": "kmeans"}, "unknown histogram.bins 'kmeans'"),
    ],
)
def test_a_wrong_name_or_option_is_one_line(name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        fit(name, LOGITS, TARGETS, **options)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_are_taken() -> None:
    assert fit("ts", LOGITS, TARGETS).name == "temperature"
    assert fit("matrix", LOGITS, TARGETS, **{"lambda": 2}).options == {"lam": 2.0, "mu": 0.01}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("logits", "targets", "complaint"),
    [
        (np.zeros((0, 10)), np.zeros(0, dtype=int), "the validation split is empty"),
        (np.zeros((3, 1)), [0, 0, 0], "one class only"),
        (LOGITS[:5], [3] * 5, "the validation split holds one class only, 3"),
        ([[np.nan, 0.0], [0.0, 1.0]], [0, 1], "NaN or infinity"),
        ([[np.inf, 0.0], [0.0, 1.0]], [0, 1], "NaN or infinity"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 2], r"targets\[1\] is 2; with 2 classes"),
        ([[1.0, 0.0], [0.0, 1.0]], [-1, 1], r"targets\[0\] is -1"),
        ([[1.0, 0.0], [0.0, 1.0]], [0.0, 1.0], "integer class indices"),
        ([1.0, 0.0], [0, 1], r"shape \(N, C\)"),
        ([[1.0, 0.0]], [0, 1], "targets must have shape"),
    ],
)
def test_bad_input_is_refused_with_the_reason(name: str, logits: object, targets: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fit(name, logits, targets, class_counts=None)


@pytest.mark.parametrize("name", METHODS)
def test_a_class_that_validation_lacks(name: str) -> None:
    present = (TARGETS != 3) & (TARGETS != 7)
    if name in ("temperature", "group_temperature"):
        probs = fit(name, LOGITS[present], TARGETS[present], class_counts=COUNTS).probs(LOGITS)
        assert (probs > 0).all()
    else:
        with pytest.raises(ValueError, match=r"2 of 10 classes have no sample in the validation split \(3, 7\)"):
            fit(name, LOGITS[present], TARGETS[present], class_counts=COUNTS)


def test_predicting_takes_numpy_alone_and_a_run_that_fits_a_temperature_no_scipy() -> None:
    code = """
import sys
from trainers.calibration.posthoc import fit, load
from trainers.calibration.temperature import fit_temperature
fit_temperature([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 1])
fit("temperature", [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 1]).probs([[1.0, 2.0]])
print([m for m in ("torch", "scipy", "sklearn", "pandas", "matplotlib") if m in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
