from __future__ import annotations

import numpy as np
import pytest

from trainers.metrics.confusion import confusion_matrix, f1_scores, precisions, recalls
from trainers.metrics.means import geometric_mean, harmonic_mean, lowest, mean

WORKED = np.array([[8, 1, 1], [2, 6, 2], [3, 3, 4]])


def test_rows_are_targets_and_columns_predictions() -> None:
    targets, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 0])
    assert confusion_matrix(predicted, targets, 4).tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]


def test_a_confusion_worked_by_hand() -> None:
    assert recalls(WORKED) == pytest.approx([0.8, 0.6, 0.4])
    assert precisions(WORKED) == pytest.approx([8 / 13, 0.6, 4 / 7])
    assert f1_scores(WORKED) == pytest.approx([0.695652, 0.6, 0.470588], abs=1e-6)
    assert mean(f1_scores(WORKED)) == pytest.approx(0.588747, abs=1e-6)
    assert geometric_mean(recalls(WORKED)) == pytest.approx(0.576900, abs=1e-6)
    assert harmonic_mean(recalls(WORKED)) == pytest.approx(0.553846, abs=1e-6)
    assert lowest(recalls(WORKED)) == pytest.approx(0.4)


def test_a_recall_of_zero_counts_as_a_thousandth_in_the_means_but_is_the_lowest_as_it_is() -> None:
    found = np.array([0.9, 0.5, 0.0])
    assert geometric_mean(found) == pytest.approx(0.0766, abs=5e-5)
    assert harmonic_mean(found) == pytest.approx(0.00299, abs=5e-6)
    assert lowest(found) == 0.0


def test_a_class_never_predicted_has_f1_zero_and_one_that_is_not_there_none() -> None:
    confusion = np.array([[2, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert f1_scores(confusion) == pytest.approx([0.8, 0.0, np.nan], nan_ok=True)
    assert recalls(confusion) == pytest.approx([1.0, 0.0, np.nan], nan_ok=True)
    assert precisions(confusion) == pytest.approx([2 / 3, np.nan, np.nan], nan_ok=True)


def test_what_is_unknown_is_left_out_of_a_mean_and_nothing_known_has_none() -> None:
    assert mean(np.array([0.2, np.nan, 0.4])) == pytest.approx(0.3)
    nothing = np.array([np.nan])
    assert [measure(nothing) for measure in (mean, lowest, geometric_mean, harmonic_mean)] == [None] * 4
