"""Every name that a grid may use, with its parameters and their defaults; data only, never torch.

A default never changes: a parameter at its default is left out of a job's identity, so new behaviour is a new key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue.columns import METRIC_COLUMNS
from trainers.catalogue.data import DATASETS, IMBALANCES
from trainers.catalogue.entry import Entry, Value
from trainers.catalogue.losses import LOSSES
from trainers.catalogue.methods import MIXERS, RECIPES, RULES, SAMPLERS
from trainers.catalogue.networks import BACKBONES, HEADS
from trainers.catalogue.training import CHOICES, PRESETS, TRAIN, TRAIN_LIMITS

__all__ = [
    "BACKBONES",
    "CHOICES",
    "DATASETS",
    "HEADS",
    "IMBALANCES",
    "LOSSES",
    "METRIC_COLUMNS",
    "MIXERS",
    "NAMED",
    "PLAIN",
    "PLAIN_LIMITS",
    "PRESETS",
    "RECIPES",
    "RULES",
    "SAMPLERS",
    "SELECTIONS",
    "TRAIN",
    "TRAIN_LIMITS",
    "Entry",
    "Value",
]

# The keys of a train job that take a catalogue name, with what stands there when a grid is silent.
NAMED: Final[Mapping[str, tuple[Mapping[str, Entry], str]]] = {
    "dataset": (DATASETS, "digits"),
    "imbalance": (IMBALANCES, "none"),
    "backbone": (BACKBONES, "resnet32"),
    "head": (HEADS, "linear"),
    "loss": (LOSSES, "ce"),
    "rule": (RULES, "none"),
    "sampler": (SAMPLERS, "instance"),
    "mixer": (MIXERS, "none"),
    "recipe": (RECIPES, "single"),
}

# The plain keys of a train job. `val` is "none", {"per_class": k} or {"fraction": f}.
PLAIN: Final[Mapping[str, Value]] = {
    "val": "none",
    "data_seed": 0,
    "seed": 0,
    "select": "last",
    "eval_every": 1,
    "ts_every": 1,
}
# numpy's legacy generator, which draws the kept images, takes 32 bits.
PLAIN_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {
    "data_seed": {"ge": 0, "lt": 2**32},
    "seed": {"ge": 0, "lt": 2**32},
    "eval_every": {"ge": 1},
    "ts_every": {"ge": 1},  # epochs between temperatures, of those that are evaluated; the reported one always has one
}
SELECTIONS: Final = ("last", "best_val", "best_test")
