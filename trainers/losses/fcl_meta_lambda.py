"""Focal calibration loss whose weight of the Brier score is learned on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from trainers.calibration.inputs import checked_logits
from trainers.losses.base import Batch, Loss, MetaBatch, Watched
from trainers.losses.brier import brier_score
from trainers.losses.focal import focal_terms
from trainers.losses.label_probs import LabelProbs
from trainers.losses.smooth_ece import smooth_ece

_LARGEST_LAM: Final = 10.0
_BETAS: Final = (0.9, 0.999)
_EPS: Final = 1e-8


def _inverse_softplus(value: float) -> float:
    return math.log(math.expm1(value))


class FocalCalibrationMeta(Loss):
    """mean_i (1 - p_y)^gamma (-log p_y) + lam * Brier, with lam = softplus(rho) learned (FCL-Metalambda).

    At every `meta_every`-th step the weights w of the head are moved one plain gradient step ahead, and
    J = SECE + kappa * NLL of a validation batch is taken there. The training loss being linear in lam, exactly
    dJ/dlam = -rate * <dJ/dw ahead, dBrier/dw here>: three gradients, no second derivative. rho takes a step of Adam;
    lam stays in (0, 10].

    Args:
        gamma: of the focal part, at least 0.
        lam: before the first step, in (0, 10].
        meta_every: steps between two updates of lam.
        meta_params: what is moved ahead: `head`, or `all` of the network, which the batch then has as its head, with
            images for features.
        meta_ce_weight: kappa. 2 weighs as Meta-Calibration (TMLR 2023) does, NLL + 0.5 of a calibration error: Adam
            does not see the scale of J.
        meta_lr: Adam's rate.

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.
    Source: our own definition (no publication has one); FCL is arXiv 2410.18321.
    """

    watches_val: ClassVar[bool] = True
    needs_one_label: ClassVar[bool] = True

    rho: Tensor
    first_moment: Tensor
    second_moment: Tensor
    updates: Tensor

    def __init__(  # noqa: PLR0913  the method's own
        self,
        *,
        gamma: float = 2.0,
        lam: float = 1.0,
        meta_every: int = 10,
        meta_params: str = "head",
        meta_ce_weight: float = 0.0,
        meta_lr: float = 0.01,
    ) -> None:
        super().__init__()
        self.gamma, self.meta_every, self.meta_params = gamma, meta_every, meta_params
        self._nll_weight, self._rate = meta_ce_weight, meta_lr
        starts = {"rho": _inverse_softplus(lam), "first_moment": 0.0, "second_moment": 0.0, "updates": 0.0}
        for name, start in starts.items():
            self.register_buffer(name, torch.tensor(start, dtype=torch.float64))

    @property
    def lam(self) -> Tensor:
        """The weight of the Brier score, () float64."""
        return F.softplus(self.rho)

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        focal = focal_terms(LabelProbs.of(batch.logits, batch.targets), self.gamma).mean()
        return focal + self.lam.to(focal.dtype) * brier_score(batch.logits, batch.targets)

    def learn(self, batch: MetaBatch) -> None:
        """Move lam by one step of Adam."""
        # What overflowed in fp16 is no gradient; its optimizer leaves such a step out too.
        gradient = torch.nan_to_num(self.gradient_of_rho(batch), nan=0.0, posinf=0.0, neginf=0.0)
        first, second = _BETAS
        self.updates.add_(1)
        self.first_moment.mul_(first).add_(gradient, alpha=1 - first)
        self.second_moment.mul_(second).add_(gradient.square(), alpha=1 - second)
        mean = self.first_moment / (1 - first**self.updates)
        scale = (self.second_moment / (1 - second**self.updates)).sqrt() + _EPS
        self.rho.sub_(self._rate * mean / scale).clamp_(max=_inverse_softplus(_LARGEST_LAM))

    def gradient_of_rho(self, batch: MetaBatch) -> Tensor:
        """dJ/drho, () float64."""
        return self.gradient_of_lam(batch) * torch.sigmoid(self.rho)

    def gradient_of_lam(self, batch: MetaBatch) -> Tensor:
        """dJ/dlam, () float64."""
        weights = {name: weight.detach() for name, weight in batch.head.named_parameters()}
        with torch.enable_grad():
            here = _leaves(weights)
            logits = _logits(batch.head, here, batch.features, training=True)
            focal = focal_terms(LabelProbs.of(logits, batch.targets), self.gamma).mean()
            of_focal = torch.autograd.grad(focal, list(here.values()), retain_graph=True)
            of_brier = torch.autograd.grad(brier_score(logits, batch.targets), list(here.values()))
        ahead = {
            name: weight - batch.rate * (down + self.lam.to(weight.dtype) * more)
            for (name, weight), down, more in zip(weights.items(), of_focal, of_brier, strict=True)
        }
        with torch.enable_grad():
            there = _leaves(ahead)
            logits = _logits(batch.head, there, batch.val_features, training=False)
            objective = self.objective(logits, batch.val_targets)
            of_objective = torch.autograd.grad(objective, list(there.values()))
        products = [(one.double() * other.double()).sum() for one, other in zip(of_objective, of_brier, strict=True)]
        return -batch.rate * torch.stack(products).sum()

    def objective(self, logits: Tensor, targets: Tensor) -> Tensor:
        """J of validation logits (V, C), () float."""
        value = smooth_ece(logits, targets)
        return value + self._nll_weight * F.cross_entropy(logits, targets) if self._nll_weight else value

    def watch(self, logits: Tensor, targets: Tensor, epoch: int) -> Watched:  # noqa: ARG002  every epoch
        """lam, and the SECE of the validation split in float64.

        Raises:
            ValueError: logits that are not finite.
        """
        scores, labels = checked_logits(logits, targets)
        error = smooth_ece(torch.from_numpy(scores), torch.from_numpy(labels))
        return Watched({"lambda_if_any": float(self.lam), "val_smooth_ece_if_any": float(error)})


def _leaves(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().requires_grad_() for name, weight in weights.items()}


def _logits(head: nn.Module, weights: Mapping[str, Tensor], features: Tensor, *, training: bool) -> Tensor:
    """Logits with other weights, as wide as these; the module's own weights and running statistics stay as they are."""
    first = next(iter(weights.values()))
    buffers = {name: buffer.clone() for name, buffer in head.named_buffers()}
    was_training = head.training
    head.train(training)
    try:
        logits: Tensor = functional_call(head, {**weights, **buffers}, (features.to(first.dtype),))
    finally:
        head.train(was_training)
    return logits
