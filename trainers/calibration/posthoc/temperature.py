"""Fit one temperature, by the likelihood or by a grid, and as published programs do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from trainers.calibration.inputs import Floats, Integers
from trainers.calibration.metrics import ece
from trainers.calibration.posthoc.forms import softmax
from trainers.calibration.posthoc.validation import Solution, Split
from trainers.calibration.softmax import log_softmax, nll_of_log_probs
from trainers.calibration.temperature import fit_temperature
from trainers.errors import SpecError

# torrvision/focal_calibration: 0.1, 0.2, ..., 10.0.
GRID: Final[Floats] = np.arange(1, 101) / 10
DEFAULT_BINS: Final = 15
_AGREEMENT: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class LBFGSSettings:
    """How LBFGS of torch is called.

    Attributes:
        start: the temperature that it starts from.
        on_log: it moves log T, which keeps T above 0, or T itself.
        strong_wolfe: it searches along each direction, or steps by `lr`.
        lr, max_iterations, tolerance_grad, tolerance_change: torch's.
    """

    start: float = 1.0
    on_log: bool = False
    strong_wolfe: bool = False
    lr: float = 1.0
    max_iterations: int = 100
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9


LBFGS: Final = {
    # With a tolerance_change of 1e-10 it stops 6e-6 short on a thousand samples.
    "nll_lbfgs": LBFGSSettings(on_log=True, strong_wolfe=True, tolerance_grad=1e-10, tolerance_change=0.0),
    # These two do not converge: they are here to repeat published numbers.
    "nll_seed": LBFGSSettings(lr=0.01, max_iterations=50),
    "nll_gpleiss": LBFGSSettings(lr=0.01, max_iterations=200, start=1.5),
}


def fit(split: Split, *, criterion: str = "nll", n_bins: int = DEFAULT_BINS) -> Solution:
    """One temperature for all classes; accuracy stays what it was.

    Args:
        split: fitted on.
        criterion: `nll`: the smallest NLL of all temperatures, as `fit_temperature` finds it. `nll_lbfgs`: the same by
            LBFGS on log T, which ends within 1e-6 of it and takes torch. `ece_grid`: the first of 0.1, 0.2, ..., 10.0
            with the smallest ECE, as published "(T)" numbers are; on few samples it fits noise. `nll_grid`: the same
            with the NLL. `nll_seed` and `nll_gpleiss`: where 50 or 200 small steps of LBFGS end, from 1 or 1.5.
        n_bins: of the ECE.

    Raises:
        SpecError: `n_bins` for a criterion without bins.
        ValueError: the steps of `nll_seed` or `nll_gpleiss` left the positive numbers.
    """
    if n_bins != DEFAULT_BINS and criterion != "ece_grid":
        raise SpecError(f"temperature.n_bins has no effect on criterion {criterion}; say criterion: ece_grid")
    if criterion == "nll":
        return Solution({"temperature": fit_temperature(split.logits, split.targets)})
    if criterion in LBFGS:
        return Solution({"temperature": _by_lbfgs(split.logits, split.targets, criterion)})
    values = [
        ece(softmax(split.logits / temperature), split.targets, n_bins)
        if criterion == "ece_grid"
        else nll_of_log_probs(log_softmax(split.logits / temperature), split.targets)
        for temperature in GRID
    ]
    return Solution({"temperature": float(GRID[int(np.argmin(values))])})  # of equals, the first


def _by_lbfgs(logits: Floats, targets: Integers, criterion: str) -> float:
    found = lbfgs_temperature(logits, targets, LBFGS[criterion])
    if criterion == "nll_lbfgs":
        # NLL is convex in 1 / T: the optimum is one. Where LBFGS ends elsewhere, the NLL was too flat for it, or falls
        # all the way to a bound.
        root = fit_temperature(logits, targets)
        return found if abs(found - root) <= _AGREEMENT * root else root
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"criterion {criterion} stepped to a temperature of {found:.6g}; use criterion nll")
    return found


def lbfgs_temperature(logits: Floats, targets: Integers, settings: LBFGSSettings) -> float:
    """Where LBFGS ends on the NLL of softmax(logits / T), in float64; not always at the optimum, and not always finite.

    Args:
        logits: (N, C), checked.
        targets: (N,), checked.
        settings: of LBFGS.
    """
    import torch  # only to fit

    scores, labels = torch.from_numpy(logits), torch.from_numpy(targets)
    start = math.log(settings.start) if settings.on_log else settings.start
    variable = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [variable],
        lr=settings.lr,
        max_iter=settings.max_iterations,
        tolerance_grad=settings.tolerance_grad,
        tolerance_change=settings.tolerance_change,
        line_search_fn="strong_wolfe" if settings.strong_wolfe else None,
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        temperature = variable.exp() if settings.on_log else variable
        loss = torch.nn.functional.cross_entropy(scores / temperature, labels)
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    end = float(variable.detach())
    if not settings.on_log:
        return end
    return math.exp(end) if abs(end) < 700 else math.inf
