"""The trained network of a finished run, rebuilt from its checkpoint alone."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from trainers.backbones import build_backbone
from trainers.backbones.network import Network
from trainers.calibration.inputs import Floats
from trainers.checkpoint import NAME, weights_sha256
from trainers.data.images import Dataset, Images, Reader, load_dataset
from trainers.data.resident import Pixels
from trainers.data.streamed import place
from trainers.errors import DataError, SpecError
from trainers.evaluation import Predictor
from trainers.precision import Precision, resolve
from trainers.prediction.stored import Stored
from trainers.ranks import Ranks
from trainers.stopping import StopRequest

_UNREADABLE: Final = (RuntimeError, UnpicklingError, BadZipFile, EOFError, ValueError, LookupError, TypeError)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a checkpoint holds of a network.

    Attributes:
        weights: its state dict, on the CPU.
        description: backbone, head, class names, and the images it was trained on.
    """

    weights: Mapping[str, Tensor]
    description: Mapping[str, Any]

    def network(self) -> Network:
        """It, with these weights, ready to predict.

        Raises:
            DataError: the weights are those of another network.
        """
        backbone = dict(self.description["backbone"])
        name, head = backbone.pop("name"), self.description["head"]
        network = build_backbone(name, num_classes=len(self.description["class_names"]), head=head, **backbone)
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as error:
            raise DataError(f"the checkpoint's weights are not of its {name}; copy the run again") from error
        return network.to(memory_format=torch.channels_last).eval()


def read_trained(run: Stored) -> Trained:
    """The reported weights of a run.

    Raises:
        DataError: no checkpoint, a broken one, or one of other weights than those that the result is of.
    """
    path = run.folder / NAME
    try:
        content = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        trained = Trained(content["model"], content["network"])
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there, and this transform needs its weights; copy it to there") from error
    except (OSError, *_UNREADABLE) as error:
        raise DataError(f"{path} is no whole checkpoint; copy it again") from error
    told = run.result.get("weights_sha256")
    if told is not None and weights_sha256(trained.weights) != told:
        raise DataError(f"{path} does not hold the weights that {run.folder} reports; copy the run again")
    return trained


def linear_head(run: Stored) -> tuple[Floats, Floats]:
    """Weight (C, D) and bias (C,) of the head of a run.

    Raises:
        SpecError: the head is not linear.
        DataError: see `read_trained`.
    """
    trained = read_trained(run)
    head = trained.description["head"]["name"]
    if head != "linear":
        raise SpecError(
            f"tau_norm divides the rows of a linear head by their norms, and this one is {head}"
            + (", whose rows have norm 1 already; leave it out" if head == "cosine" else "; leave it out")
        )
    weight = trained.weights["linear.weight"].double().numpy()
    bias = trained.weights.get("linear.bias")
    return weight, np.zeros(len(weight)) if bias is None else bias.double().numpy()


def mirrored_logits(run: Stored, dataset: Any, *, has_val: bool) -> tuple[Floats, Floats | None, str]:
    """Logits of the mirror images of the test split (N, C) and, if wanted, of the validation split (V, C).

    Args:
        run: whose network predicts, on a GPU where there is one.
        dataset: as in a grid, a name or a mapping; None: the one that the checkpoint names.
        has_val: whether those of the validation split are wanted.

    Returns:
        these, and the precision that they were computed in: the run's own where this device has it.

    Raises:
        SpecError: no data set is named, or its images are not flipped.
        DataError: see `read_trained`; the data set is missing, or is not the one that the run was tested on.
    """
    trained = read_trained(run)
    loaded = _dataset(run, trained, dataset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = _precision(str(run.result.get("precision", "auto")), device)
    ranks = Ranks(0, 1, device)
    predictor = Predictor(trained.network().to(device), Pixels.of(loaded, device), precision, ranks, StopRequest())
    test = _logits(predictor, place(loaded.test, slice(None), device))
    if not has_val or run.val is None:
        return test, None, precision.name
    indices = run.val_indices()
    if indices is None or not np.array_equal(loaded.train.targets[indices], run.val.targets):
        raise DataError(f"{run.folder}/indices.npz does not say which images are its validation split; copy the run")
    return test, _logits(predictor, place(loaded.train, indices, device)), precision.name


def _dataset(run: Stored, trained: Trained, given: Any) -> Dataset:
    spec = trained.description.get("dataset") if given is None else given
    if spec is None:
        raise SpecError("the checkpoint, of an older version, does not name its data set; --set dataset=NAME")
    spec = {"name": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, Mapping) or "name" not in spec:
        raise SpecError(f"flip.dataset is {spec!r}; give the name of a data set, or a mapping with its name")
    loaded = load_dataset(spec)
    if not loaded.has_flips:
        raise SpecError(f"a mirror image of {spec['name']} need not be of its class; leave flip out")
    if not np.array_equal(loaded.test.targets, run.test.targets) or loaded.class_names != run.class_names:
        raise DataError(f"dataset {spec['name']} has not the test split of {run.folder}; --set dataset=NAME of its own")
    return loaded


def _precision(asked: str, device: torch.device) -> Precision:
    try:
        return resolve(asked, device)
    except SpecError:  # of another kind of device
        return resolve("auto", device)


def _logits(predictor: Predictor, split: Images) -> Floats:
    logits = predictor.logits(Mirrored(split))
    if logits is None or not bool(logits.isfinite().all()):
        raise DataError("the network's logits of the mirror images are not finite; leave flip out")
    found: Floats = logits.double().numpy()
    return found


@dataclass(frozen=True)
class Mirrored:
    """`Images` turned left to right.

    Attributes:
        split: the images as they are.
    """

    split: Images

    @property
    def targets(self) -> Tensor:
        """See `Images.targets`."""
        return self.split.targets

    @property
    def size(self) -> int:
        """See `Images.size`."""
        return self.split.size

    def __len__(self) -> int:
        return len(self.split)

    def reader(self, order: Tensor, chunk: int) -> Reader:
        """See `Images.reader`."""
        return MirroredReader(self.split.reader(order, chunk))


@dataclass(frozen=True)
class MirroredReader:
    """`Reader` of mirror images.

    Attributes:
        reader: of the images as they are.
    """

    reader: Reader

    def read(self, start: int, stop: int) -> Tensor:
        """See `Reader.read`."""
        return self.reader.read(start, stop).flip(2)
