"""What a calibrator of each name does with logits: pure functions of its parameters, which are arrays; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.softmax import log_softmax

Parameters = Mapping[str, Floats | Integers | float]
Apply = Callable[[Parameters, Floats], Floats]


def softmax(logits: Floats) -> Floats:
    """Probabilities (N, C) of logits (N, C)."""
    probs: Floats = np.exp(log_softmax(logits))
    return probs


@dataclass(frozen=True)
class Form:
    """One kind of calibrator.

    Attributes:
        shapes: parameter -> its shape; C is the number of classes, another letter what the parameters agree on.
        apply: parameters, logits (N, C) -> calibrated logits (N, C), or probabilities if not `gives_logits`.
        check: of shapes that fit; says what is wrong with the values, or nothing.
        gives_logits: or probabilities, which have no logits where they are 0.
        integers: the parameters that are integers.
    """

    shapes: Mapping[str, tuple[str | int, ...]]
    apply: Apply
    check: Callable[[Parameters], str] = lambda _: ""
    gives_logits: bool = True
    integers: frozenset[str] = frozenset()


def _temperature(parameters: Parameters, logits: Floats) -> Floats:
    return logits / parameters["temperature"]


def _group_temperature(parameters: Parameters, logits: Floats) -> Floats:
    of_class = np.asarray(parameters["temperatures"])[np.asarray(parameters["group"])]
    scaled: Floats = logits / of_class[logits.argmax(axis=1)][:, None]
    return scaled


def _vector(parameters: Parameters, logits: Floats) -> Floats:
    return logits * parameters["weight"] + parameters["bias"]


def _matrix(parameters: Parameters, logits: Floats) -> Floats:
    product: Floats = logits @ np.asarray(parameters["weight"]).T + parameters["bias"]
    return product


def _dirichlet(parameters: Parameters, logits: Floats) -> Floats:
    return _matrix(parameters, log_softmax(logits))


def _histogram(parameters: Parameters, logits: Floats) -> Floats:
    probs = softmax(logits)
    edges, values = np.asarray(parameters["edges"]), np.asarray(parameters["values"])
    mapped = np.empty_like(probs)
    for label, column in enumerate(probs.T):
        mapped[:, label] = values[label, bin_of(column, edges[label])]
    return _renormalised(mapped, probs)


def _isotonic(parameters: Parameters, logits: Floats) -> Floats:
    probs = softmax(logits)
    knots, values = np.asarray(parameters["knots"]), np.asarray(parameters["values"])
    starts = np.asarray(parameters["starts"])
    mapped = np.empty_like(probs)
    for label, column in enumerate(probs.T):
        own = slice(starts[label], starts[label + 1])
        mapped[:, label] = np.interp(column, knots[own], values[own])
    return _renormalised(mapped, probs)


def bin_of(values: Floats, edges: Floats) -> Integers:
    """The bin (N,) of each value, (lo, hi] between edges (M + 1,) that never fall; the first and the last are open."""
    found: Integers = np.searchsorted(edges[1:-1], values, side="left")
    return found


def _renormalised(mapped: Floats, probs: Floats) -> Floats:
    """Rows that sum to one; a row that is all zero keeps its probabilities from before."""
    sums = mapped.sum(axis=1, keepdims=True)
    shared: Floats = np.divide(mapped, sums, out=probs.copy(), where=sums > 0)
    return shared


def _are_temperatures(parameters: Parameters) -> str:
    values = [np.asarray(parameters[key]) for key in ("temperature", "temperatures") if key in parameters]
    return "" if all((value > 0).all() for value in values) else "a temperature is not above 0"


def _are_groups(parameters: Parameters) -> str:
    group = np.asarray(parameters["group"])
    if ((group < 0) | (group >= len(np.asarray(parameters["temperatures"])))).any():
        return "a class is in no group"
    return _are_temperatures(parameters)


def _are_bins(parameters: Parameters) -> str:
    edges = np.asarray(parameters["edges"])
    if edges.shape[1] != np.asarray(parameters["values"]).shape[1] + 1:
        return "there is not one edge more than values"
    return "the edges fall" if (np.diff(edges, axis=1) < 0).any() else _are_probabilities(parameters)


def _are_curves(parameters: Parameters) -> str:
    knots, starts = np.asarray(parameters["knots"]), np.asarray(parameters["starts"])
    if len(starts) < 2 or starts[0] != 0 or starts[-1] != len(knots) or (np.diff(starts) < 1).any():
        return "the starts do not cut the knots into one curve a class"
    rises = np.diff(knots) > 0
    rises[starts[1:-1] - 1] = True  # from one class to the next
    return _are_probabilities(parameters) if rises.all() else "the knots of a class do not rise"


def _are_probabilities(parameters: Parameters) -> str:
    values = np.asarray(parameters["values"])
    return "a value is no probability" if ((values < 0) | (values > 1)).any() else ""


FORMS: Final[Mapping[str, Form]] = {
    "temperature": Form({"temperature": ()}, _temperature, _are_temperatures),
    "vector": Form({"weight": ("C",), "bias": ("C",)}, _vector),
    "matrix": Form({"weight": ("C", "C"), "bias": ("C",)}, _matrix),
    "dirichlet": Form({"weight": ("C", "C"), "bias": ("C",)}, _dirichlet),
    "group_temperature": Form(
        {"temperature": (), "temperatures": (3,), "group": ("C",)},
        _group_temperature,
        _are_groups,
        integers=frozenset({"group"}),
    ),
    "histogram": Form({"edges": ("C", "E"), "values": ("C", "M")}, _histogram, _are_bins, gives_logits=False),
    "isotonic": Form(
        {"knots": ("K",), "values": ("K",), "starts": ("C + 1",)},
        _isotonic,
        _are_curves,
        gives_logits=False,
        integers=frozenset({"starts"}),
    ),
}
