"""A whole split of predictions, read a block at a time: what fits in a core's cache is gone over as often as need be.

Ten million rows of ten float64 are 800 MB. Passes over all of them, and copies of them, would cost more than the
arithmetic; so a block of rows is checked, turned into float64 probabilities and used while it is in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from trainers.calibration.inputs import (
    Booleans,
    Floats,
    Integers,
    checked_shapes,
    refuse_what_is_no_probability,
    refuse_what_is_not_finite,
    row_sum_tolerance,
)
from trainers.calibration.softmax import log_softmax

Block: TypeAlias = tuple[slice, Floats, Integers]

BLOCK: Final = 1 << 16
"""Values in a block: half a megabyte."""

NARROW: Final = 32
"""Classes up to which a block is turned over to find the highest."""

HELD: Final = 1 << 26
"""Values of whole columns that are held at once: half a gigabyte."""


@dataclass(frozen=True, slots=True)
class Split:
    """Predictions (N, C) and targets (N,), of which shapes and targets are checked, and the values as they are read.

    Attributes:
        values: (N, C) probabilities or logits, of any real type.
        labels: (N,) class indices.
        tolerance: how far from one a row may sum; None for logits.
    """

    values: npt.NDArray[Any]
    labels: Integers
    tolerance: float | None

    def log_blocks(self) -> Iterator[Block]:
        """Blocks of logits as log-probabilities."""
        for rows in self._rows():
            scores = np.ascontiguousarray(self.values[rows], dtype=np.float64)
            # A sum of finite values is finite, if it does not overflow: the values are looked at one by one only then.
            with np.errstate(over="ignore", invalid="ignore"):
                is_sound = np.isfinite(scores.sum()) or np.isfinite(scores).all()
            if not is_sound:
                refuse_what_is_not_finite(self.values, "logits")
            yield rows, log_softmax(scores), self.labels[rows]

    def blocks(self) -> Iterator[Block]:
        """Blocks of probabilities (n, C), which may be the caller's own memory: not to be written to.

        Raises:
            ValueError: logits that are not finite, or rows that are no probabilities.
        """
        if self.tolerance is None:
            for rows, block, labels in self.log_blocks():
                yield rows, np.exp(block, out=block), labels
            return
        ones = np.ones(self.values.shape[1])
        for rows in self._rows():
            block = np.ascontiguousarray(self.values[rows], dtype=np.float64)
            with np.errstate(invalid="ignore"):
                off = np.abs(block @ ones - 1).max()
            # Written so that NaN is no pass.
            if not (block.min() >= 0 and off <= self.tolerance):
                refuse_what_is_no_probability(self.values, self.tolerance)
            yield rows, block, self.labels[rows]

    def top_label(self) -> tuple[Floats, Booleans]:
        """Confidence (N,) of the predicted class, and whether it is right (N,); of equals, the first class."""
        confidence, correct = np.empty(len(self.labels)), np.empty(len(self.labels), dtype=np.bool_)
        for rows, block, labels in self.blocks():
            if block.shape[1] > NARROW:
                predicted = block.argmax(axis=1)
                confidence[rows] = block[np.arange(len(labels)), predicted]
                correct[rows] = predicted == labels
                continue
            # Columns of a block in one piece: a maximum over ten neighbours is four times slower.
            columns = np.ascontiguousarray(block.T)
            highest = columns.max(axis=0, out=confidence[rows])
            hit = columns.ravel().take(labels * len(labels) + np.arange(len(labels))) == highest
            if np.count_nonzero(columns == highest) > len(labels):
                hit = block.argmax(axis=1) == labels
            correct[rows] = hit
        return confidence, correct

    def predicted(self) -> tuple[Integers, Floats, Booleans]:
        """The predicted class (N,), its probability (N,), and whether it is right (N,)."""
        classes, confidence = np.empty(len(self.labels), dtype=np.int64), np.empty(len(self.labels))
        for rows, block, labels in self.blocks():
            classes[rows] = block.argmax(axis=1)
            confidence[rows] = block[np.arange(len(labels)), classes[rows]]
        return classes, confidence, classes == self.labels

    def columns(self) -> Iterator[tuple[int, Floats]]:
        """Each class with its probabilities (N,), in one piece; as many at a time as `HELD` allows."""
        count, classes = self.values.shape
        step = max(1, HELD // count)
        for start in range(0, classes, step):
            held = np.empty((min(step, classes - start), count))
            for rows, block, _ in self.blocks():
                held[:, rows] = block[:, start : start + step].T
            yield from enumerate(held, start)

    def _rows(self) -> Iterator[slice]:
        count, classes = self.values.shape
        step = max(1, BLOCK // classes)
        return (slice(start, min(start + step, count)) for start in range(0, count, step))


def read_split(probs: Any, targets: Any, logits: Any) -> Split:
    """A split from what a caller gave: probabilities or logits, and targets.

    Raises:
        ValueError: both or none of the two, no targets, a wrong shape, no sample, fewer than two classes, a target
            that is no class index.
    """
    if (probs is None) == (logits is None):
        raise ValueError("give either probs or logits=, the one or the other")
    if targets is None:
        raise ValueError("targets are missing: give the class index of each row")
    if probs is None:
        return Split(*checked_shapes(logits, targets, "logits"), None)
    return Split(*checked_shapes(probs, targets, "probs"), row_sum_tolerance(probs))
