"""A calibration error with a gradient: confidences shared out over fifteen soft bins (SECE)."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

_CENTRES: Final = 15
_WIDTH: Final = 0.05
# Under the root, so that a bin without any mass, where float32 holds 0, has a gradient of 0 and not of 0 / 0.
_TINY: Final = 1e-30


def soft_bin_gap(confidence: Tensor, correct: Tensor) -> Tensor:
    """sum_m mass_m sqrt((conf_m - acc_m)^2 + 1e-12) over bins m with Gaussian membership, () float.

    Centres are fifteen points from 0 to 1, sigma is 0.05, and each sample's memberships are normalised to sum to one
    (+ 1e-8); mass_m is the mean membership, conf_m and acc_m are means weighted by it. It is summed as
    sqrt((mass_m gap_m)^2 + 1e-12 mass_m^2), which divides by no mass. Not smECE, which has no bins.

    Args:
        confidence: (N,) in [0, 1].
        correct: what it is held against, (N,): 1.0 or 0.0, or p_y in the soft variant, which sees only how sure the
            errors are.
    Source: our normalised form of seed 002's; compare SECE of Liang et al., TMLR 2024.
    """
    centres = torch.linspace(0.0, 1.0, _CENTRES, dtype=confidence.dtype, device=confidence.device)
    member = torch.exp(-(confidence.unsqueeze(1) - centres).square() / (2 * _WIDTH**2))
    member = member / (member.sum(dim=1, keepdim=True) + 1e-8)
    gaps = (member * (confidence - correct).unsqueeze(1)).mean(dim=0)
    masses = member.mean(dim=0)
    return torch.sqrt(gaps.square() + 1e-12 * masses.square() + _TINY).sum()


def smooth_ece(logits: Tensor, targets: Tensor) -> Tensor:
    """`soft_bin_gap` of the predicted class: confidence against right or wrong, which has no gradient.

    Args:
        logits: (N, C), float32 or better.
        targets: (N,) int64.
    """
    log_probs = F.log_softmax(logits, dim=1)
    correct = (log_probs.argmax(dim=1) == targets).to(log_probs.dtype)
    return soft_bin_gap(torch.exp(log_probs.amax(dim=1)), correct)
