"""A training attempt whose loss gathers from batch to batch: `python -m tests.trainers.gathering SPEC FOLDER ...`.

The catalogue of this process, and of no other, has the loss `gathering`.
"""

from __future__ import annotations

import sys
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers import catalogue
from trainers.losses.base import Batch, Loss


class Gathering(Loss):
    """Cross entropy of logits from which a moving mean of earlier batches' logits is taken."""

    level: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(num_classes))

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        value = F.cross_entropy(batch.logits - self.level, batch.targets)
        self.level.mul_(0.9).add_(batch.logits.detach().mean(dim=0), alpha=0.1)
        return value


def main() -> int:
    """As `trainers.run`, with one loss more, and progress that is told at every step: a short run may be over within
    the second that is between two reports.
    """
    losses = cast("dict[str, Any]", catalogue.LOSSES)
    losses["gathering"] = catalogue.Entry(target="tests.trainers.gathering:Gathering")
    from trainers import progress
    from trainers.run import main as run

    vars(progress)["_PERIOD_SECONDS"] = 0.0
    return run()


if __name__ == "__main__":
    sys.exit(main())
