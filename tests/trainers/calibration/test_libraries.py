"""Agreement with libraries that are no dependency of the project: where one is not installed its test is left out.

pip install netcal uncertainty-calibration relplot
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.trainers.calibration.strategies import Split, away_from_edges, followed, sensible
from trainers.calibration.bins import top_label
from trainers.calibration.metrics import (
    ace,
    adaptive_ece,
    classwise_adaptive_ece,
    classwise_ece,
    debiased_ece,
    ece,
    mce,
    smooth_ece,
)


@settings(deadline=None, max_examples=40)
@given(followed(), st.integers(1, 30))
def test_netcal(split: Split, n_bins: int) -> None:
    theirs = pytest.importorskip("netcal.metrics")
    probs, targets = split
    assume(away_from_edges(top_label(*split)[0], n_bins))
    found = [measure(*split, n_bins, edges="left") for measure in (ece, mce, ace)]
    expected = [getattr(theirs, name)(n_bins).measure(probs, targets) for name in ("ECE", "MCE", "ACE")]
    assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(followed(), st.integers(1, 30))
def test_uncertainty_calibration(split: Split, n_bins: int) -> None:
    theirs = pytest.importorskip("calibration")
    utils = pytest.importorskip("calibration.utils")
    found = [measure(*split, n_bins) for measure in (ece, adaptive_ece, classwise_ece, classwise_adaptive_ece)]
    expected = [
        measure(*split, mode=mode, num_bins=n_bins)
        for mode in ("top-label", "marginal")
        for measure in (utils.get_ece, utils.get_ece_em)
    ]
    assert found == pytest.approx(expected, abs=1e-12)
    if len(split[0]) >= 30:
        debiased = theirs.get_calibration_error(*split, p=2, debias=True, mode="top-label")
        assert debiased_ece(*split) == pytest.approx(debiased, abs=1e-7)


@settings(deadline=None, max_examples=40)
@given(sensible())
def test_relplot(split: Split) -> None:
    theirs = pytest.importorskip("relplot")
    value = smooth_ece(*split)
    # Its kernel is cut off and its grid is coarse: where the error is large it strays from the exact sum by a point.
    assume(value < 0.1)
    assert theirs.smECE(*top_label(*split)) == pytest.approx(value, abs=2e-3)
