"""Data sets, and how images are spread over classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue.entry import Entry

DATASETS: Final[Mapping[str, Entry]] = {
    "digits": Entry(target="trainers.data.digits:load", source="scikit-learn's digits (UCI), 10 classes of 8x8 images"),
    "cifar10": Entry(target="trainers.data.cifar:load_cifar10", aliases=("CIFAR10",), source="Krizhevsky 2009"),
    "cifar100": Entry(target="trainers.data.cifar:load_cifar100", aliases=("CIFAR100",), source="Krizhevsky 2009"),
    "folder": Entry(
        target="trainers.data.folder:load",
        params={"size": 32},
        limits={"size": {"ge": 1}},
        required={"path": str},
        source="a tree with train/<class>/ and test/<class>/",
    ),
}

# `ratio` (n_max / n_min) or `factor` (its inverse): exactly one; kept as the exact fraction mu = n_min / n_max.
_N_MAX_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {"n_max": {"ge": 1}}
IMBALANCES: Final[Mapping[str, Entry]] = {
    "none": Entry(aliases=("balanced",)),
    "exp": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="Cao et al., NeurIPS 2019"),
    "step": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="Cao et al., NeurIPS 2019"),
    "head_tail": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="seed 001 (ICTTA)"),
}
