"""What a finished run says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from trainers.assembly import Parts
from trainers.atomic import written_whole
from trainers.checkpoint import weights_sha256
from trainers.evaluation import Predictions
from trainers.outputs import Run, write_outputs
from trainers.patience import Patience
from trainers.ranks import Ranks
from trainers.spec import TrainSpec
from trainers.state import TrainState

INDICES: Final = "indices.npz"


@dataclass(frozen=True)
class Finished:
    """A run whose last epoch is done.

    Attributes:
        spec: what was asked.
        parts: what trained; its network holds the reported weights.
        state: at the end.
        predictions: of the reported weights.
        reported: epoch, from 1.
    """

    spec: TrainSpec
    parts: Parts
    state: TrainState
    predictions: Predictions
    reported: int


def device_name(device: torch.device) -> str:
    """What a result calls a device: a GPU by its model, every CPU `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def write_results(folder: Path, finished: Finished, ranks: Ranks, patience: Patience) -> None:
    """Write every output but the checkpoint; `result.json` comes last.

    `indices.npz` holds the chosen images, `train` and `val`: indices into the data set's training images.

    Raises:
        OSError: the folder could not be written. Also what `Patience.retry` raises.
    """
    subset, splits, predictions = finished.parts.subset, finished.parts.splits, finished.predictions
    with written_whole(folder / INDICES, patience) as file:
        np.savez(file, train=subset.train, val=subset.val)
    history = finished.state.history
    run = Run(
        history=history,
        reported=finished.reported - 1,
        test_logits=predictions.test.numpy(),
        test_targets=splits.test.targets.cpu().numpy(),
        val_logits=None if predictions.val is None else predictions.val.numpy(),
        val_targets=None if splits.val is None else splits.val.targets.cpu().numpy(),
        class_counts=subset.class_counts,
        class_names=finished.parts.description["class_names"],
        temperature=history[finished.reported - 1].get("temperature"),
        title=f"{finished.spec.method}, {finished.spec.backbone['name']}, {finished.spec.dataset['name']}",
        extra=_extra(finished, ranks),
    )
    write_outputs(folder, run, patience)


def _extra(finished: Finished, ranks: Ranks) -> dict[str, Any]:
    model, state = finished.parts.loop.model, finished.state
    devices = state.devices_seen
    return {
        "select": finished.spec.select,
        "samples_seen": state.samples_seen,
        "num_parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "seconds": state.seconds,
        "images_per_second": state.samples_seen / state.train_seconds if state.train_seconds else None,
        "gpu_seconds": state.gpu_seconds,
        "peak_memory_bytes": state.peak_memory_bytes,
        "device": device_name(ranks.device),
        "precision": model.precision.name,
        "torch": torch.__version__.partition("+")[0],
        "weights_sha256": weights_sha256(model.network.state_dict()),
        "devices_seen": devices,
        "note": f"resumed on another kind of device: {', '.join(devices)}" if len(devices) > 1 else "",
    }
