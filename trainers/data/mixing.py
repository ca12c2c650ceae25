"""Batches in which every image is mixed with another one of the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from trainers.draws import derived_seed
from trainers.errors import SpecError
from trainers.names import unknown

MIXERS: Final = ("none", "mixup", "cutmix", "remix")


@dataclass(frozen=True)
class Box:
    """A rectangle of an image, in pixels; the ends do not belong to it."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Mix:
    """One step's draws of a mixer.

    loss = weight * loss(logits, targets) + (1 - weight) * loss(logits, targets[partners])

    Attributes:
        partners: with which image of the global batch each of its images is mixed, (n,) int64 on the CPU.
        weight: the share of an image's own label, in 0..1.
        box: what comes from the partner (cutmix); None: every pixel is a mean of both (mixup).
    """

    partners: Tensor
    weight: float
    box: Box | None

    @classmethod
    def of(  # noqa: PLR0913
        cls, name: str, alpha: float, *, count: int, size: int, seed: int, epoch: int, step: int
    ) -> Mix | None:
        """Draw a step's mix; the same on every device and for any number of ranks.

        One lambda a batch, from Beta(alpha, alpha). mixup: the share of each image's own pixels; remix: the same, and
        labels have `remix_shares`. cutmix: a box of lambda's complement of the area about a uniform centre, cut off at
        the borders; its share is then counted anew.

        Args:
            name: none, mixup, cutmix or remix.
            alpha: of the Beta distribution; 1 is uniform, less stays nearer to unmixed images.
            count: images of the global batch.
            size: their side, in pixels.
            seed: of the run.
            epoch: from 0.
            step: in that epoch, from 0.

        Returns:
            the mix; None: nothing is mixed.

        Raises:
            SpecError: no mixer has this name, or alpha is not a positive number.

        Source: Zhang et al., ICLR 2018 (mixup); Yun et al., ICCV 2019 (cutmix), the box as in clovaai/CutMix-PyTorch.
        """
        if name not in MIXERS:
            raise unknown("mixer", name, MIXERS)
        if name == "none":
            return None
        if not 0 < alpha < math.inf:
            raise SpecError(f"the mixer's alpha is {alpha}; give a number above 0")
        draws = np.random.default_rng(derived_seed(seed, "mix", epoch, step))  # torch's Beta takes no generator
        weight = float(draws.beta(alpha, alpha))
        partners = torch.from_numpy(draws.permutation(count))
        if name in ("mixup", "remix"):
            return cls(partners, weight, None)
        row, column = (int(centre) for centre in draws.integers(size, size=2))
        box = box_about(row, column, weight, size)
        return cls(partners, 1 - (box.bottom - box.top) * (box.right - box.left) / size**2, box)

    def mix(self, images: Tensor, partner_images: Tensor) -> Tensor:
        """The mixed images; those given stay as they are.

        Args:
            images: (n, 3, H, W) float, normalised; a rank's part of the global batch, or all of it.
            partner_images: (n, 3, H, W), the partner of each.

        Returns:
            (n, 3, H, W) float in the layout of `images`.
        """
        if self.box is None:
            return torch.lerp(partner_images, images, self.weight)
        mixed = images.clone()
        area = (..., slice(self.box.top, self.box.bottom), slice(self.box.left, self.box.right))
        mixed[area] = partner_images[area]
        return mixed


def box_about(row: int, column: int, weight: float, size: int) -> Box:
    """The box that leaves `weight` of an image's area to it, cut off at the borders.

    Its sides are even: floor(size * sqrt(1 - weight) / 2) pixels to each side of the centre.

    Args:
        row: of the centre, in 0..size - 1.
        column: likewise.
        weight: in 0..1.
        size: of the image, in pixels.
    """
    half = int(size * math.sqrt(1 - weight) / 2)
    return Box(max(row - half, 0), max(column - half, 0), min(row + half, size), min(column + half, size))


def remix_shares(weight: Tensor, own_counts: Tensor, partner_counts: Tensor, kappa: float, tau: float) -> Tensor:
    """How much of each mixed image its own label is; the partner's label is the rest.

    None of it where the own class is at least `kappa` times as frequent as the partner's and lambda < tau; all of it
    where the partner's is and 1 - lambda < tau; else lambda. So a rare image that fills more than 1 - tau of a picture
    together with a frequent one is the label alone.

    Args:
        weight: lambda, the share of the own pixels, () float.
        own_counts: training images of each image's class, (n,).
        partner_counts: of its partner's class, (n,).
        kappa: at least 1.
        tau: in 0..1.

    Returns:
        (n,) in the type of `weight`, on its device, which is not waited for.

    Source: Chou et al., ECCV Workshops 2020 (arXiv 2007.03943), eq. 5.
    """
    # Products, not quotients: a ratio of exactly kappa counts, and 1/3 cannot be said in binary.
    own, partner = own_counts.double(), partner_counts.double()
    is_partner = (own >= kappa * partner) & (weight < tau)
    is_own = (kappa * own <= partner) & (1 - weight < tau)
    shares = weight.expand(own.shape)
    return shares.masked_fill(is_own, 1.0).masked_fill(is_partner, 0.0)
