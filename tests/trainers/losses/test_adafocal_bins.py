"""AdaFocal's bins, and how its gammas follow them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats
from trainers.calibration.bins import top_label
from trainers.losses.adafocal_bins import UpdateRule, equal_mass_bins, reference_bins

OFFICIAL = UpdateRule(lam=1.0, switch_pt=0.2, gamma_min=-2.0, gamma_max=20.0)
SEED = UpdateRule(lam=2.0, switch_pt=0.25, gamma_min=-8.0, gamma_max=8.0)
PRINTED = top_label(PRINTED_PROBS, PRINTED_TARGETS)


@pytest.mark.parametrize(
    ("rule", "gamma", "gap", "after"),
    [
        (OFFICIAL, 1, 0.18, 1.197217),
        (OFFICIAL, 1, -0.18, 0.835270),
        (OFFICIAL, 0.21, -0.3, -0.2),
        (OFFICIAL, -0.2, 0.5, 0.2),
        (OFFICIAL, -0.5, -0.4, -0.745912),
        (OFFICIAL, -1.9, -0.4, -2),
        (OFFICIAL, 19, 0.2, 20),
        (SEED, 5, 0.18, 7.166647),
        (SEED, 5, -0.18, 3.488382),
        (SEED, 0.3, -0.3, -0.25),
        (SEED, -0.25, 0.5, 0.25),
        (SEED, -5, -0.4, -8),
        (SEED, 7.5, 0.1, 8),
    ],
)
def test_golden_updates(rule: UpdateRule, gamma: float, gap: float, after: float) -> None:
    assert rule.after(np.array([gamma]), np.array([gap])).tolist() == pytest.approx([after], abs=5e-7)


def test_a_bin_without_a_gap_keeps_its_gamma_and_one_below_the_switch_point_flips() -> None:
    gammas = np.array([5.0, -3.0, 0.25, 0.1, -0.1, 0.0])
    assert SEED.after(gammas, np.zeros(6)).tolist() == [5.0, -3.0, 0.25, -0.25, 0.25, 0.25]


def test_without_a_switch_point_no_gamma_changes_its_sign() -> None:
    rule = UpdateRule(lam=1.0, switch_pt=0.0, gamma_min=0.0, gamma_max=20.0)
    gammas = np.full(1, 0.01)
    for _ in range(50):
        gammas = rule.after(gammas, np.array([-1.0]))
    assert 0 < gammas[0] < 1e-20


def test_golden_reference_bins() -> None:
    found = reference_bins(*PRINTED, 5)
    assert found.edges.tolist() == pytest.approx([0.44, 0.55, 0.71, 0.86, 0.95, 0.97], abs=1e-15)
    assert found.gaps.tolist() == pytest.approx([0.015, 0.18, 0.315, -0.07, -0.03], abs=1e-14)
    assert found.counts.tolist() == [2, 2, 2, 2, 1]  # the lowest, .44, lies in none


@pytest.mark.parametrize(
    ("rule", "start", "gammas"),
    [
        (OFFICIAL, 1.0, [1.015113, 1.197217, 1.370259, 0.932394, 0.970446]),
        (SEED, 5.0, [5.152273, 7.166647, 8, 4.346791, 4.708823]),
    ],
)
def test_golden_first_update(rule: UpdateRule, start: float, gammas: list[float]) -> None:
    after = rule.after(np.full(5, start), reference_bins(*PRINTED, 5).gaps)
    assert after.tolist() == pytest.approx(gammas, abs=5e-7)


def test_equal_mass_bins_hold_every_sample_once_between_edges_half_way() -> None:
    found = equal_mass_bins(*PRINTED, 5)
    assert found.edges.tolist() == pytest.approx([0, 0.515, 0.68, 0.815, 0.93, 1], abs=1e-15)
    assert found.counts.tolist() == [2] * 5
    assert found.gaps.tolist() == pytest.approx([-0.04, 0.1, -0.26, 0.385, -0.04], abs=1e-14)
    uneven = equal_mass_bins(*PRINTED, 4)
    assert uneven.counts.tolist() == [3, 3, 2, 2]


@pytest.mark.parametrize("bins", [reference_bins, equal_mass_bins])
def test_bins_do_not_depend_on_the_order_of_samples(bins: type[object]) -> None:
    confidence, correct = PRINTED
    order = np.random.default_rng(1).permutation(10)
    one, other = bins(confidence, correct, 4), bins(confidence[order], correct[order], 4)  # type: ignore[call-arg]
    for name in ("edges", "counts", "confidence", "accuracy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-14)


def test_reference_bins_between_equal_edges_are_empty() -> None:
    confidence = np.array([0.5, 0.9, 0.9, 0.9, 0.9, 0.9])
    found = reference_bins(confidence, np.ones(6), 3)
    assert found.edges.tolist() == [0.5, 0.9, 0.9, 0.9]
    assert found.counts.tolist() == [5, 0, 0]
    assert np.isnan(found.confidence[1:]).all()
    assert np.isnan(found.accuracy[1:]).all()
    assert found.gaps.tolist() == pytest.approx([-0.1, 0, 0])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_fewer_samples_than_bins_leave_bins_empty(count: int) -> None:
    confidence: Floats = np.linspace(0.4, 0.8, count)
    found = equal_mass_bins(confidence, np.zeros(count), 5)
    assert found.counts.tolist() == [1] * count + [0] * (5 - count)
    assert (np.diff(found.edges) >= 0).all()
    assert found.edges[[0, -1]].tolist() == [0, 1]
    assert found.gaps[:count].tolist() == pytest.approx(confidence.tolist())
    reference = reference_bins(confidence, np.zeros(count), 5)
    assert reference.counts.sum() == count - 1
    assert np.isfinite(reference.edges).all()
