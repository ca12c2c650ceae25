from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score, top_k_accuracy_score

from tests.trainers.calibration.golden import Floats, Integers, formula_logits
from trainers.calibration.metrics import ece
from trainers.calibration.temperature import fit_temperature
from trainers.catalogue import METRIC_COLUMNS
from trainers.metrics.evaluate import evaluate

COUNTS = [int(5000 * 0.01 ** (k / 9)) for k in range(10)]


def logits_of(confusion: list[list[int]]) -> tuple[Floats, Integers]:
    """One-hot logits that are confused just so."""
    pairs = [(row, column) for row, line in enumerate(confusion) for column, n in enumerate(line) for _ in range(n)]
    targets, predicted = np.array(pairs).T
    return np.eye(len(confusion))[predicted], targets


def test_every_test_column_is_there_in_its_order() -> None:
    logits, targets = formula_logits()
    assert list(evaluate(logits, targets, COUNTS)) == [name for name in METRIC_COLUMNS if name.startswith("test_")]


def test_a_confusion_worked_by_hand() -> None:
    scores = evaluate(*logits_of([[8, 1, 1], [2, 6, 2], [3, 3, 4]]), [300, 50, 5])
    expected = {
        "test_acc": 0.6,
        "test_macro_f1": 0.588747,
        "test_tail_macro_f1": 0.535294,
        "test_acc_many": 0.8,
        "test_acc_medium": 0.6,
        "test_acc_few": 0.4,
        "test_gm": 0.576900,
        "test_hm": 0.553846,
        "test_lowest_recall": 0.4,
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_a_thousand_samples_have_their_known_calibration_before_and_after_scaling() -> None:
    logits, targets = formula_logits()
    scores = evaluate(logits, targets, COUNTS, fit_temperature(logits, targets))
    expected = {
        "test_acc": 0.328,
        "test_nll": 1.7045762955,
        "test_ece": 0.1206643169,
        "test_adaece": 0.1279575279,
        "test_classwise_ece": 0.0367556186,
        "test_nll_ts": 1.6187544119,
        "test_ece_ts": 0.0363120001,
        "test_adaece_ts": 0.0420546285,
        "test_classwise_ece_ts": 0.0215983840,
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_without_a_temperature_nothing_is_scaled_and_at_one_nothing_changes() -> None:
    logits, targets = formula_logits()
    without, at_one = evaluate(logits, targets, COUNTS), evaluate(logits, targets, COUNTS, 1.0)
    scaled = [name for name in without if name.endswith("_ts")]
    assert [without[name] for name in scaled] == [None] * 4
    assert [at_one[name] for name in scaled] == [without[name.removesuffix("_ts")] for name in scaled]


def test_a_group_without_a_class_or_without_a_sample_is_absent_not_zero() -> None:
    logits, targets = formula_logits()
    assert evaluate(logits, targets, COUNTS)["test_acc_few"] is None
    rare = np.array([5000] * 9 + [3])
    assert evaluate(logits, targets, rare)["test_acc_few"] == pytest.approx(
        (logits.argmax(1) == targets)[targets == 9].mean()
    )
    kept = targets != 9
    assert evaluate(logits[kept], targets[kept], rare)["test_acc_few"] is None


def test_a_group_weighs_its_classes_alike_however_many_test_images_they_have() -> None:
    scores = evaluate(*logits_of([[9, 1, 0], [1, 1, 0], [0, 0, 5]]), [500, 400, 30])
    assert scores["test_acc_many"] == pytest.approx((0.9 + 0.5) / 2)


def test_the_calibration_error_of_a_group_is_that_of_its_own_samples() -> None:
    logits, targets = formula_logits()
    probs, counts = softmax(logits, axis=1), np.array([500, 50, 5, 500, 50, 5, 500, 50, 5, 500])
    scores = evaluate(logits, targets, counts)
    for name, size in (("many", 500), ("medium", 50), ("few", 5)):
        inside = np.isin(targets, np.flatnonzero(counts == size))
        assert scores[f"test_ece_{name}"] == pytest.approx(ece(probs[inside], targets[inside]), abs=1e-12)
    assert evaluate(logits, targets, COUNTS)["test_ece_few"] is None


def test_top5_is_empty_where_there_are_fewer_than_five_classes() -> None:
    assert evaluate(np.eye(4), np.arange(4), [9] * 4)["test_top5"] is None
    assert evaluate(np.eye(5), np.arange(5)[::-1], [9] * 5)["test_top5"] == 1.0


def test_of_equal_logits_the_first_classes_are_the_five_best() -> None:
    assert evaluate(np.zeros((10, 10)), np.arange(10), [9] * 10)["test_top5"] == 0.5


@pytest.mark.filterwarnings("ignore::UserWarning:sklearn")
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(6, 30), st.integers(1, 300))
def test_accuracies_and_f1_agree_with_scikit_learn(seed: int, classes: int, samples: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    logits = rng.normal(size=(samples, classes)) + 2 * np.eye(classes)[targets]
    scores, predicted = evaluate(logits, targets, [200] * classes), logits.argmax(1)
    there = np.unique(targets)
    expected = {
        "test_acc": accuracy_score(targets, predicted),
        "test_top5": top_k_accuracy_score(targets, logits, k=5, labels=np.arange(classes)),
        "test_macro_f1": f1_score(targets, predicted, average="macro"),
        "test_acc_many": recall_score(targets, predicted, labels=there, average="macro"),
        "test_lowest_recall": recall_score(targets, predicted, labels=there, average=None).min(),
        "test_balanced_acc": balanced_accuracy_score(targets, predicted),
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_float32_tensors_and_float64_arrays_of_the_same_values_score_the_same() -> None:
    logits, targets = formula_logits()
    logits = logits.astype(np.float32).astype(np.float64)
    tensors = torch.from_numpy(logits).float(), torch.from_numpy(targets)
    assert evaluate(*tensors, torch.tensor(COUNTS), 1.3) == evaluate(logits, targets, COUNTS, 1.3)


@pytest.mark.parametrize("scale", [1e4, 0.0])
def test_extreme_logits_give_finite_scores(scale: float) -> None:
    logits, targets = formula_logits()
    scores = evaluate(np.sign(logits) * scale, targets, [500] * 10, 0.05)
    assert np.isfinite([value for value in scores.values() if value is not None]).all()


@pytest.mark.parametrize(
    ("logits", "targets", "counts", "temperature", "complaint"),
    [
        ([[np.nan, 0.0]], [0], [1, 1], None, "logits holds NaN"),
        ([[0.0, 1.0]], [0], [1, 1, 1], None, "class_counts has shape"),
        ([[0.0, 1.0]], [0], [1, -1], None, "class_counts must be whole numbers"),
        ([[0.0, 1.0]], [0], [1, 0.5], None, "class_counts must be whole numbers"),
        ([[0.0, 1.0]], [0], [1, 1], 0.0, "temperature must be above 0"),
        ([[0.0, 1.0]], [0], [1, 1], float("nan"), "temperature must be above 0"),
        ([[0.0, 1.0]], [5], [1, 1], None, r"targets\[0\] is 5"),
    ],
)
def test_bad_input_is_refused_with_the_reason(
    logits: object, targets: object, counts: object, temperature: float | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        evaluate(logits, targets, counts, temperature)
