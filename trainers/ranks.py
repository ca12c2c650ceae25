"""The processes that train one model together: one a GPU, or several on a CPU."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

from trainers.errors import SpecError
from trainers.patience import PATIENCE_SECONDS

# Rank 0 may wait for a folder while the others wait for rank 0: longer than that, and some time for its work.
_TIMEOUT: Final = timedelta(seconds=PATIENCE_SECONDS + 1800)


@dataclass(frozen=True)
class Share:
    """One rank's part of a global batch.

    Attributes:
        start: its first sample in the batch.
        stop: one past its last; never empty.
        weight: what its mean loss is multiplied by so that the mean of all ranks' gradients is that of the batch.
    """

    start: int
    stop: int
    weight: float


def share_of_batch(count: int, rank: int, size: int) -> Share:
    """Cut a batch of `count` samples into `size` consecutive parts whose lengths differ by one at most.

    A rank that would get nothing takes the first sample, at weight 0: it has to take part in the reduction.
    """
    base, more = divmod(count, size)
    start = rank * base + min(rank, more)
    stop = start + base + (rank < more)
    if start == stop:
        return Share(0, 1, 0.0)
    return Share(start, stop, (stop - start) * size / count)


@dataclass(frozen=True)
class Ranks:
    """This process among those of its job; with one process every method is trivial.

    Attributes:
        rank: from 0; rank 0 alone writes files.
        size: how many there are.
        device: this process's.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this rank writes files."""
        return self.rank == 0

    def largest(self, value: int) -> int:
        """The largest of all ranks' values; waits for all. On the host: no device is made to wait."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all ranks' tensors, on the device."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def share_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite every rank's tensors with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """All ranks' CPU tensors, in the order of the ranks."""
        return self.gather_objects(tensor)

    def gather_objects(self, value: Any) -> list[Any]:
        """All ranks' values, in the order of the ranks; tensors on the CPU."""
        if self.size == 1:
            return [value]
        gathered: list[Any] = [None] * self.size
        dist.all_gather_object(gathered, value)
        return gathered

    def wait(self) -> None:
        """Wait until all ranks have come here."""
        self.largest(0)


def join_ranks(asked: int) -> Ranks:
    """Find the others, if there are any, and choose this process's device: its GPU, or the CPU where there is none.

    A CPU tensor travels by gloo and a CUDA tensor by nccl.

    Args:
        asked: `train.ranks`.

    Raises:
        SpecError: it was started as another number of processes, or there are fewer GPUs than ranks.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size != asked:
        raise SpecError(
            f"train.ranks is {asked} and {size} process(es) were started; start one a rank: "
            f"python -m torch.distributed.run --standalone --nproc-per-node {asked} -m trainers.run ..."
        )
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise SpecError(f"rank {rank} has no GPU: there are {torch.cuda.device_count()} for {size} ranks")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size > 1:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    return Ranks(rank, size, device)


def leave_ranks(ranks: Ranks) -> None:
    """Part from the others, so that no process waits for one that has gone."""
    if ranks.size > 1:
        dist.destroy_process_group()
