"""What each calibration measure costs, beside torchmetrics and, where they are installed, netcal and others.

    python benchmarks/calibration.py [--sizes 1000000x10,100000x100] [--rounds 3] [--threads 2] [--only ece,nll]
    python benchmarks/calibration.py --sizes 10000000x10,1000000x100       as the targets are stated; 5 GB of memory

Random float64 probabilities whose targets follow them, 15 bins, everything in one process: in each round every measure
is run once and then its peers, and the least seconds of the rounds count. Ours and netcal run on one core whatever
`--threads` says, which is for torchmetrics. A peer that computes something else than ours on this input is marked: its
value differs by more than a thousandth (torchmetrics sums in float32). Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from trainers.calibration import metrics
from trainers.calibration.gaps import Norm

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Measure = Callable[[Floats, Integers], float]

BINS = 15
TARGETS = {"ece": 2.0, "adaptive_ece": 4.0, "classwise_ece": 12.0, "classwise_adaptive_ece": 30.0, "smooth_ece": 2.0}
"""Seconds that ours may take at ten million samples of ten classes on two cores."""


@dataclass
class Timing:
    """The least seconds so far, and the value."""

    seconds: float = float("inf")
    value: float = float("nan")

    def run(self, measure: Callable[[], float]) -> None:
        gc.collect()
        start = time.perf_counter()
        self.value = measure()
        self.seconds = min(self.seconds, time.perf_counter() - start)


@dataclass
class Row:
    """A measure with the peers that have it."""

    name: str
    measure: Measure
    peers: dict[str, Measure]
    timings: dict[str, Timing] = field(default_factory=dict)

    def run(self, probs: Floats, targets: Integers) -> None:
        for name, measure in {"ours": self.measure, **self.peers}.items():
            self.timings.setdefault(name, Timing()).run(partial(measure, probs, targets))


def predictions(samples: int, classes: int) -> tuple[Floats, Integers]:
    """Probabilities of a model that is somewhat too sure, and targets; made in place, a piece at a time."""
    rng = np.random.default_rng(0)
    probs, targets = np.empty((samples, classes)), np.empty(samples, dtype=np.int64)
    step = max(1, (1 << 22) // classes)
    for start in range(0, samples, step):
        piece = probs[start : start + step]
        rng.standard_normal(out=piece)
        # The highest score after Gumbel's noise: a draw from the softmax of the scores.
        targets[start : start + step] = (2 * piece + rng.gumbel(size=piece.shape)).argmax(axis=1)
        np.exp(3 * piece, out=piece)
        piece /= piece.sum(axis=1, keepdims=True)
    return probs, targets


def torchmetrics_peers(norm: Norm = "l1") -> dict[str, Measure]:
    """Its error of the predicted class."""

    def measure(probs: Floats, targets: Integers) -> float:
        error = multiclass_calibration_error(
            torch.from_numpy(probs), torch.from_numpy(targets), probs.shape[1], n_bins=BINS, norm=norm
        )
        return float(error)

    return {"torchmetrics": measure}


def torchmetrics_classwise(probs: Floats, targets: Integers) -> float:
    """Its binary error of each column, which is how it has a classwise one."""
    held, labels = torch.from_numpy(probs), torch.from_numpy(targets)
    errors = [
        binary_calibration_error(held[:, label].contiguous(), (labels == label).long(), n_bins=BINS)
        for label in range(held.shape[1])
    ]
    return float(torch.stack(errors).mean())


def torch_nll(probs: Floats, targets: Integers) -> float:
    """As a line of torch."""
    return float(F.nll_loss(torch.from_numpy(probs).log(), torch.from_numpy(targets)))


def torch_brier(probs: Floats, targets: Integers) -> float:
    """As a line of torch."""
    held = torch.from_numpy(probs)
    return float((held - F.one_hot(torch.from_numpy(targets), held.shape[1])).square().sum(dim=1).mean())


def netcal_peer(name: str, **settings: bool) -> dict[str, Measure]:
    """A measure of netcal, if it is installed."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module("netcal.metrics")
        return {"netcal": lambda probs, targets: float(getattr(module, name)(BINS, **settings).measure(probs, targets))}
    return {}


def uncertainty_calibration_peer(name: str, mode: str) -> dict[str, Measure]:
    """A measure of uncertainty-calibration, if it is installed."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module("calibration.utils")
        measure = getattr(module, name)
        return {
            "uncertainty-calibration": lambda probs, targets: float(measure(probs, targets, mode=mode, num_bins=BINS))
        }
    return {}


def relplot_peer() -> dict[str, Measure]:
    """The smooth error of relplot, if it is installed."""
    with contextlib.suppress(ImportError):
        module = importlib.import_module("relplot")
        return {
            "relplot": lambda probs, targets: float(
                module.smECE(probs.max(axis=1), (probs.argmax(axis=1) == targets).astype(float))
            )
        }
    return {}


def rows(slow: bool) -> Iterator[Row]:
    """Every measure with its peers; those that loop over samples in Python only if `slow`."""
    kumar = uncertainty_calibration_peer if slow else (lambda *_: {})
    top, marginal = "top-label", "marginal"
    yield Row("ece", metrics.ece, torchmetrics_peers() | netcal_peer("ECE") | kumar("get_ece", top))
    yield Row("mce", metrics.mce, torchmetrics_peers("max") | netcal_peer("MCE"))
    yield Row("rmsce", metrics.rmsce, torchmetrics_peers("l2"))
    adaptive = netcal_peer("ECE", equal_intervals=False) | kumar("get_ece_em", top)
    yield Row("adaptive_ece", metrics.adaptive_ece, adaptive)
    classwise = {"torchmetrics": torchmetrics_classwise} | kumar("get_ece", marginal)
    yield Row("classwise_ece", metrics.classwise_ece, classwise)
    yield Row("classwise_adaptive_ece", metrics.classwise_adaptive_ece, kumar("get_ece_em", marginal))
    yield Row("predclass_ece", metrics.predclass_ece, {})
    yield Row("smooth_ece", metrics.smooth_ece, relplot_peer())
    yield Row("debiased_ece", metrics.debiased_ece, {})
    yield Row("ece_sweep", metrics.ece_sweep, {})
    yield Row("sece", metrics.sece, {})
    yield Row("nll", metrics.nll, {"torch": torch_nll})
    yield Row("brier", metrics.brier, {"torch": torch_brier})
    yield Row("aurc", metrics.aurc, {})
    yield Row("auroc", metrics.auroc, {})


def peer_cell(ours: Timing, theirs: Timing) -> str:
    """Seconds, how many times ours, and whether the value is another."""
    mark = "" if abs(theirs.value - ours.value) <= 1e-3 else " (another value)"
    return f"{theirs.seconds:.3f} s, {theirs.seconds / ours.seconds:.1f} x{mark}"


def table(measured: list[Row], samples: int, classes: int) -> Iterator[str]:
    """The lines of one size."""
    is_stated = (samples, classes) == (10_000_000, 10)
    heads = [f"{samples:,} x {classes}", "ours", *(["target"] if is_stated else []), "others, and how many times ours"]
    yield "| " + " | ".join(heads) + " |"
    yield "| --- " * len(heads) + "|"
    for row in measured:
        ours = row.timings["ours"]
        cells = [row.name, f"{ours.seconds:.3f} s"]
        if is_stated:
            cells.append(f"{TARGETS[row.name]:g} s" if row.name in TARGETS else "")
        others = [f"{name} {peer_cell(ours, row.timings[name])}" for name in row.peers]
        yield "| " + " | ".join([*cells, "; ".join(others)]) + " |"


def sizes(words: str) -> list[tuple[int, int]]:
    """`1000000x10,100000x100` as pairs."""
    pairs = [word.split("x") for word in words.split(",")]
    try:
        return [(int(samples), int(classes)) for samples, classes in pairs]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{words!r} is not like 1000000x10,100000x100") from None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=sizes, default="1000000x10,100000x100", help="samples x classes, and so on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of torch; ours and netcal use one")
    parser.add_argument("--only", default="", help="names of measures, ece,nll; all unless said")
    parser.add_argument("--slow-peers", action="store_true", help="also uncertainty-calibration, which loops in Python")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    chosen = set(filter(None, options.only.split(",")))
    print(f"{platform.processor() or platform.machine()}, torch on {options.threads} threads, numpy {np.__version__}")
    for samples, classes in options.sizes:
        probs, targets = predictions(samples, classes)
        measured = [row for row in rows(options.slow_peers) if not chosen or row.name in chosen]
        for _ in range(options.rounds):
            for row in measured:
                row.run(probs, targets)
        print()
        print("\n".join(table(measured, samples, classes)), flush=True)


if __name__ == "__main__":
    main()
