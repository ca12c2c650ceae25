"""Focal loss whose gamma depends on how well a sample is known (FLSD-53)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from trainers.errors import SpecError
from trainers.losses.base import Batch, Loss
from trainers.losses.focal import focal_terms
from trainers.losses.label_probs import LabelProbs

_THRESHOLDS: Final = [0.2]
_GAMMAS: Final = [5.0, 3.0]


def gamma_of(probability: float) -> float:
    """The gamma at which focal loss pulls a sample of this p_y as strongly as cross entropy does.

    g(p, gamma) = (1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p is the ratio of the two gradients; this solves
    g = 1 for the gamma above 0. A larger one weakens the pull.

    Args:
        probability: p_y in (0, 1).

    Returns:
        gamma; 0 from p_y = 1/2 on.

    Raises:
        ValueError: not in (0, 1).

    Source: Mukhoti et al., NeurIPS 2020, proposition 1 and appendix.
    """
    from scipy.special import lambertw  # a third of a second to import, and no training needs it

    if not 0 < probability < 1:
        raise ValueError(f"a probability of {probability} has no gamma; it must lie between 0 and 1")
    if probability >= 0.5:
        return 0.0
    rest = 1 - probability
    ratio = rest / (probability * math.log(probability))
    return float(ratio + lambertw(-ratio * math.log(rest) * rest**-ratio, k=-1).real / math.log(rest))


class AdaptiveFocal(Loss):
    """mean_i (1 - p_y)^gamma_i * (-log p_y): gamma_i is `gammas[k]` where p_y has reached k of the thresholds.

    With the defaults 5 below 0.2, else 3. gamma_i is a constant for the gradient.

    Args:
        thresholds: of p_y, rising; a sample at one has reached it.
        gammas: one more than thresholds, each at least 0.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.

    Raises:
        SpecError: the thresholds do not rise, or the gammas are not one more.

    Source: Mukhoti et al., NeurIPS 2020 (FLSD-53, sample-dependent gamma).
    """

    thresholds: Tensor
    gammas: Tensor

    def __init__(self, *, thresholds: Sequence[float] = _THRESHOLDS, gammas: Sequence[float] = _GAMMAS) -> None:
        super().__init__()
        if any(later <= earlier for earlier, later in pairwise(thresholds)):
            raise SpecError(f"adaptive_focal's thresholds {list(thresholds)} do not rise; order them")
        if len(gammas) != len(thresholds) + 1:
            raise SpecError(
                f"adaptive_focal has {len(gammas)} gammas for {len(thresholds)} thresholds; give one gamma more"
            )
        # Not part of a checkpoint: the spec says them.
        for name, values in (("thresholds", thresholds), ("gammas", gammas)):
            self.register_buffer(name, torch.tensor(list(values), dtype=torch.float64), persistent=False)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        label = LabelProbs.of(batch.logits, batch.targets)
        dtype = label.nll.dtype
        reached = torch.bucketize(torch.exp(-label.nll.detach()), self.thresholds.to(dtype), right=True)
        return batch.counted_mean(focal_terms(label, self.gammas.to(dtype)[reached]))
