"""Images that stay on the host, fetched ahead of the device; and the choice between this and `Resident`."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.images import Images, Split
from trainers.data.memory import free_bytes
from trainers.data.resident import chosen_rows, resident

# A network and its activations need the rest, and the test images come after the training images.
_LARGEST_SHARE: Final = 0.5


def place(split: Split, indices: NDArray[np.int64] | slice, device: torch.device) -> Images:
    """The chosen images of a split: on the device if they take at most half of what is free there, else streamed.

    Args:
        split: may be memory-mapped.
        indices: of the images, (N,), or a slice of them.
        device: where they are used.

    Raises:
        IndexError: there is no such image.
    """
    size_bytes = len(chosen_rows(split, indices)) * math.prod(split.images.shape[1:])
    if size_bytes <= _LARGEST_SHARE * free_bytes(device):
        return resident(split, indices, device)
    return Streamed(split, indices, device)


class Streamed:
    """A split whose pixels stay where they are, in a memory map mostly: `Images` for what the device cannot hold.

    Args:
        split: may be memory-mapped.
        indices: of the images, (N,), or a slice of them.
        device: where they are used.

    Attributes:
        targets: (N,) int64 on the device.

    Raises:
        IndexError: there is no such image.
    """

    def __init__(self, split: Split, indices: NDArray[np.int64] | slice, device: torch.device) -> None:
        self._rows = chosen_rows(split, indices)
        self._pixels = split.images
        self._loader = _loader(device)
        self.targets = torch.from_numpy(split.targets[self._rows]).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return int(self._pixels.shape[1])

    def reader(self, order: Tensor, chunk: int) -> StreamedReader:
        """See `Images.reader`.

        Raises:
            IndexError: the order has an image that is not there.
            ValueError: `chunk` is below 1.
        """
        return StreamedReader(self._pixels, self._rows[order.numpy()], chunk, self._loader)


@dataclass(frozen=True)
class _Loaded:
    """A chunk on the device.

    Attributes:
        pixels: (n, H, W, 3) uint8.
        is_there: recorded behind the copy; None where nothing is copied.
    """

    pixels: Tensor
    is_there: torch.cuda.Event | None = None

    def ready(self) -> Tensor:
        """The pixels, for the current stream, which waits for them; the host does not."""
        if self.is_there is not None:
            stream = torch.cuda.current_stream(self.pixels.device)
            stream.wait_event(self.is_there)
            self.pixels.record_stream(stream)  # or their memory is taken for the next chunk while they are read
        return self.pixels


class _Loader:
    """Gathers images for a CPU."""

    def load(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> _Loaded:
        """The images of some rows; called in another thread than theirs who use them."""
        return _Loaded(_gathered(pixels, rows))


class _CudaLoader(_Loader):
    """Gathers images into pinned memory and copies them to a GPU beside what it computes.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def load(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> _Loaded:
        """As for a CPU."""
        with torch.cuda.stream(self._stream):  # around all of it: a thread has a current device of its own
            # torch takes pinned memory again for the next chunk, but only behind the copies out of it.
            staged = _gathered(pixels, rows, is_pinned=True)
            return _Loaded(staged.to(self._stream.device, non_blocking=True), self._stream.record_event())


def _gathered(pixels: NDArray[np.uint8], rows: NDArray[np.int64], *, is_pinned: bool = False) -> Tensor:
    gathered = torch.empty((len(rows), *pixels.shape[1:]), dtype=torch.uint8, pin_memory=is_pinned)
    # All rows are there; the mode that looks for others gathers into memory of its own first.
    pixels.take(rows, axis=0, out=gathered.numpy(), mode="clip")
    return gathered


def _loader(device: torch.device) -> _Loader:
    return _CudaLoader(device) if device.type == "cuda" else _Loader()


class StreamedReader:
    """Fetches the next chunk of an order in a thread while the device works on this one.

    The thread ends when the reader is not used any more.

    Args:
        pixels: of all images, (N, H, W, 3) uint8.
        rows: of `pixels` in the order in which they are read, (M,), all of them there.
        chunk: images to fetch at a time.
        loader: fetches.

    Raises:
        ValueError: `chunk` is below 1.
    """

    def __init__(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64], chunk: int, loader: _Loader) -> None:
        if chunk < 1:
            raise ValueError(f"a chunk of {chunk} images; take at least one")
        self._pixels, self._rows, self._chunk, self._loader = pixels, rows, chunk, loader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="images")
        self._chunks: dict[int, Future[_Loaded]] = {}  # the one in use, and the next

    def read(self, start: int, stop: int) -> Tensor:
        """See `Reader.read`.

        Raises:
            OSError: the images cannot be read; the next call tries again.
        """
        start, stop, _ = slice(start, stop).indices(len(self._rows))
        parts = [self._part(number, start, stop) for number in range(start // self._chunk, -(-stop // self._chunk))]
        if not parts:
            return self._loader.load(self._pixels, self._rows[:0]).ready()
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _part(self, number: int, start: int, stop: int) -> Tensor:
        """What one chunk has of the positions `start` to `stop`."""
        first = number * self._chunk
        return self._ready(number)[max(start - first, 0) : stop - first]

    def _ready(self, number: int) -> Tensor:
        """A chunk, and the one after it on its way."""
        self._chunks = {key: chunk for key, chunk in self._chunks.items() if key in {number, number + 1}}
        self._fetch(number)
        self._fetch(number + 1)
        try:
            return self._chunks[number].result().ready()
        except BaseException:
            del self._chunks[number]
            raise

    def _fetch(self, number: int) -> None:
        rows = self._rows[number * self._chunk : (number + 1) * self._chunk]
        if len(rows) and number not in self._chunks:
            self._chunks[number] = self._thread.submit(self._loader.load, self._pixels, rows)
