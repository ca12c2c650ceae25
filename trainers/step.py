"""One step of the optimizer: computed operation by operation, or replayed from a recorded CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainers.backbones.network import Network
from trainers.errors import SpecError
from trainers.losses.base import Loss, MetaBatch
from trainers.precision import Precision
from trainers.rules.rule import Rule

_STEPS_BEFORE_RECORDING: Final = 3  # the first ones allocate, choose algorithms and make the momentum


@dataclass(frozen=True)
class Model:
    """What is trained, and how.

    Attributes:
        network: holds the weights; what checkpoints and evaluation use.
        forward: the network as training calls it: compiled, or wrapped for several ranks. Batch norm sees this rank's
            part of a batch only (with `accumulate`, of a part of it); rank 0's running statistics are everybody's.
        loss: of this spec.
        rule: what weights classes.
        optimizer: over all parameters; where its rate is a tensor, that is on the device.
        scaler: for fp16.
        precision: of the forward pass.
    """

    network: nn.Module
    forward: nn.Module
    loss: Loss
    rule: Rule
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    precision: Precision

    @property
    def draws(self) -> bool:
        """Whether a step draws random numbers of its own: dropout."""
        return bool(getattr(self.network, "draws", False))

    def set_rate(self, rate: float) -> None:
        """Use a learning rate from the next step on; no device is waited for."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


@dataclass(frozen=True)
class Look:
    """What a loss that learns from the validation split is shown of it before a step.

    Attributes:
        images: (V, 3, H, W) float32, as they are evaluated.
        targets: (V,) int64.
        rate: the learning rate of the coming step.
    """

    images: Tensor
    targets: Tensor
    rate: float


@dataclass(frozen=True)
class Samples:
    """A rank's part of a global batch, on the device.

    Attributes:
        images: (n, 3, H, W) float32, channels_last.
        targets: (n,) int64.
        others: the second labels of mixed images, (n,) int64; None: nothing is mixed.
        weight: of the first labels, () float32, or (n,): of each image its own; the second ones have the rest.
        batch: labels of the global batch, (m,) int64; None: these are all of it.
        look: for a loss that learns; None: not at this step.
    """

    images: Tensor
    targets: Tensor
    others: Tensor | None = None
    weight: Tensor | None = None
    batch: Tensor | None = None
    look: Look | None = None

    def parts(self, count: int) -> Iterator[Samples]:
        """The samples in up to `count` consecutive parts whose lengths differ by one at most; none is empty."""
        size = len(self.targets)
        bounds = [size * index // count for index in range(count + 1)]
        for start, stop in pairwise(bounds):
            if start < stop:
                others = None if self.others is None else self.others[start:stop]
                weight = self.weight
                if weight is not None and weight.dim():
                    weight = weight[start:stop]
                look = self.look if start == 0 else None
                batch = self.targets if self.batch is None else self.batch
                yield Samples(self.images[start:stop], self.targets[start:stop], others, weight, batch, look)

    def tensors(self) -> list[Tensor]:
        """All of them, in a fixed order; not those of `look`, and not `batch`, which one rank does without."""
        return [part for part in (self.images, self.targets, self.others, self.weight) if part is not None]

    def over(self, tensors: list[Tensor]) -> Samples:
        """The same over other tensors, in the order of `tensors`."""
        images, targets, *mixed = tensors
        others, weight = mixed or (None, None)
        return Samples(images, targets, others, weight)


Outcome = tuple[Tensor, Tensor]
"""Mean loss of the samples, () float32, and how many were classified rightly, () int64; not weighted."""

Step = Callable[[Samples, float, int], Outcome]
"""Called with samples, what their mean loss is multiplied by, and the epoch from 0."""


class EagerStep:
    """Forward, backward and update, operation by operation.

    Args:
        model: what is trained.
        accumulate: parts that the samples are computed in, one after another, their gradients added up.
    """

    def __init__(self, model: Model, accumulate: int = 1) -> None:
        self.model, self._accumulate = model, accumulate

    def __call__(self, samples: Samples, weight: float, epoch: int) -> Outcome:
        """One step."""
        model = self.model
        # First, not last: a replayed graph leaves gradients behind, which this step must not add to.
        model.optimizer.zero_grad(set_to_none=True)
        total = len(samples.targets)
        losses, hits = [], []
        parts = list(samples.parts(self._accumulate))
        for index, part in enumerate(parts):
            share = len(part.targets) / total
            with self._reduction(is_last=index + 1 == len(parts)):
                loss, correct = self._forward(part, epoch)
                model.scaler.scale(loss * (weight * share)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach() * share)
            hits.append(correct)
        model.scaler.step(model.optimizer)
        model.scaler.update()
        if len(parts) == 1:
            return losses[0], hits[0]
        return torch.stack(losses).sum(), torch.stack(hits).sum()

    def _forward(self, samples: Samples, epoch: int) -> Outcome:
        model, loss = self.model, self.model.loss
        needs_features = loss.needs_features or (samples.look is not None and loss.meta_params == "head")
        with model.precision.autocast():
            out: Any = model.forward(samples.images, with_features=needs_features)
        logits, features = out if needs_features else (out, None)
        if samples.look is not None:
            self._learn(samples.look, samples, features)
        told = epoch if loss.needs_epoch else None
        class_weights = self.model.rule.class_weights
        right = logits.detach().argmax(dim=1)

        def value_of(targets: Tensor, shares: Tensor | None = None) -> Tensor:
            value: Tensor = loss(
                logits,
                targets,
                features=features,
                epoch=told,
                class_weights=class_weights,
                shares=shares,
                batch_targets=samples.batch,
            )
            return value

        targets, others, weight = samples.targets, samples.others, samples.weight
        if others is None or weight is None:
            return value_of(targets), (right == targets).sum()
        label = torch.where(weight >= 0.5, targets, others)  # the one that is there more
        hits = (right == label).sum()
        if weight.dim():
            return value_of(targets, weight) + value_of(others, 1 - weight), hits
        value, other = value_of(targets), value_of(others)
        return torch.lerp(other, value, weight.to(value.dtype)), hits

    def _learn(self, look: Look, samples: Samples, features: Tensor | None) -> None:
        """Let the loss change its own parameters; the network's statistics stay what they are."""
        network, targets = cast("Network", self.model.network), samples.targets
        if features is None:
            whole = MetaBatch(samples.images, targets, look.images, look.targets, network, look.rate)
            self.model.loss.learn(whole)
            return
        network.eval()
        with torch.no_grad(), self.model.precision.autocast():
            val_features = network.features(look.images)
        network.train()
        seen = MetaBatch(
            features.detach().float(), targets, val_features.float(), look.targets, network.linear, look.rate
        )
        self.model.loss.learn(seen)

    def _reduction(self, is_last: bool) -> AbstractContextManager[object]:
        """Ranks add up their gradients once a step: with the last part."""
        forward = self.model.forward
        if isinstance(forward, DistributedDataParallel) and not is_last:
            return forward.no_sync()
        return contextlib.nullcontext()


class RecordedStep:
    """The same step on one GPU, recorded as a CUDA graph and replayed: a launch in place of a thousand.

    A small network's kernels are shorter than the time that it takes to launch them one by one. The first steps, and a
    batch of another size, are computed operation by operation.

    Args:
        eager: the step.
    """

    def __init__(self, eager: EagerStep) -> None:
        self._eager, self._model = eager, eager.model
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []
        self._outcome: Outcome | None = None
        self._key: tuple[Any, ...] = ()
        self._steps = 0
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    @property
    def is_recorded(self) -> bool:
        """Whether there is a graph."""
        return self._graph is not None

    def __call__(self, samples: Samples, weight: float, epoch: int) -> Outcome:
        """One step.

        Raises:
            SpecError: it cannot be recorded.
        """
        key = self._key_of(samples, weight, epoch)
        is_outdated = self._graph is not None and key[-1] != self._key[-1]  # the epoch, for a loss that asks for it
        if is_outdated or (self._graph is None and self._steps >= _STEPS_BEFORE_RECORDING):
            self._record(samples, weight, epoch, key)
        if self._graph is None or self._outcome is None or key != self._key:
            self._steps += 1
            return self._beside(samples, weight, epoch)
        for own, given in zip(self._inputs, samples.tensors(), strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._outcome

    def _key_of(self, samples: Samples, weight: float, epoch: int) -> tuple[Any, ...]:
        shapes = tuple(tensor.shape for tensor in samples.tensors())
        return shapes, weight, epoch if self._model.loss.needs_epoch else None

    def _beside(self, samples: Samples, weight: float, epoch: int) -> Outcome:
        """On the stream that is recorded on: what a step leaves for the next belongs to the stream it was made on."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outcome = self._eager(samples, weight, epoch)
        current.wait_stream(self._stream)
        return outcome

    def _record(self, samples: Samples, weight: float, epoch: int, key: tuple[Any, ...]) -> None:
        buffers = self._buffers()
        inputs = [tensor.clone(memory_format=torch.preserve_format) for tensor in samples.tensors()]
        self._graph = self._outcome = None
        graph = torch.cuda.CUDAGraph()
        try:
            # Of this thread alone: another may be fetching images meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                outcome = self._eager(samples.over(inputs), weight, epoch)
        except RuntimeError as error:  # torch has no type of its own for what cannot be recorded
            reason = str(error).splitlines()[0]
            raise SpecError(f"train.graph: this step cannot be recorded ({reason}); leave train.graph out") from error
        # A replay would write the new tensor and read the old one.
        for name, now in self._buffers().items():
            if buffers[name] is not now:
                raise SpecError(f"train.graph: the loss replaces its buffer {name!r}; leave train.graph out")
        self._graph, self._inputs, self._outcome, self._key = graph, inputs, outcome, key

    def _buffers(self) -> dict[str, Tensor]:
        return {**dict(self._model.loss.named_buffers()), **dict(self._model.rule.named_buffers())}
