from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import foldnorm

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, formula_logits, softmax
from tests.trainers.calibration.strategies import Split, followed, tied
from trainers.calibration.bins import top_label
from trainers.calibration.debiased import Binning
from trainers.calibration.metrics import adaptive_ece, debiased_ece, debiased_square, ece_sweep, rmsce


def test_ten_printed_rows_give_the_known_squares() -> None:
    assert rmsce(PRINTED_PROBS, PRINTED_TARGETS, 5) ** 2 == pytest.approx(0.0218291667, abs=1e-10)
    assert debiased_square(PRINTED_PROBS, PRINTED_TARGETS, 5, binning="width") == pytest.approx(-0.0698375, abs=1e-12)
    assert debiased_ece(PRINTED_PROBS, PRINTED_TARGETS, 5, binning="width") == 0
    assert adaptive_ece(PRINTED_PROBS, PRINTED_TARGETS, 5, norm="l2") ** 2 == pytest.approx(0.045805, abs=1e-12)
    assert debiased_square(PRINTED_PROBS, PRINTED_TARGETS, 5) == pytest.approx(-0.104195, abs=1e-12)


def test_a_thousand_samples_give_the_known_values() -> None:
    logits, targets = formula_logits()
    probs = softmax(logits)
    found = [adaptive_ece(probs, targets, norm="l2"), debiased_ece(probs, targets)]
    found.append(debiased_ece(probs, targets, norm="l1"))
    assert found == pytest.approx([0.1485918999, 0.1374879985, 0.1237788388], abs=2e-10)


def test_the_sweep_stops_before_the_first_number_of_bins_at_which_an_accuracy_falls() -> None:
    logits, targets = formula_logits()
    assert ece_sweep(PRINTED_PROBS, PRINTED_TARGETS) == pytest.approx(0.063, abs=1e-12)
    assert ece_sweep(PRINTED_PROBS, PRINTED_TARGETS) == adaptive_ece(PRINTED_PROBS, PRINTED_TARGETS, 3)
    assert ece_sweep(softmax(logits), targets) == pytest.approx(0.1190528658, abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(followed(), st.integers(1, 40), st.sampled_from(["mass", "width"]))
def test_the_corrections_are_those_of_each_bin(split: Split, n_bins: int, binning: Binning) -> None:
    confidence, correct = top_label(*split)
    if binning == "mass":
        held = [chunk for chunk in np.array_split(np.argsort(confidence), n_bins) if len(chunk)]
    else:
        index = np.clip(np.searchsorted(np.linspace(0, 1, n_bins + 1), confidence) - 1, 0, None)
        held = [np.flatnonzero(index == bin_) for bin_ in np.unique(index)]
    square = plug_in = expected_by_chance = 0.0
    for samples in held:
        share, accuracy = len(samples) / len(confidence), correct[samples].mean()
        gap = confidence[samples].mean() - accuracy
        plug_in += share * abs(gap)
        if len(samples) > 1:
            square += share * (gap**2 - accuracy * (1 - accuracy) / (len(samples) - 1))
        spread = math.sqrt(accuracy * (1 - accuracy) / len(samples))
        expected_by_chance += share * (foldnorm.mean(abs(gap) / spread, scale=spread) if spread else abs(gap))
    assert debiased_square(*split, n_bins, binning=binning) == pytest.approx(square, abs=1e-12)
    assert debiased_ece(*split, n_bins, binning=binning) == pytest.approx(math.sqrt(max(square, 0)), abs=1e-7)
    found = debiased_ece(*split, n_bins, norm="l1", binning=binning)
    assert found == pytest.approx(2 * plug_in - expected_by_chance, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.one_of(followed(), tied()))
def test_the_sweep_is_the_error_at_the_bins_that_a_plain_search_finds(split: Split) -> None:
    confidence, correct = top_label(*split)
    ordered = correct[np.argsort(confidence, kind="stable")]
    bins = 1
    while bins < len(ordered):
        rates = [chunk.mean() for chunk in np.array_split(ordered, bins + 1)]
        if any(later < earlier for earlier, later in pairwise(rates)):
            break
        bins += 1
    assert ece_sweep(*split) == pytest.approx(adaptive_ece(*split, bins), abs=1e-12)


def test_what_is_corrected_for_is_what_a_calibrated_model_shows() -> None:
    rng = np.random.default_rng(0)
    squares, plain = [], []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1, 1000)
        targets = (rng.random(1000) > confidence).astype(int)
        probs = np.array([confidence, 1 - confidence]).T
        squares.append(debiased_square(probs, targets))
        plain.append(adaptive_ece(probs, targets, norm="l2") ** 2)
    assert abs(np.mean(squares)) < 1e-4
    assert np.mean(plain) > 1.5e-3


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="norm must be one of l1, l2, not 'max'"):
        debiased_ece(PRINTED_PROBS, PRINTED_TARGETS, norm="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="binning must be one of mass, width"):
        debiased_square(PRINTED_PROBS, PRINTED_TARGETS, binning="equal")  # type: ignore[arg-type]
