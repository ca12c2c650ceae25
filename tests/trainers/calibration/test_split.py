"""What the public functions take and refuse, and that a split is the same split however it is cut and held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits, softmax
from tests.trainers.calibration.strategies import Split, followed, tied
from trainers.calibration import metrics, split, tally
from trainers.calibration.bins import top_label
from trainers.calibration.order import stable_order
from trainers.calibration.split import read_split

Measure = Callable[..., Any]
PUBLIC: list[Measure] = [getattr(metrics, name) for name in metrics.__all__ if name != "nll_of_logits"]
OF_ONE: list[Measure] = [measure for measure in PUBLIC if measure not in (metrics.auroc, metrics.risk_coverage)]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few samples, so that a small split has many."""
    monkeypatch.setattr(split, "BLOCK", 64)
    monkeypatch.setattr(split, "HELD", 2500)
    monkeypatch.setattr(tally, "PIECE", 7)


@pytest.mark.parametrize("measure", PUBLIC)
def test_logits_say_the_same_as_their_probabilities(measure: Measure) -> None:
    logits, targets = formula_logits()
    expected = np.asarray(measure(softmax(logits), targets))
    assert np.asarray(measure(logits=logits, targets=targets)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", PUBLIC)
def test_blocks_leave_no_seam(measure: Measure, request: pytest.FixtureRequest) -> None:
    logits, targets = formula_logits()
    probs = softmax(logits)
    expected = np.asarray(measure(probs, targets))
    request.getfixturevalue("small_blocks")
    assert np.asarray(measure(probs, targets)) == pytest.approx(expected, abs=1e-12)
    assert np.asarray(measure(logits=logits, targets=targets)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, split.NARROW, split.NARROW + 1, 200])
def test_narrow_and_wide_splits_have_the_same_top_label(classes: int) -> None:
    rng = np.random.default_rng(classes)
    probs = rng.dirichlet(np.ones(classes), 500)
    probs[::3] = 1 / classes
    targets = rng.integers(0, classes, 500)
    targets[::2] = probs[::2].argmax(axis=1)
    confidence, correct = read_split(probs, targets, None).top_label()
    expected = top_label(probs, targets)
    assert np.array_equal(confidence, expected[0])
    assert np.array_equal(correct, expected[1].astype(bool))


@pytest.mark.parametrize("measure", PUBLIC)
def test_no_measure_writes_to_what_it_is_given(measure: Measure) -> None:
    logits, targets = formula_logits()
    probs = softmax(logits)
    kept = logits.copy(), probs.copy(), targets.copy()
    measure(probs, targets)
    measure(logits=logits, targets=targets)
    assert all(np.array_equal(now, then) for now, then in zip((logits, probs, targets), kept, strict=True))


@pytest.mark.parametrize("measure", PUBLIC)
@pytest.mark.parametrize("held", ["fortran", "strided", "tensor", "tensor that learns", "float32"])
def test_however_a_split_is_held_it_is_the_same(measure: Measure, held: str) -> None:
    probs = np.round(PRINTED_PROBS * 64) / 64
    probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
    every_second = np.repeat(probs, 2, axis=0)[::2]
    forms: dict[str, Any] = {
        "fortran": np.asfortranarray(probs),
        "strided": every_second,
        "tensor": torch.from_numpy(probs),
        "tensor that learns": torch.from_numpy(probs).requires_grad_(),
        "float32": probs.astype(np.float32),
    }
    targets = torch.from_numpy(PRINTED_TARGETS) if "tensor" in held else PRINTED_TARGETS.astype(np.uint8)
    expected = measure(probs, PRINTED_TARGETS)
    assert np.array_equal(measure(forms[held], targets), expected)


@pytest.mark.parametrize("measure", OF_ONE)
def test_huge_logits_have_finite_figures(measure: Measure) -> None:
    logits, targets = formula_logits()
    assert np.isfinite(measure(logits=1e4 * np.sign(logits), targets=targets)).all()
    assert np.isfinite(measure(logits=[[1e4, -1e4], [-1e4, 1e4]], targets=[1, 1])).all()


@pytest.mark.parametrize(
    ("dtype", "off", "is_fine"),
    [
        (np.float64, 9e-5, True),
        (np.float64, 1.1e-4, False),
        (np.float32, 9e-5, True),
        (np.float32, 1.2e-4, False),
        (np.float16, 8e-3, True),
        (np.float16, 1.2e-2, False),
        (torch.float32, 1.2e-4, False),
        (torch.float16, 8e-3, True),
        (torch.bfloat16, 8e-3, True),
        (torch.bfloat16, 1.6e-2, False),
    ],
)
def test_rows_sum_to_one_within_what_their_type_can_hold(dtype: Any, off: float, is_fine: bool) -> None:
    wide = np.array([[0.5, 0.5 - off], [0.25, 0.75]])
    probs = torch.from_numpy(wide).to(dtype) if isinstance(dtype, torch.dtype) else wide.astype(dtype)
    if is_fine:
        assert metrics.ece(probs, [0, 1]) >= 0
    else:
        with pytest.raises(ValueError, match=r"row 0 sums to 0\.9"):
            metrics.ece(probs, [0, 1])


@pytest.mark.parametrize("measure", PUBLIC)
@pytest.mark.parametrize(
    ("probs", "targets", "complaint"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=int), "empty"),
        (np.zeros((2, 0)), [0, 0], "empty"),
        ([0.5, 0.5], [0, 1], r"shape \(N, C\)"),
        ([[0.5, 0.5]], [0, 1], r"targets must have shape \(1,\)"),
        ([[1.0], [1.0]], [0, 0], "one class only"),
        ([[0.5, 0.5], [0.5, 0.4]], [0, 1], "row 1 sums to 0.9"),
        ([[2.0, -1.0]], [0], "negative"),
        ([[np.nan, 1.0]], [0], "NaN or infinity in 1 of 1 rows"),
        ([[np.inf, 1.0]], [0], "NaN or infinity"),
        ([[-np.inf, np.inf]], [0], "NaN or infinity"),
        ([["a", "b"]], [0], "real numbers"),
        ([[0.5 + 0j, 0.5]], [0], "real numbers"),
        ([[0.5, 0.5]], [2], r"targets\[0\] is 2; with 2 classes"),
        ([[0.5, 0.5]], [-1], r"targets\[0\] is -1"),
        ([[0.5, 0.5]], [0.0], "integer class indices"),
        ([[0.5, 0.5]], None, "targets are missing"),
        (None, [0], "either probs or logits="),
    ],
)
def test_what_is_not_probabilities_and_class_indices_is_refused_with_the_reason(
    measure: Measure, probs: Any, targets: Any, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        measure(probs, targets)


@pytest.mark.parametrize("measure", PUBLIC)
@pytest.mark.parametrize(
    ("logits", "complaint"),
    [
        ([[np.nan, 0.0]], "logits holds NaN or infinity in 1 of 1 rows"),
        ([[0.0, np.inf]], "logits holds NaN"),
        (np.zeros((0, 3)), "logits is empty"),
        ([[1.0]], "logits has one class only"),
    ],
)
def test_what_is_not_logits_is_refused_with_the_reason(measure: Measure, logits: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        measure(logits=logits, targets=np.zeros(len(logits), dtype=int))


def test_probabilities_and_logits_together_are_refused() -> None:
    with pytest.raises(ValueError, match="either probs or logits="):
        metrics.ece(PRINTED_PROBS, PRINTED_TARGETS, logits=PRINTED_PROBS)


def test_a_bad_row_is_named_by_its_place_in_the_whole_split(small_blocks: None) -> None:
    probs, targets = np.full((500, 2), 0.5), np.zeros(500, dtype=int)
    probs[430, 0] = 0.75
    with pytest.raises(ValueError, match=r"row 430 sums to 1\.25"):
        metrics.ece(probs, targets)
    logits = np.zeros((500, 2))
    logits[431, 1] = np.nan
    with pytest.raises(ValueError, match="first in row 431"):
        metrics.ece(logits=logits, targets=targets)


def test_logits_whose_sum_overflows_are_finite_all_the_same() -> None:
    assert metrics.nll(logits=[[1.7e308, 1.7e308], [0.0, 0.0]], targets=[0, 1]) == pytest.approx(np.log(2))


@settings(deadline=None, max_examples=80)
@given(st.one_of(followed(), tied()), st.booleans())
def test_the_stable_order_is_that_of_numpy(predictions: Split, is_falling: bool) -> None:
    values = -predictions[0].max(axis=1) if is_falling else predictions[0][:, 0]
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


@settings(deadline=None, max_examples=80)
@given(tied(), st.integers(1, 100))
def test_ties_across_cuts_are_parted_in_the_order_of_the_input(predictions: Split, n_bins: int) -> None:
    values, hits = predictions[0][:, 0], predictions[1] == 0
    expected = [chunk for chunk in np.array_split(np.argsort(values, kind="stable"), n_bins) if len(chunk)]
    found = tally.equal_mass(values, hits, n_bins)
    assert found.counts.tolist() == [len(chunk) for chunk in expected]
    assert found.hits.tolist() == [np.count_nonzero(hits[chunk]) for chunk in expected]
    assert found.values.tolist() == [values[chunk].sum() for chunk in expected]
