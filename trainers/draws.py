"""Random numbers that follow from seed, epoch and purpose alone, so that a resumed run draws what it would have."""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, purpose: str, *counters: int) -> int:
    """A seed of its own for each purpose and each count: 63 bits of SHA-256 over their text.

    Args:
        seed: of the run.
        purpose: what is drawn ("order", "crop", ...).
        counters: epoch, step, ...
    """
    text = ":".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """A CPU generator for one purpose: the same numbers on every device and for any number of ranks."""
    return torch.Generator().manual_seed(derived_seed(seed, purpose, *counters))
