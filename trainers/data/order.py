"""The order in which an epoch sees the training images."""

from __future__ import annotations

import torch
from torch import Tensor

from trainers.draws import generator


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Every image once, in an order of this epoch's own.

    Args:
        count: of the images.
        seed: of the run.
        epoch: from 0.

    Returns:
        (count,) int64 on the CPU: a permutation; the same on every device and for any number of ranks.
    """
    return torch.randperm(count, generator=generator(seed, "order", epoch))
