"""The parts of a run, put together as its spec says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainers.backbones import build_backbone
from trainers.backbones.network import Network
from trainers.data.images import Dataset, load_dataset
from trainers.data.resident import Pixels, resident
from trainers.data.split import Subset, choose
from trainers.draws import derived_seed
from trainers.errors import SpecError
from trainers.evaluation import Predictor, Splits
from trainers.loop import EpochLoop, Feed, Model
from trainers.losses import build_loss
from trainers.patience import Patience
from trainers.precision import Precision, resolve
from trainers.ranks import Ranks
from trainers.spec import TrainSpec
from trainers.stopping import StopRequest


@dataclass(frozen=True)
class Parts:
    """A run ready to start.

    Attributes:
        loop: trains.
        predictor: makes logits.
        splits: what is evaluated on.
        subset: which training images were chosen.
        description: what a checkpoint says of its network, so that it can be used without its spec: backbone and head,
            class names, and the size, mean and standard deviation of the images it was trained on.
    """

    loop: EpochLoop
    predictor: Predictor
    splits: Splits
    subset: Subset
    description: Mapping[str, Any]


def configure_torch(threads: int) -> None:
    """Make the sums of a run the same each time: one way to compute each operation, on a fixed number of threads."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32


def assemble(spec: TrainSpec, ranks: Ranks, stop: StopRequest, patience: Patience) -> Parts:
    """Load the data, choose the images and build everything, freshly initialised.

    Raises:
        SpecError: the spec asks for what cannot be done here.
        DataError: the data set is missing or broken.
        FolderAwayError: it could not be read for a passing reason, for as long as there was patience.
    """
    precision = resolve(spec.train.precision, ranks.device)
    dataset = patience.retry(f"the data set {spec.dataset['name']}", lambda: load_dataset(spec.dataset))
    subset = choose(dataset.train.targets, spec.imbalance, spec.val, spec.data_seed)
    if spec.train.drop_last and len(subset.train) < spec.train.batch_size:
        raise SpecError(f"train.drop_last leaves nothing of {len(subset.train)} images; use a smaller train.batch_size")
    pixels = Pixels.of(dataset, ranks.device)
    images = resident(dataset.train, subset.train, ranks.device)
    model = _model(spec, subset, ranks, precision)
    feed = Feed(images, pixels, dataset.has_flips, spec.seed)
    return Parts(
        loop=EpochLoop(model, feed, spec.train, ranks),
        predictor=Predictor(model.network, pixels, precision, ranks, stop),
        splits=_splits(dataset, subset, ranks),
        subset=subset,
        description={
            "backbone": dict(spec.backbone),
            "head": dict(spec.head),
            "class_names": list(dataset.class_names),
            "size": dataset.train.images.shape[1],
            "mean": list(dataset.mean),
            "std": list(dataset.std),
        },
    )


def _splits(dataset: Dataset, subset: Subset, ranks: Ranks) -> Splits:
    val = resident(dataset.train, subset.val, ranks.device) if len(subset.val) else None
    return Splits(resident(dataset.test, slice(None), ranks.device), val, subset.class_counts)


def _model(spec: TrainSpec, subset: Subset, ranks: Ranks, precision: Precision) -> Model:
    num_classes = len(subset.class_counts)
    network = _network(spec, num_classes).to(ranks.device)
    loss_parameters = {key: value for key, value in spec.loss.items() if key != "name"}
    loss = build_loss(
        spec.loss["name"], num_classes=num_classes, class_counts=subset.class_counts, **loss_parameters
    ).to(ranks.device)
    train = spec.train
    on_cuda = ranks.device.type == "cuda"
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=train.lr,
        momentum=train.momentum,
        nesterov=train.nesterov,
        weight_decay=train.weight_decay,
        fused=on_cuda,
        foreach=not on_cuda,
    )
    return Model(network, _forward(network, train.compile, ranks), loss, optimizer, precision.scaler(), precision)


def _network(spec: TrainSpec, num_classes: int) -> Network:
    torch.manual_seed(derived_seed(spec.seed, "init"))
    parameters = {key: value for key, value in spec.backbone.items() if key != "name"}
    network = build_backbone(spec.backbone["name"], num_classes=num_classes, head=spec.head, **parameters)
    return network.to(memory_format=torch.channels_last)


def _forward(network: nn.Module, is_compiled: bool, ranks: Ranks) -> nn.Module:
    forward: nn.Module = network
    if ranks.size > 1:
        device_ids = [ranks.device.index] if ranks.device.type == "cuda" else None
        forward = DistributedDataParallel(network, device_ids=device_ids)
    # Evaluation stays eager: its shapes are others.
    return cast("nn.Module", torch.compile(forward)) if is_compiled else forward
