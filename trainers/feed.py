"""Where batches come from: images on the device, in an order and with draws that follow from seed and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from trainers.data.augment import Augmentation
from trainers.data.images import Images
from trainers.data.mixing import Mix, remix_shares
from trainers.data.resident import Pixels, on_device
from trainers.data.sampling import sampled_order
from trainers.draws import generator
from trainers.errors import SpecError
from trainers.ranks import Share
from trainers.rules.rule import Rule
from trainers.step import Look, Samples

# Images that are cropped, flipped and so on at once: on a GPU many, as launching is what it costs; on a CPU a batch,
# which stays in the cache.
AT_ONCE: Final = {"cpu": 1, "cuda": 8192}


@dataclass(frozen=True)
class Sampling:
    """Which images an epoch sees.

    Attributes:
        sampler: of the catalogue, with its parameters.
        rule: may put another one in its place from some epoch on.
        class_counts: training images per class, (C,).
        epochs: of the run.
    """

    sampler: Mapping[str, Any]
    rule: Rule
    class_counts: tuple[int, ...]
    epochs: int

    def order(self, labels: Tensor, seed: int, epoch: int) -> Tensor:
        """Positions of an epoch's images, (N,) int64 on the CPU, of labels (N,) int64 on the CPU."""
        sampler, classes = self.rule.sampler(self.sampler, epoch), len(self.class_counts)
        return sampled_order(sampler, labels, classes, seed=seed, epoch=epoch, epochs=self.epochs)


@dataclass(frozen=True)
class Feed:
    """The training images and what is done to them.

    Attributes:
        images: the training images.
        val: the validation split; None without.
        pixels: their normalisation.
        has_flips: whether augmentation may mirror.
        augment: its name.
        mixer: of the catalogue, with its parameters.
        sampling: which images an epoch sees, in which order.
        seed: of the run.
        device: where batches are.
        at_once: images that are prepared together, at least a batch; changes no bit.
    """

    images: Images
    val: Images | None
    pixels: Pixels
    has_flips: bool
    augment: str
    mixer: Mapping[str, Any]
    sampling: Sampling
    seed: int
    device: torch.device
    at_once: int

    @cached_property
    def labels(self) -> Tensor:
        """Of the training images, on the CPU; asked for once, as the device is waited for."""
        return self.images.targets.cpu()

    @cached_property
    def class_counts(self) -> Tensor:
        """Training images per class on the device, (C,) float32."""
        return torch.tensor(self.sampling.class_counts, dtype=torch.float32, device=self.device)

    def epoch(self, epoch: int, batch_size: int) -> EpochFeed:
        """The batches of an epoch."""
        return EpochFeed(self, epoch, batch_size)

    def look(self, epoch: int, step: int, count: int, rate: float) -> Look:
        """So many validation images for a loss that learns, drawn for this step; all of them if there are fewer."""
        val = self.val
        if val is None:
            raise SpecError("this loss learns from a validation split; say `val: {per_class: 50}`")
        drawn = torch.randperm(len(val), generator=generator(self.seed, "look", epoch, step))[:count]
        images = self.pixels.normalise(val.reader(drawn, len(drawn)).read(0, len(drawn)))
        return Look(images, val.targets.index_select(0, on_device(drawn, self.device)), rate)


class EpochFeed:
    """The batches of one epoch; the same for any number of ranks and wherever the epoch is taken up.

    Args:
        feed: where they come from.
        epoch: from 0.
        batch_size: of all but the last batch.
    """

    def __init__(self, feed: Feed, epoch: int, batch_size: int) -> None:
        self._feed, self._epoch, self._batch_size = feed, epoch, batch_size
        count, device = len(feed.images), feed.device
        order = feed.sampling.order(feed.labels, feed.seed, epoch)
        self._targets = feed.images.targets.index_select(0, on_device(order, device))
        self._chunk = max(1, feed.at_once // batch_size) * batch_size
        self._reader = feed.images.reader(order, self._chunk)
        self._augmentation = Augmentation.of(
            feed.augment,
            count=count,
            size=feed.images.size,
            has_flips=feed.has_flips,
            seed=feed.seed,
            epoch=epoch,
            device=device,
        )
        self._ready = slice(0, 0)
        self._pixels: Tensor | None = None

    def samples(self, start: int, stop: int, share: Share) -> Samples:
        """A rank's share of the batch at positions start..stop of the epoch's order."""
        own = slice(start + share.start, start + share.stop)
        is_alone = share.stop - share.start == stop - start
        labels = None if is_alone else self._targets[start:stop]
        mix = self._mix(start, stop)
        if mix is None:
            # Ranks leave each other's parts alone; one rank prepares several batches at once.
            whole = self._prepared(start, own.stop) if is_alone else self._made(own.start, own.stop)
            offset = own.start - (self._ready.start if is_alone else own.start)
            pixels = whole[offset : offset + own.stop - own.start]
            return Samples(self._feed.pixels.normalise(pixels), self._targets[own], batch=labels)
        batch = self._feed.pixels.normalise(self._prepared(start, stop)[start - self._ready.start :][: stop - start])
        part = slice(share.start, share.stop)
        partners = on_device(mix.partners[part], self._feed.device)
        mixed = mix.mix(batch[part], batch.index_select(0, partners))
        targets, others = self._targets[own], self._targets.index_select(0, start + partners)
        return Samples(mixed, targets, others, self._label_weight(mix, targets, others), labels)

    def _label_weight(self, mix: Mix, targets: Tensor, others: Tensor) -> Tensor:
        """The share of the first labels; remix gives each image its own."""
        weight, mixer = torch.full((), mix.weight, device=self._feed.device), self._feed.mixer
        if mixer["name"] != "remix":
            return weight
        counts = self._feed.class_counts
        return remix_shares(weight, counts[targets], counts[others], mixer["kappa"], mixer["tau"])

    def _mix(self, start: int, stop: int) -> Mix | None:
        mixer = self._feed.mixer
        return Mix.of(
            mixer["name"],
            float(mixer.get("alpha", 1.0)),
            count=stop - start,
            size=self._feed.images.size,
            seed=self._feed.seed,
            epoch=self._epoch,
            step=start // self._batch_size,
        )

    def _prepared(self, start: int, stop: int) -> Tensor:
        """Augmented pixels of `self._ready`, which holds at least start..stop."""
        if self._pixels is None or not self._ready.start <= start < stop <= self._ready.stop:
            end = min(start + self._chunk, len(self._targets))
            self._pixels, self._ready = self._made(start, end), slice(start, end)
        return self._pixels

    def _made(self, start: int, stop: int) -> Tensor:
        return self._augmentation(self._reader.read(start, stop), slice(start, stop))
