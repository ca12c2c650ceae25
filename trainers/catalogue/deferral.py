"""When what is deferred begins; no torch."""

from __future__ import annotations

import math
from fractions import Fraction


def switch_epoch(defer: float, epochs: int) -> int:
    """The first epoch, from 0, that a deferred rule holds in.

    Args:
        defer: below 1: a share of the epochs; else that epoch. 0.8 of 200 epochs is epoch 160, and so is 160.
        epochs: of the run.

    Raises:
        ValueError: not above 0, or above 1 and not whole.
    """
    if not 0 < defer < math.inf or (defer >= 1 and defer != int(defer)):
        raise ValueError(f"defer is {defer:g}; give a share of the epochs, such as 0.8, or a whole epoch")
    return int(Fraction(str(defer)) * epochs) if defer < 1 else int(defer)
