"""Logits of whole splits, and the columns of an epoch that they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from trainers.calibration.metrics import nll
from trainers.calibration.temperature import fit_temperature
from trainers.data.images import Images
from trainers.data.resident import Pixels
from trainers.metrics.evaluate import evaluate
from trainers.precision import Precision
from trainers.ranks import Ranks
from trainers.stopping import StopRequest

# On a CPU small batches stay in the cache; a GPU wants many images at once.
_BATCH: Final = {"cpu": 100, "cuda": 1000}


@dataclass(frozen=True)
class Predictor:
    """Runs a network over splits, the ranks sharing the batches.

    Attributes:
        network: as trained; its running statistics are rank 0's.
        pixels: normalisation; there is no other test transform.
        precision: of the forward pass.
        ranks: who shares the work.
        stop: ends a prediction early.
    """

    network: nn.Module
    pixels: Pixels
    precision: Precision
    ranks: Ranks
    stop: StopRequest

    def logits(self, split: Images) -> Tensor | None:
        """Logits (N, C) float32 on the CPU, on every rank; None: asked to stop. All ranks call it."""
        self.ranks.share_first(self.network.buffers())
        self.network.eval()
        batch = _BATCH[self.ranks.device.type]
        starts = range(0, len(split), batch)
        rank, size = self.ranks.rank, self.ranks.size
        mine = starts[rank * len(starts) // size : (rank + 1) * len(starts) // size]
        reader = split.reader(torch.arange(len(split)), batch)
        parts = []
        with torch.inference_mode(), self.precision.autocast():
            for start in mine:
                if self.stop.is_set:
                    break
                images = self.pixels.normalise(reader.read(start, min(start + batch, len(split))))
                parts.append(self.network(images).float())
        if self.ranks.largest(int(self.stop.is_set)):
            return None
        own = torch.cat(parts).cpu() if parts else torch.empty(0)
        return torch.cat([part for part in self.ranks.gather(own) if len(part)])


@dataclass(frozen=True)
class Predictions:
    """Logits of an epoch.

    Attributes:
        test: (N, C) float32.
        val: (V, C) float32; None without a validation split.
    """

    test: Tensor
    val: Tensor | None

    @property
    def is_finite(self) -> bool:
        """Whether all of them are numbers."""
        return all(bool(logits.isfinite().all()) for logits in (self.test, self.val) if logits is not None)


@dataclass(frozen=True)
class Splits:
    """What is evaluated on.

    Attributes:
        test: the whole test set.
        val: held out of the training images; None without.
        class_counts: training images per class, (C,).
    """

    test: Images
    val: Images | None
    class_counts: tuple[int, ...]


def predict(predictor: Predictor, splits: Splits) -> Predictions | None:
    """Logits of all splits; None: asked to stop."""
    test = predictor.logits(splits.test)
    if test is None or splits.val is None:
        return None if test is None else Predictions(test, None)
    val = predictor.logits(splits.val)
    return None if val is None else Predictions(test, val)


def score(predictions: Predictions, splits: Splits, *, has_temperature: bool = True) -> dict[str, Any]:
    """The evaluated columns of an epoch; the temperature is fitted on the validation split and on nothing else.

    Args:
        predictions: of all splits.
        splits: their labels.
        has_temperature: whether one is fitted, where there is a validation split.
    """
    columns: dict[str, Any] = {"val_acc": None, "val_nll": None, "temperature": None}
    if splits.val is not None and predictions.val is not None:
        logits, targets = predictions.val, splits.val.targets.cpu()
        columns["val_acc"] = float((logits.argmax(dim=1) == targets).double().mean())
        columns["val_nll"] = nll(logits.double().softmax(dim=1), targets)
        columns["temperature"] = fit_temperature(logits, targets) if has_temperature else None
    test_targets = splits.test.targets.cpu()
    return columns | evaluate(predictions.test, test_targets, splits.class_counts, columns["temperature"])
