"""Every purpose, epoch and step has numbers of its own, the same each time."""

from __future__ import annotations

import torch

from trainers.draws import derived_seed, generator


def test_seeds_never_change() -> None:
    assert derived_seed(0, "order", 0) == 583293569008121160


def test_each_argument_counts() -> None:
    seeds = {
        derived_seed(0, "order", 1),
        derived_seed(1, "order", 1),
        derived_seed(0, "crop", 1),
        derived_seed(0, "order", 11),
    }
    assert len(seeds) == 4


def test_a_generator_starts_anew_each_time() -> None:
    first, again = (torch.rand(3, generator=generator(5, "crop", 2)).tolist() for _ in range(2))
    assert first == again
