"""The parts of a run, put together as its spec says."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainers.backbones import build_backbone
from trainers.backbones.network import Network
from trainers.data.images import Dataset, load_dataset
from trainers.data.resident import Pixels
from trainers.data.split import Subset, choose
from trainers.data.streamed import place
from trainers.draws import derived_seed
from trainers.errors import SpecError
from trainers.evaluation import Predictor, Splits
from trainers.feed import AT_ONCE, Feed, Sampling
from trainers.loop import EpochLoop
from trainers.losses import build_loss
from trainers.patience import Patience
from trainers.precision import Precision, resolve
from trainers.ranks import Ranks
from trainers.rules import build_rule
from trainers.saving import save_seconds
from trainers.spec import Training, TrainSpec
from trainers.step import Model
from trainers.stopping import StopRequest

_COMPILERS: Final = ("g++", "clang++", "c++")


@dataclass(frozen=True)
class Parts:
    """A run ready to start.

    Attributes:
        loop: trains.
        predictor: makes logits.
        splits: what is evaluated on.
        subset: which training images were chosen.
        description: what a checkpoint says of its network, so that it can be used without its spec: data set, backbone,
            head, class names, and the size, mean and standard deviation of the images it was trained on.
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
    if spec.train.graph and (ranks.device.type != "cuda" or precision.name == "fp16"):
        raise SpecError("train.graph needs a GPU, and bf16 or fp32 there (fp16 looks at its gradients); leave it out")
    dataset = patience.retry(f"the data set {spec.dataset['name']}", lambda: load_dataset(spec.dataset))
    subset = choose(dataset.train.targets, spec.imbalance, spec.val, spec.data_seed)
    if len(subset.train) < spec.train.batch_size:
        raise SpecError(
            f"train.batch_size {spec.train.batch_size} is more than the {len(subset.train)} training images; "
            "use a smaller one"
        )
    pixels = Pixels.of(dataset, ranks.device)
    images = place(dataset.train, subset.train, ranks.device)
    model = _model(spec, subset, ranks, precision)
    splits = _splits(dataset, subset, ranks)
    sampling = Sampling(spec.sampler, model.rule, subset.class_counts, spec.train.epochs)
    feed = Feed(
        images=images,
        val=splits.val,
        pixels=pixels,
        has_flips=dataset.has_flips,
        augment=spec.train.augment,
        mixer=spec.mixer,
        sampling=sampling,
        seed=spec.seed,
        device=ranks.device,
        at_once=AT_ONCE[ranks.device.type],
    )
    return Parts(
        loop=EpochLoop(model, feed, spec.train, ranks, save_seconds()),
        predictor=Predictor(model.network, pixels, precision, ranks, stop),
        splits=splits,
        subset=subset,
        description={
            "dataset": dict(spec.dataset),
            "backbone": dict(spec.backbone),
            "head": dict(spec.head),
            "class_names": list(dataset.class_names),
            "size": dataset.train.images.shape[1],
            "mean": list(dataset.mean),
            "std": list(dataset.std),
        },
    )


def _splits(dataset: Dataset, subset: Subset, ranks: Ranks) -> Splits:
    val = place(dataset.train, subset.val, ranks.device) if len(subset.val) else None
    return Splits(place(dataset.test, slice(None), ranks.device), val, subset.class_counts)


def _model(spec: TrainSpec, subset: Subset, ranks: Ranks, precision: Precision) -> Model:
    num_classes = len(subset.class_counts)
    network = _network(spec, num_classes).to(ranks.device)
    epochs, counts = spec.train.epochs, subset.class_counts
    rule = build_rule(spec.rule["name"], class_counts=counts, epochs=epochs, **_parameters(spec.rule))
    loss = build_loss(
        spec.loss["name"], num_classes=num_classes, class_counts=counts, epochs=epochs, **_parameters(spec.loss)
    )
    rule, loss = rule.to(ranks.device), rule.wrapped(loss).to(ranks.device)
    if loss.meta_every and (ranks.size > 1 or spec.train.graph):
        raise SpecError(f"loss {spec.loss['name']} learns from step to step: on one rank, and without train.graph")
    optimizer = _optimizer(network, spec.train, ranks.device)
    forward = _forward(network, spec.train.compile, ranks)
    return Model(network, forward, loss, rule, optimizer, precision.scaler(), precision)


def _parameters(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "name"}


def _optimizer(network: nn.Module, train: Training, device: torch.device) -> torch.optim.Optimizer:
    on_cuda = device.type == "cuda"
    return torch.optim.SGD(
        network.parameters(),
        # On the device, where a recorded step reads it at each replay.
        lr=torch.tensor(train.lr, device=device) if train.graph else train.lr,
        momentum=train.momentum,
        nesterov=train.nesterov,
        weight_decay=train.weight_decay,
        fused=on_cuda,
        foreach=not on_cuda,
    )


def _network(spec: TrainSpec, num_classes: int) -> Network:
    torch.manual_seed(derived_seed(spec.seed, "init"))
    network = build_backbone(
        spec.backbone["name"], num_classes=num_classes, head=spec.head, **_parameters(spec.backbone)
    )
    return network.to(memory_format=torch.channels_last)


def _forward(network: nn.Module, is_compiled: bool, ranks: Ranks) -> nn.Module:
    forward: nn.Module = network
    if ranks.size > 1:
        device_ids = [ranks.device.index] if ranks.device.type == "cuda" else None
        forward = DistributedDataParallel(network, device_ids=device_ids, gradient_as_bucket_view=True)
    if not is_compiled:
        return forward
    _check_compiler(ranks.device)
    # Evaluation stays eager: its shapes are others.
    return cast("nn.Module", torch.compile(forward))


def _check_compiler(device: torch.device) -> None:
    """Refuse at once what would fail at the first step, in many lines.

    Raises:
        SpecError: torch.compile has nothing to compile with here.
    """
    asked = os.environ.get("CXX")
    if not any(shutil.which(name) for name in ([asked] if asked else _COMPILERS)):
        raise SpecError(
            f"train.compile needs a C++ compiler, and there is no {asked or ' or '.join(_COMPILERS)} here; "
            "install one, set CXX, or leave train.compile out"
        )
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise SpecError("train.compile needs triton on a GPU; install it, or leave train.compile out")
