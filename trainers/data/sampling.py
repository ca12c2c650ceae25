"""Which images an epoch sees, and how often: the samplers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainers import names
from trainers.catalogue import SAMPLERS
from trainers.data.order import epoch_order
from trainers.draws import generator
from trainers.errors import DataError
from trainers.rules.weights import effective_number_weights


def sampled_order(  # noqa: PLR0913  what an epoch's order follows from
    sampler: Mapping[str, Any], labels: Tensor, num_classes: int, *, seed: int, epoch: int, epochs: int
) -> Tensor:
    """The order in which an epoch sees the training images; an epoch is as long as there are images.

    `instance` sees each once. `class_aware` goes round the classes, `per_class` draws at a time, and round the images
    of each. The others draw a class by `class_probabilities` and then one of its images, all alike, with replacement.

    Args:
        sampler: of the catalogue, with what it has of parameters.
        labels: of the training images as they lie, (N,) int64 on the CPU.
        num_classes: C.
        seed: of the run.
        epoch: from 0.
        epochs: of the whole run.

    Returns:
        (N,) int64 on the CPU: positions in `labels`; the same on every device and for any number of ranks.

    Raises:
        SpecError: no sampler has this name, or a parameter is not its own.
        DataError: a class without images.
    """
    name, values = _resolved(sampler)
    if name == "instance":
        return epoch_order(len(labels), seed, epoch)
    counts = torch.bincount(labels, minlength=num_classes)
    _refuse_empty(counts)
    by_class = labels.argsort(stable=True)
    draws = generator(seed, "sampler", epoch)
    if name == "class_aware":
        return by_class[class_aware(counts, len(labels), values["per_class"], draws)]
    probabilities = class_probabilities(sampler, counts.tolist(), epoch=epoch, epochs=epochs)
    return by_class[independent(probabilities, counts, len(labels), draws)]


def class_probabilities(sampler: Mapping[str, Any], class_counts: Sequence[int], *, epoch: int, epochs: int) -> Tensor:
    """How likely a draw is of each class, (C,) float64; `class_aware` comes to it in each round of the classes.

    `progressive_rs` goes from the share of the images, n/N, to 1/C, which it is in the last epoch.

    Args:
        sampler: of the catalogue, with what it has of parameters.
        class_counts: training images per class, (C,), each at least 1.
        epoch: from 0.
        epochs: of the whole run.

    Raises:
        SpecError: no sampler has this name, or a parameter is not its own.

    Source: Kang et al., ICLR 2020, eq. 1 and 2; Cui et al., CVPR 2019 (effective number).
    """
    name, values = _resolved(sampler)
    counts = torch.as_tensor(class_counts, dtype=torch.float64)
    share, even = counts / counts.sum(), torch.full_like(counts, 1 / len(counts))
    if name == "progressive_rs":
        done = (epoch + 1) / epochs
        return (1 - done) * share + done * even
    of_images: Mapping[str, Callable[[], Tensor]] = {
        "instance": lambda: torch.ones_like(counts),
        "balanced_rs": lambda: 1 / counts,
        "class_aware": lambda: 1 / counts,
        "sqrt_rs": lambda: counts.rsqrt(),
        "effective_rs": lambda: effective_number_weights(class_counts, values["beta"]),
    }
    weights = counts * of_images[name]()
    return weights / weights.sum()


def independent(probabilities: Tensor, counts: Tensor, total: int, draws: torch.Generator) -> Tensor:
    """Draws with replacement: a class, then one of its images.

    Args:
        probabilities: of the classes, (C,) float64.
        counts: images per class, (C,) int64, each at least 1.
        total: draws.
        draws: what is drawn with.

    Returns:
        (total,) int64: positions in a list of all images, class after class.
    """
    edges = probabilities.cumsum(0)
    # Drawn by hand: the sum of many small probabilities is not quite 1, and multinomial's stream is torch's own affair.
    points = torch.rand(total, generator=draws, dtype=torch.float64) * edges[-1]
    classes = torch.searchsorted(edges, points, right=True).clamp_(max=len(counts) - 1)
    sizes = counts[classes]
    within = (torch.rand(total, generator=draws, dtype=torch.float64) * sizes).long()
    return _starts(counts)[classes] + torch.minimum(within, sizes - 1)


def class_aware(counts: Tensor, total: int, per_class: int, draws: torch.Generator) -> Tensor:
    """Round after round over the classes, each round in a new order, `per_class` consecutive draws of each class.

    The draws of a class go round its images likewise: each once, in a new order each time; they may cross the end of
    a round.

    Args:
        counts: images per class, (C,) int64, each at least 1.
        total: draws; the last round may be cut off.
        per_class: consecutive draws.
        draws: what is drawn with.

    Returns:
        (total,) int64: positions in a list of all images, class after class.

    Source: Kang et al., ICLR 2020, as in facebookresearch/classifier-balancing, begun anew each epoch.
    """
    num_classes = len(counts)
    rounds = -(-total // (per_class * num_classes))
    classes = _shuffled(torch.full((rounds,), num_classes), draws)
    classes = classes.repeat_interleave(per_class)[:total]
    taken = torch.bincount(classes, minlength=num_classes)
    # As many whole rounds over each class's images as its draws need.
    image_rounds = (taken + counts - 1) // counts
    within = _shuffled(counts.repeat_interleave(image_rounds), draws)
    images = within + _starts(counts).repeat_interleave(image_rounds * counts)
    kept = _positions(image_rounds * counts) < taken.repeat_interleave(image_rounds * counts)
    order = torch.empty(total, dtype=torch.int64)
    order[classes.argsort(stable=True)] = images[kept]
    return order


def _shuffled(sizes: Tensor, draws: torch.Generator) -> Tensor:
    """For each size s of (K,) int64 a permutation of 0..s-1 of its own, one after another, (sum of sizes,) int64."""
    total = int(sizes.sum())
    group = torch.arange(len(sizes)).repeat_interleave(sizes)
    mixed = torch.randperm(total, generator=draws)
    # All are shuffled together and then put back into their groups, which keeps the order that they got within each.
    mixed = mixed[group[mixed].argsort(stable=True)]
    return _positions(sizes)[mixed]


def _positions(sizes: Tensor) -> Tensor:
    """0..s-1 for each size s of (K,) int64, one after another."""
    return torch.arange(int(sizes.sum())) - _starts(sizes).repeat_interleave(sizes)


def _starts(sizes: Tensor) -> Tensor:
    """Where each group begins if groups of these sizes lie one after another."""
    return sizes.cumsum(0) - sizes


def _resolved(sampler: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name, found = names.entry(SAMPLERS, "sampler", sampler["name"])
    given = {key: value for key, value in sampler.items() if key != "name"}
    return name, names.parameters(found, f"sampler {name}", given)


def _refuse_empty(counts: Tensor) -> None:
    empty = [index for index, count in enumerate(counts.tolist()) if count < 1]
    if empty:
        raise DataError(f"class {empty[0]} has no training image to draw; use `sampler: instance`")
