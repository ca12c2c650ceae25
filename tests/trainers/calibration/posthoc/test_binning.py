from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, Integers, formula_logits, softmax
from trainers.calibration.posthoc import fit
from trainers.calibration.posthoc.binning import equal_mass_edges, isotonic_curve
from trainers.calibration.posthoc.forms import bin_of

LOGITS, TARGETS = formula_logits()


@st.composite
def splits(draw: st.DrawFn) -> tuple[Floats, Integers]:
    """Random logits, often with equal ones among them, and targets of every class."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, classes = draw(st.integers(20, 200)), draw(st.integers(2, 6))
    logits = rng.normal(size=(samples, classes)) * draw(st.floats(0.1, 5))
    return np.round(logits, draw(st.sampled_from([0, 2, 12]))), rng.permutation(np.arange(samples) % classes)


def renormalised(mapped: Floats, probs: Floats) -> Floats:
    return np.array([row / row.sum() if row.sum() else old for row, old in zip(mapped, probs, strict=True)])


def test_the_curve_of_ten_printed_rows_is_the_one_worked_by_hand() -> None:
    confidence = PRINTED_PROBS.max(axis=1)
    correct = PRINTED_PROBS.argmax(axis=1) == PRINTED_TARGETS
    found = np.interp(np.sort(confidence), *isotonic_curve(confidence, correct))
    assert found == pytest.approx([0.5] * 4 + [2 / 3] * 3 + [1] * 3)


@settings(deadline=None, max_examples=30)
@given(splits(), splits())
def test_isotonic_is_that_of_scikit_learn_class_by_class(
    split: tuple[Floats, Integers], other: tuple[Floats, Integers]
) -> None:
    logits, targets = split
    probs, unseen = softmax(logits), softmax(other[0])
    if unseen.shape[1] != probs.shape[1]:
        unseen = probs[::-1] ** 2 / (probs[::-1] ** 2).sum(axis=1, keepdims=True)
    mapped = np.empty_like(unseen)
    for label in range(probs.shape[1]):
        model = IsotonicRegression(out_of_bounds="clip").fit(probs[:, label], (targets == label).astype(float))
        mapped[:, label] = model.predict(unseen[:, label])
    found = fit("isotonic", logits, targets).probs(np.log(unseen))
    assert found == pytest.approx(renormalised(mapped, unseen), abs=1e-6)


@pytest.mark.parametrize("bins", ["equal_width", "equal_mass"])
def test_a_histogram_counts_what_lies_in_each_bin(bins: str) -> None:
    calibrator = fit("histogram", LOGITS[:500], TARGETS[:500], n_bins=7, bins=bins)
    probs = softmax(LOGITS[:500])
    edges, values = (np.asarray(calibrator.parameters[key]) for key in ("edges", "values"))
    for label in range(10):
        column = probs[:, label]
        for number in range(7):
            low, high = edges[label, number], edges[label, number + 1]
            inside = (column > low) & (column <= high)
            share = (TARGETS[:500][inside] == label).mean() if inside.any() else (low + high) / 2
            assert values[label, number] == pytest.approx(share)
    widths = np.diff(edges, axis=1)
    assert (np.ptp(widths, axis=1) < 1e-12).all() == (bins == "equal_width")


def test_a_value_on_an_edge_belongs_to_the_bin_below() -> None:
    edges = np.array([0.0, 0.25, 0.5, 1.0])
    assert bin_of(np.array([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0]), edges).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert bin_of(np.array([0.25, 0.5]), np.array([0.0, 0.5, 0.5, 1.0])).tolist() == [0, 0]


def test_bins_of_equal_mass_hold_equally_many() -> None:
    values = np.random.default_rng(0).random(103)
    edges = equal_mass_edges(values, 5)
    assert np.histogram(values, edges)[0].tolist() == [21, 21, 21, 20, 20]
    assert edges[0] == 0
    assert edges[-1] == 1


@settings(deadline=None, max_examples=40)
@given(splits(), st.sampled_from(["isotonic", "histogram", "histogram of equal mass"]), st.floats(0.1, 30))
def test_rows_sum_to_one_whatever_comes(split: tuple[Floats, Integers], name: str, factor: float) -> None:
    method, _, mass = name.partition(" of ")
    options = {"bins": "equal_mass"} if mass else {}
    probs = fit(method, *split, **options).probs(split[0] * factor)
    assert (probs >= 0).all()
    assert probs.sum(axis=1) == pytest.approx(np.ones(len(probs)))


@pytest.mark.parametrize(("name", "options"), [("isotonic", {}), ("histogram", {"n_bins": 10})])
def test_a_row_of_zeros_keeps_its_probabilities(name: str, options: dict[str, Any]) -> None:
    # Below a half, no class is ever right.
    probs = np.array(
        [[0.8, 0.15, 0.05], [0.15, 0.8, 0.05], [0.15, 0.05, 0.8], [0.505, 0.485, 0.01], [0.485, 0.505, 0.01]]
    )
    calibrator = fit(name, np.log(probs), [0, 1, 2, 0, 1], **options)
    rows = np.array([[0.48, 0.48, 0.04], [0.8, 0.15, 0.05]])
    assert calibrator.probs(np.log(rows)) == pytest.approx(np.array([rows[0], [1, 0, 0]]))


def test_bins_of_equal_mass_need_a_sample_each() -> None:
    with pytest.raises(ValueError, match="10 samples cannot fill 15 bins"):
        fit("histogram", np.log(PRINTED_PROBS), PRINTED_TARGETS, bins="equal_mass")
