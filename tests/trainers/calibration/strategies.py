"""Random predictions for hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.trainers.calibration.golden import Floats, Integers, softmax

Split = tuple[Floats, Integers]


@st.composite
def splits(draw: st.DrawFn, min_samples: int = 1) -> Split:
    """Random probabilities, sharp or flat, and targets that follow them more or less."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, classes = draw(st.integers(min_samples, 300)), draw(st.integers(2, 12))
    probs = softmax(rng.normal(size=(samples, classes)) * draw(st.floats(0.1, 5.0)))
    return probs, rng.integers(0, classes, samples)


@st.composite
def followed(draw: st.DrawFn, min_samples: int = 3) -> Split:
    """Like `splits`, but about as many predictions are right as draws say, and three classes have a target."""
    probs, targets = draw(splits(min_samples).filter(lambda split: split[0].shape[1] > 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = np.where(rng.random(len(probs)) < draw(st.floats(0, 1)), probs.argmax(axis=1), targets)
    targets[:3] = [0, 1, 2]
    return probs, targets


@st.composite
def sensible(draw: st.DrawFn) -> Split:
    """A model that is up to a half too sure or not sure enough: targets follow its probabilities before that."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, classes = draw(st.integers(200, 500)), draw(st.integers(3, 10))
    logits = rng.normal(size=(samples, classes)) * draw(st.floats(1, 4))
    targets = (softmax(logits).cumsum(axis=1) < rng.random((samples, 1))).sum(axis=1).clip(max=classes - 1)
    targets[:3] = [0, 1, 2]
    return softmax(logits * draw(st.floats(0.5, 1.5))), targets


@st.composite
def tied(draw: st.DrawFn) -> Split:
    """Two classes whose probabilities are few different values, so that most are equal to others; all exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, values = draw(st.integers(1, 300)), draw(st.integers(1, 64))
    first = rng.integers(0, values + 1, samples) / 64
    return np.array([first, 1 - first]).T, rng.integers(0, 2, samples)


def away_from_edges(values: Floats, n_bins: int) -> bool:
    """Whether no value is so near an edge, or 1, that float32 could take it across."""
    edges = np.linspace(0, 1, n_bins + 1)[1:]
    return bool(np.abs(values[..., None] - edges).min() > 1e-6)
