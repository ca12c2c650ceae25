"""Calibration after training: maps from logits to better probabilities, fitted on the validation split.

    calibrator = fit("vector", val_logits, val_targets)
    probs = calibrator.probs(test_logits)
    calibrator.save(path)
    load(path).probs(test_logits)

`python -m trainers.calibration.posthoc RUN_FOLDER --method vector` does it for a run. To import this, to load and to
predict takes numpy alone; torch, scipy and scikit-learn are imported where they fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from trainers.calibration.posthoc.calibrator import Calibrator, load
from trainers.catalogue import Entry
from trainers.names import code, entry

__all__ = ["METHODS", "Calibrator", "fit", "load"]

_HERE: Final = "trainers.calibration.posthoc."
_AT_LEAST_0: Final[Mapping[str, float]] = {"ge": 0}
_PENALTIES: Final[Mapping[str, Mapping[str, float]]] = {"lam": _AT_LEAST_0, "mu": _AT_LEAST_0}
_GUO: Final = "Guo et al., ICML 2017"

# A default never changes: new behaviour is a new option.
METHODS: Final[Mapping[str, Entry]] = {
    "temperature": Entry(
        target=f"{_HERE}temperature:fit",
        params={"criterion": "nll", "n_bins": 15},
        limits={"n_bins": {"ge": 1}},
        choices={"criterion": ("nll", "nll_lbfgs", "ece_grid", "nll_grid", "nll_seed", "nll_gpleiss")},
        aliases=("ts",),
        source=f"{_GUO}; ece_grid: Mukhoti et al., NeurIPS 2020",
    ),
    "vector": Entry(target=f"{_HERE}linear:fit_vector", source=_GUO),
    "matrix": Entry(
        target=f"{_HERE}linear:fit_matrix",
        params={"lam": 0.01, "mu": 0.01},
        limits=_PENALTIES,
        param_aliases={"lambda": "lam"},
        source=f"{_GUO}, with the ODIR penalty of Kull et al., NeurIPS 2019",
    ),
    "dirichlet": Entry(
        target=f"{_HERE}linear:fit_dirichlet",
        params={"lam": 0.01, "mu": 0.01},
        limits=_PENALTIES,
        param_aliases={"lambda": "lam"},
        source="Kull et al., NeurIPS 2019",
    ),
    "group_temperature": Entry(
        target=f"{_HERE}groups:fit",
        params={"kappa": 0.01},
        limits={"kappa": _AT_LEAST_0},
        source="our own; groups of Liu et al., CVPR 2019",
    ),
    "isotonic": Entry(target=f"{_HERE}binning:fit_isotonic", source="Zadrozny and Elkan, KDD 2002"),
    "histogram": Entry(
        target=f"{_HERE}binning:fit_histogram",
        params={"n_bins": 15, "bins": "equal_width"},
        limits={"n_bins": {"ge": 1}},
        choices={"bins": ("equal_width", "equal_mass")},
        source="Zadrozny and Elkan, ICML 2001; equal_width as in torch-uncertainty",
    ),
}


def fit(name: str, logits: Any, targets: Any, *, class_counts: Any = None, **options: Any) -> Calibrator:
    """Fit a calibrator on the validation split.

    Args:
        name: of `METHODS`.
        logits: (N, C) finite scores of the validation split as they come from the network, never of the test split.
        targets: (N,) integers in [0, C).
        class_counts: (C,) training images per class; `group_temperature` needs them, the others do without.
        options: of the method; those that are not given are `METHODS`'.

    Raises:
        SpecError: no such method or option, or a value that it may not have.
        ValueError: an empty split, one class only, NaN or infinity, a target that is no class index; for a method that
            fits something for each class, a class without a sample. It says which.
    """
    from trainers.calibration.posthoc.validation import checked_split, facts
    from trainers.options import checked_options

    canonical, found = entry(METHODS, "calibrator", name)
    values = checked_options(canonical, found, options)
    split = checked_split(logits, targets, class_counts)
    solution = code(found)(split, **values)
    fitted = Calibrator(canonical, split.num_classes, solution.parameters, values, {})
    return replace(fitted, facts={**facts(split, fitted), **solution.facts})
