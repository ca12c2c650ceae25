"""AdaFocal: focal loss whose gammas follow the calibration of the validation split, bin by bin."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor

from trainers.calibration.bins import top_label
from trainers.calibration.inputs import checked_logits
from trainers.calibration.softmax import log_softmax
from trainers.errors import SpecError
from trainers.losses.adafocal_bins import UpdateRule, equal_mass_bins, reference_bins
from trainers.losses.base import Batch, Loss, Watched
from trainers.losses.dual_focal import dual_log_base
from trainers.losses.label_probs import LabelProbs

_EDGES: Final = {"reference": reference_bins, "equal_mass": equal_mass_bins}


class AdaFocal(Loss):
    """mean_i w_i * (-log p_y), w = (1 - p_y)^gamma where gamma >= 0 and (1 + p_y)^|gamma| where it is negative.

    gamma is that of the bin that p_y lies in (`adafocal_bins`), a constant for the gradient. Bins and gammas change
    from the validation split alone, after every `update_every` epochs.

    Args:
        num_bins: M, at least 1.
        lam: how fast the gammas move.
        gamma_initial: every bin's before the first update.
        switch_pt: |gamma| below which a bin changes between focal and inverse focal loss; 0: never.
        gamma_max: largest gamma.
        gamma_min: smallest gamma; -8 allows a weight of 256, so gradients may want clipping.
        update_every: epochs.
        edges: `reference`, as in the published code, or `equal_mass`.
        dual: take (1 - p_y + q)^gamma of dual focal loss where gamma >= 0 (AdaDualFocal).

    Shape:
        logits (N, C) float; targets (N,) int64; result () float.

    Raises:
        SpecError: gamma_initial is not between gamma_min and gamma_max.

    Source: Ghosh et al., NeurIPS 2022, and 3mcloud/adafocal; defaults of seed 002, preset `official` of that code.
    """

    watches_val: ClassVar[bool] = True
    table_name: ClassVar[str] = "val_bin_stats.csv"

    lower: Tensor
    upper: Tensor
    gammas: Tensor
    largest_weight: Tensor

    def __init__(  # noqa: PLR0913  the method's own
        self,
        *,
        num_bins: int = 15,
        lam: float = 2.0,
        gamma_initial: float = 5.0,
        switch_pt: float = 0.25,
        gamma_max: float = 8.0,
        gamma_min: float = -8.0,
        update_every: int = 1,
        edges: str = "reference",
        dual: bool = False,
    ) -> None:
        super().__init__()
        if not gamma_min <= gamma_initial <= gamma_max:
            raise SpecError(
                f"adafocal's gamma_initial {gamma_initial} does not lie between gamma_min {gamma_min} and gamma_max "
                f"{gamma_max}; move one of them"
            )
        self._rule = UpdateRule(lam, switch_pt, gamma_min, gamma_max)
        self._bins, self._update_every, self._dual = _EDGES[edges], update_every, dual
        # Double: in float32 an edge would not be the confidence that it was made of.
        bounds = torch.arange(num_bins + 1, dtype=torch.float64) / num_bins
        self.register_buffer("lower", bounds[:-1].clone())
        self.register_buffer("upper", bounds[1:].clone())
        self.register_buffer("gammas", torch.full((num_bins,), gamma_initial, dtype=torch.float64))
        self.register_buffer("largest_weight", torch.zeros((), dtype=torch.float64))

    def mean(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, () float."""
        label = LabelProbs.of(batch.logits, batch.targets)
        gammas = self.gammas_of(torch.exp(-label.nll.detach().double())).to(label.nll.dtype)
        log_base = dual_log_base(label) if self._dual else label.log_rest()
        log_base = torch.where(gammas >= 0, log_base, torch.log1p(torch.exp(-label.nll)))
        weights = torch.exp(gammas.abs() * log_base)
        self.largest_weight.copy_(torch.maximum(self.largest_weight, weights.detach().max().double()))
        return batch.counted_mean(weights * label.nll)

    def gammas_of(self, probs: Tensor) -> Tensor:
        """The gamma of each p_y (N,) float64, by its bin: lower <= p < upper; outside of all, the first or the last."""
        return self.gammas[torch.bucketize(probs, self.upper[:-1], right=True)]

    def watch(self, logits: Tensor, targets: Tensor, epoch: int) -> Watched:
        """Move bins and gammas after an epoch, where one is due.

        Args:
            logits: of the validation split, (V, C) float32, on the CPU.
            targets: (V,) int64, on the CPU.
            epoch: the one that has just ended, from 0.

        Returns:
            the largest weight of a training sample since it was last asked for; a row a bin, if there was an update:
            conf and acc of an empty bin are NaN.

        Raises:
            ValueError: logits that are not finite; nothing has changed then.
        """
        columns = {"largest_loss_weight": float(self.largest_weight)}
        rows = self._update(logits, targets, epoch) if (epoch + 1) % self._update_every == 0 else []
        self.largest_weight.zero_()
        return Watched(columns, rows)

    def _update(self, logits: Tensor, targets: Tensor, epoch: int) -> list[dict[str, float]]:
        scores, labels = checked_logits(logits, targets)
        found = self._bins(*top_label(np.exp(log_softmax(scores)), labels), len(self.gammas))
        before = self.gammas.cpu().numpy().copy()
        after = self._rule.after(before, found.gaps)
        for buffer, values in ((self.lower, found.edges[:-1]), (self.upper, found.edges[1:]), (self.gammas, after)):
            buffer.copy_(torch.from_numpy(values))
        return [
            {
                "epoch": epoch + 1,
                "bin": index,
                "lower": float(found.edges[index]),
                "upper": float(found.edges[index + 1]),
                "n": int(found.counts[index]),
                "conf": float(found.confidence[index]),
                "acc": float(found.accuracy[index]),
                "gap": float(found.gaps[index]),
                "gamma_before": float(before[index]),
                "gamma_after": float(after[index]),
            }
            for index in range(len(before))
        ]
