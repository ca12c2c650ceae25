"""Images that are streamed are those that would be resident, whatever is asked for."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.images import Split
from trainers.data.resident import Resident, resident
from trainers.data.streamed import Streamed, place

CPU = torch.device("cpu")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
PATIENCE_SECONDS = 60
COUNT = 40
DRAWS = np.random.default_rng(0)
SPLIT = Split(DRAWS.integers(0, 256, (COUNT, 4, 4, 3), dtype=np.uint8), DRAWS.integers(0, 5, COUNT))


def lists(items: int, at_least: int, at_most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, items - 1), min_size=at_least, max_size=at_most)


def indices(data: list[int]) -> NDArray[np.int64]:
    return np.array(data, dtype=np.int64)


@dataclass
class Slow:
    """Images that come when they are told to, or not at all."""

    pixels: NDArray[np.uint8]
    is_allowed: threading.Event = field(default_factory=threading.Event)
    is_asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    error: Exception | None = None
    asked: list[list[int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape

    def take(self, rows: NDArray[np.int64], **how: Any) -> None:
        self.asked.append(rows.tolist())
        self.threads.add(threading.get_ident())
        self.is_asked.release()
        if self.error is not None:
            raise self.error
        assert self.is_allowed.wait(PATIENCE_SECONDS)
        self.pixels.take(rows, **how)


@pytest.fixture
def slow() -> Slow:
    return Slow(SPLIT.images)


def streamed(slow: Slow) -> Streamed:
    return Streamed(Split(cast("NDArray[np.uint8]", slow), SPLIT.targets), slice(None), CPU)


def pixels_of(rows: slice | list[int]) -> list[Any]:
    return cast("list[Any]", SPLIT.images[rows].tolist())


# --- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=60, deadline=None)
@given(
    chosen=lists(COUNT, 1, 30),
    order=st.data(),
    chunk=st.integers(1, 35),
    reads=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=12),
)
def test_whatever_is_read_is_what_a_resident_split_gives(
    device: str, chosen: list[int], order: st.DataObject, chunk: int, reads: list[tuple[int, int]]
) -> None:
    place_ = torch.device(device)
    drawn = torch.tensor(order.draw(lists(len(chosen), 0, 50)), dtype=torch.int64)
    here, there = resident(SPLIT, indices(chosen), place_), Streamed(SPLIT, indices(chosen), place_)
    assert (len(here), here.size, here.targets.tolist()) == (len(there), there.size, there.targets.tolist())
    expected, reader = here.reader(drawn, chunk), there.reader(drawn, chunk)
    for start, stop in reads:
        assert same(reader.read(start, stop), expected.read(start, stop))


def same(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and torch.equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 45), chunk=st.integers(1, 45), first=st.integers(0, COUNT))
def test_an_epoch_from_anywhere_in_it_is_that_of_a_resident_split(
    device: str, seed: int, batch: int, chunk: int, first: int
) -> None:
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(seed))
    reader = Streamed(SPLIT, slice(None), torch.device(device)).reader(order, chunk)
    batches = [reader.read(start, min(start + batch, COUNT)) for start in range(first, COUNT, batch)]
    seen = torch.cat(batches).cpu().tolist() if batches else []
    assert seen == pixels_of(order[first:].tolist())


def test_a_memory_map_is_streamed(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", SPLIT.images)
    split = Split(np.load(tmp_path / "images.npy", mmap_mode="r"), SPLIT.targets)
    images = Streamed(split, slice(10, None), CPU)
    assert images.targets.tolist() == SPLIT.targets[10:].tolist()
    assert images.reader(torch.tensor([3, 0]), 1).read(0, 2).tolist() == pixels_of([13, 10])


def test_what_is_not_there_is_refused_and_not_replaced() -> None:
    with pytest.raises(IndexError):
        Streamed(SPLIT, indices([COUNT]), CPU)
    images = Streamed(SPLIT, indices([0, 1]), CPU)
    with pytest.raises(IndexError):
        images.reader(torch.tensor([2]), 1)
    with pytest.raises(ValueError, match="a chunk of 0 images; take at least one"):
        images.reader(torch.tensor([0]), 0)


# --- the thread -----------------------------------------------------------------------------------------------------


def test_the_next_chunk_is_fetched_while_this_one_is_used(slow: Slow) -> None:
    slow.is_allowed.set()
    reader = streamed(slow).reader(torch.arange(COUNT), 8)
    assert reader.read(0, 4).tolist() == pixels_of(slice(4))
    for _ in range(2):
        assert slow.is_asked.acquire(timeout=PATIENCE_SECONDS)
    assert slow.asked == [list(range(8)), list(range(8, 16))]
    assert reader.read(4, 8).tolist() == pixels_of(slice(4, 8))
    assert reader.read(8, 16).tolist() == pixels_of(slice(8, 16))
    assert slow.is_asked.acquire(timeout=PATIENCE_SECONDS)
    assert slow.asked[2:] == [list(range(16, 24))], "a chunk was fetched twice"
    assert len(slow.threads) == 1
    assert threading.get_ident() not in slow.threads


def test_nothing_is_fetched_beyond_the_end(slow: Slow) -> None:
    slow.is_allowed.set()
    reader = streamed(slow).reader(torch.arange(10), 4)
    assert reader.read(0, 10).tolist() == pixels_of(slice(10))
    assert slow.asked == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_no_more_than_the_next_chunk_is_kept(slow: Slow) -> None:
    slow.is_allowed.set()
    reader = streamed(slow).reader(torch.arange(24), 8)
    assert reader.read(0, 24).tolist() == pixels_of(slice(24))
    assert reader.read(4, 8).tolist() == pixels_of(slice(4, 8))
    reader.read(16, 24)  # behind whatever else was asked for
    assert slow.asked[3] == list(range(8)), "the first chunk was kept"


def test_an_error_of_the_thread_reaches_who_asks_and_may_pass(slow: Slow) -> None:
    slow.error = OSError(5, "Input/output error")
    reader = streamed(slow).reader(torch.arange(COUNT), 8)
    with pytest.raises(OSError, match="Input/output error"):
        reader.read(0, 8)
    for _ in range(2):
        assert slow.is_asked.acquire(timeout=PATIENCE_SECONDS)
    slow.error = None
    slow.is_allowed.set()
    assert reader.read(0, 8).tolist() == pixels_of(slice(8))
    with pytest.raises(OSError, match="Input/output error"):  # of the chunk that was fetched ahead
        reader.read(8, 16)
    assert reader.read(8, 16).tolist() == pixels_of(slice(8, 16))


def test_no_thread_is_left_when_a_reader_is_dropped(slow: Slow) -> None:
    reader = streamed(slow).reader(torch.arange(COUNT), 8)
    slow.is_allowed.set()
    reader.read(0, 8)
    threads = [thread for thread in threading.enumerate() if thread.ident in slow.threads]
    assert [thread.is_alive() for thread in threads] == [True]
    gc.disable()  # counting references is to be enough: nothing collects between two epochs
    try:
        del reader
        threads[0].join(PATIENCE_SECONDS)
    finally:
        gc.enable()
    assert not threads[0].is_alive()


# --- the choice -----------------------------------------------------------------------------------------------------


def test_what_fits_is_resident() -> None:
    placed = place(SPLIT, slice(None), CPU)
    assert isinstance(placed, Resident)
    assert placed.reader(torch.tensor([7]), 1).read(0, 1).tolist() == pixels_of([7])


def test_what_does_not_fit_is_streamed(tmp_path: Path) -> None:
    shape = (2**20, 2**10, 2**10, 3)  # 3 TiB, and no disk has to hold them: a file that is one hole
    images = np.memmap(tmp_path / "images", dtype=np.uint8, mode="w+", shape=shape)
    placed = place(Split(images, np.zeros(len(images), dtype=np.int64)), slice(None), CPU)
    assert isinstance(placed, Streamed)
    assert placed.reader(torch.tensor([len(images) - 1]), 1).read(0, 1).sum() == 0
