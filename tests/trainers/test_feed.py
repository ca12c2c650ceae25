"""Batches: the same however many images are prepared at once, and wherever an epoch is taken up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainers.data.images import Dataset, Split
from trainers.data.resident import Pixels, resident
from trainers.errors import SpecError
from trainers.feed import EpochFeed, Feed, Sampling
from trainers.ranks import Share
from trainers.rules.rule import Rule
from trainers.step import Samples

CPU = torch.device("cpu")
COUNT, BATCH = 70, 16
DRAW = np.random.default_rng(0)
SPLIT = Split(DRAW.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8), np.arange(COUNT, dtype=np.int64) % 10)
COUNTS = (7,) * 10
DATASET = Dataset(SPLIT, SPLIT, tuple(map(str, range(10))))
MIXERS: list[dict[str, Any]] = [{"name": "none"}, {"name": "mixup", "alpha": 0.5}, {"name": "cutmix", "alpha": 1.0}]
MIXERS.append({"name": "remix", "alpha": 1.0, "kappa": 3.0, "tau": 0.5})


def feed(
    at_once: int = 1, mixer: dict[str, Any] | None = None, val: bool = False, sampler: dict[str, Any] | None = None
) -> Feed:
    images = resident(SPLIT, slice(None), CPU)
    pixels = Pixels.of(DATASET, CPU)
    return Feed(
        images=images,
        val=images if val else None,
        pixels=pixels,
        has_flips=True,
        augment="strong",
        mixer=mixer or MIXERS[0],
        sampling=Sampling(sampler or {"name": "instance"}, Rule(), COUNTS, epochs=4),
        seed=7,
        device=CPU,
        at_once=at_once,
    )


def batches(of: Feed, first: int = 0, epoch: int = 0) -> list[Samples]:
    chosen = of.epoch(epoch, BATCH)
    made = []
    for start in range(first * BATCH, COUNT, BATCH):
        stop = min(start + BATCH, COUNT)
        made.append(chosen.samples(start, stop, Share(0, stop - start, 1.0)))
    return made


def same(ones: list[Samples], others: list[Samples]) -> bool:
    pairs = zip(ones, others, strict=True)
    return all(torch.equal(one, other) for a, b in pairs for one, other in zip(a.tensors(), b.tensors(), strict=True))


@pytest.mark.parametrize("mixer", MIXERS, ids=lambda mixer: mixer["name"])
@pytest.mark.parametrize("at_once", [32, 50, 10_000])
def test_how_many_are_prepared_at_once_changes_nothing(at_once: int, mixer: dict[str, Any]) -> None:
    assert same(batches(feed(at_once, mixer)), batches(feed(1, mixer)))


@pytest.mark.parametrize("mixer", MIXERS, ids=lambda mixer: mixer["name"])
def test_an_epoch_taken_up_in_the_middle_goes_on_with_the_same_batches(mixer: dict[str, Any]) -> None:
    whole = batches(feed(48, mixer))
    for first in range(1, len(whole)):
        assert same(batches(feed(48, mixer), first), whole[first:])


def test_an_epoch_sees_every_image_once_and_another_epoch_in_another_order() -> None:
    first, second = (torch.cat([made.targets for made in batches(feed(), epoch=epoch)]) for epoch in (0, 1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(SPLIT.targets.tolist())
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("mixer", MIXERS, ids=lambda mixer: mixer["name"])
def test_two_ranks_have_the_halves_of_a_batch_and_know_all_its_labels(mixer: dict[str, Any]) -> None:
    def of() -> EpochFeed:
        return feed(1, mixer, sampler={"name": "class_aware", "per_class": 4}).epoch(1, BATCH)

    whole = of().samples(16, 32, Share(0, 16, 1.0))
    halves = [of().samples(16, 32, Share(start, start + 8, 1.0)) for start in (0, 8)]
    for index, tensor in enumerate(whole.tensors()):
        parts = [half.tensors()[index] for half in halves]
        assert torch.equal(torch.cat(parts) if tensor.dim() else parts[0], tensor)
    assert all(half.batch is not None and torch.equal(half.batch, whole.targets) for half in halves)


def test_a_sampler_gives_an_epoch_as_many_images_and_the_classes_their_shares() -> None:
    drawn = torch.cat([made.targets for made in batches(feed(sampler={"name": "class_aware", "per_class": 7}))])
    assert sorted(drawn.tolist()) == sorted(SPLIT.targets.tolist())
    assert all(len(set(drawn[start : start + 7].tolist())) == 1 for start in range(0, COUNT, 7))


def test_mixed_batches_hold_both_labels_and_the_share_of_the_first() -> None:
    for made in batches(feed(1, MIXERS[1])):
        assert made.others is not None
        assert made.weight is not None
        assert sorted(made.others.tolist()) == sorted(made.targets.tolist())
        assert 0 <= float(made.weight) <= 1


def test_validation_images_are_looked_at_without_augmentation_and_drawn_by_step() -> None:
    of = feed(val=True)
    look, again, other = (of.look(1, step, 20, 0.1) for step in (3, 3, 4))
    assert torch.equal(look.images, again.images)
    assert not torch.equal(look.images, other.images)
    known: Tensor = of.pixels.normalise(resident(SPLIT, slice(None), CPU).pixels)
    assert all(bool((known == image).flatten(1).all(dim=1).any()) for image in look.images)
    assert len(of.look(0, 0, 1000, 0.1).targets) == COUNT
    with pytest.raises(SpecError, match="learns from a validation split"):
        feed().look(0, 0, 1, 0.1)
