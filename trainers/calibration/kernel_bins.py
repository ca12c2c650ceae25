"""The differentiable smooth calibration error that some losses train with, as a figure in float64."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import numpy as np

from trainers.calibration.inputs import checked_bins, checked_choice
from trainers.calibration.split import read_split
from trainers.calibration.tally import PIECE

Correctness: TypeAlias = Literal["hard", "soft"]
CORRECTNESS: Final = ("hard", "soft")
WIDTH: Final = 0.05


def sece(
    probs: Any = None,
    targets: Any = None,
    n_centres: int = 15,
    *,
    logits: Any = None,
    correctness: Correctness = "hard",
) -> float:
    """ECE over soft bins: Gaussian weights of width 0.05 around `n_centres` centres from 0 to 1. Not `smooth_ece`.

    A sample's weights are divided by their sum + 1e-8; each centre adds its mass * sqrt(gap^2 + 1e-12).

    Args:
        probs: (N, C) probabilities.
        targets: (N,) class indices.
        n_centres: at least 1.
        logits: (N, C) scores, instead of `probs`.
        correctness: "hard", 1 if the prediction is right and else 0; or "soft", the target's probability, with which
            every right prediction adds nothing.

    Source: the weights of Wang et al., TMLR 2024 (SECE), normalised by mass.
    """
    checked_choice("correctness", correctness, CORRECTNESS)
    centres = np.linspace(0.0, 1.0, checked_bins(n_centres))
    split = read_split(probs, targets, logits)
    sums = np.zeros((3, len(centres)))
    for _, block, labels in split.blocks():
        predicted = block.argmax(axis=1)
        each = np.arange(len(labels))
        confidence, of_target = block[each, predicted], block[each, labels]
        outcome = (predicted == labels).astype(np.float64) if correctness == "hard" else of_target
        for start in range(0, len(labels), PIECE // len(centres) + 1):
            piece = slice(start, start + PIECE // len(centres) + 1)
            weights = np.exp(-np.square((confidence[piece, None] - centres) / WIDTH) / 2)
            weights /= weights.sum(axis=1, keepdims=True) + 1e-8
            sums += np.stack([weights.sum(axis=0), confidence[piece] @ weights, outcome[piece] @ weights])
    mass = np.maximum(sums[0], np.finfo(np.float64).tiny)
    gaps = (sums[1] - sums[2]) / mass
    return float((sums[0] / len(split.labels) * np.sqrt(np.square(gaps) + 1e-12)).sum())
