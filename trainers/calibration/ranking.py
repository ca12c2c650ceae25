"""Selective prediction: whether confidence puts right answers before wrong ones.

Samples are taken in order of falling confidence, equal ones in the order of the input. The risk r_k is the share of
errors among the first k, the coverage k / N. What the arguments mean, and what is refused, stands in
`trainers.calibration.metrics`.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.inputs import Booleans, Floats, checked_choice
from trainers.calibration.order import stable_order
from trainers.calibration.split import read_split

Rule: TypeAlias = Literal["mean", "trapezoid"]
"""The area under a curve over k = 1..N: the mean of its heights; or by trapezoids between coverages 1 / N and 1,
divided by 1 - 1 / N, as in torch-uncertainty."""

RULES: Final = ("mean", "trapezoid")


def risk_coverage(probs: Any = None, targets: Any = None, *, logits: Any = None) -> tuple[Floats, Floats]:
    """The risk-coverage curve: coverages (N,) and the risks (N,) at them.

    Source: El-Yaniv & Wiener, JMLR 2010; Geifman & El-Yaniv, NeurIPS 2017.
    """
    counts, errors = _errors(probs, targets, logits)
    return counts / len(counts), errors / counts


def aurc(probs: Any = None, targets: Any = None, *, logits: Any = None, rule: Rule = "mean") -> float:
    """Area under the risk-coverage curve, mean_k r_k; 0 is a model that is always right.

    Source: Geifman et al., ICLR 2019.
    """
    checked_choice("rule", rule, RULES)
    counts, errors = _errors(probs, targets, logits)
    return _area(errors / counts, rule)


def e_aurc(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """AURC less that of the same errors in the best order, all of them last.

    Source: Geifman et al., ICLR 2019.
    """
    counts, errors = _errors(probs, targets, logits)
    best = np.maximum(counts - (len(counts) - errors[-1]), 0)
    return float((errors / counts).mean() - (best / counts).mean())


def augrc(probs: Any = None, targets: Any = None, *, logits: Any = None, rule: Rule = "mean") -> float:
    """Area under the generalised risk-coverage curve: mean over k of the errors among the first k, divided by N.

    Source: Traub et al., NeurIPS 2024.
    """
    checked_choice("rule", rule, RULES)
    counts, errors = _errors(probs, targets, logits)
    return _area(errors / len(counts), rule)


def auroc(probs: Any = None, targets: Any = None, *, logits: Any = None) -> float:
    """Chance that a right answer has more confidence than a wrong one; equal confidences count half.

    Raises:
        ValueError: also where all answers are right, or all are wrong.
    """
    confidence, correct = read_split(probs, targets, logits).top_label()
    hits, misses = np.sort(confidence[correct]), np.sort(confidence[~correct])
    if not (hits.size and misses.size):
        raise ValueError("auroc needs right and wrong answers; here all are " + ("right" if hits.size else "wrong"))
    not_above = np.searchsorted(hits, misses, side="left") + np.searchsorted(hits, misses, side="right")
    return 1.0 - float(not_above.mean()) / (2 * len(hits))


def coverage_at_risk(probs: Any = None, targets: Any = None, risk: float = 0.05, *, logits: Any = None) -> float:
    """The largest coverage k / N at which the risk is at most `risk`; 0 if there is none.

    Source: Geifman & El-Yaniv, NeurIPS 2017.
    """
    if not 0 <= risk <= 1:
        raise ValueError(f"risk must be within 0..1, not {risk}")
    counts, errors = _errors(probs, targets, logits)
    allowed = np.flatnonzero(errors / counts <= risk)
    return float(counts[allowed[-1]] / len(counts)) if allowed.size else 0.0


def risk_at_coverage(probs: Any = None, targets: Any = None, coverage: float = 0.8, *, logits: Any = None) -> float:
    """The risk r_k at k = ceil(coverage * N): the share of errors among that share of samples.

    Source: Geifman & El-Yaniv, NeurIPS 2017.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage must be above 0 and at most 1, not {coverage}")
    counts, errors = _errors(probs, targets, logits)
    # 0.07 * 100 is 7.000000000000001: what rounding adds is no further sample.
    last = math.ceil(round(coverage * len(counts), 9)) - 1
    return float(errors[last] / counts[last])


def risk_curve(confidence: Floats, correct: Booleans) -> tuple[Floats, Floats]:
    """`risk_coverage` of confidences (N,) and whether each is right (N,)."""
    errors = np.cumsum(~correct[stable_order(-confidence)], dtype=np.float64)
    counts = np.arange(1.0, len(errors) + 1)
    return counts / len(counts), errors / counts


def _errors(probs: Any, targets: Any, logits: Any) -> tuple[Floats, Floats]:
    """For k = 1..N: k, and the errors among the k most confident samples; both (N,)."""
    confidence, correct = read_split(probs, targets, logits).top_label()
    np.negative(confidence, out=confidence)
    errors = np.cumsum(~correct[stable_order(confidence)], dtype=np.float64)
    return np.arange(1.0, len(errors) + 1), errors


def _area(heights: Floats, rule: Rule) -> float:
    if rule == "mean" or len(heights) == 1:
        return float(heights.mean())
    return float((heights.sum() - (heights[0] + heights[-1]) / 2) / (len(heights) - 1))
