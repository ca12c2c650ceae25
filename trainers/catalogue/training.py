"""The `train` section: numbers, their ranges, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue.entry import Value

TRAIN: Final[Mapping[str, Value]] = {
    "epochs": 200,
    "batch_size": 128,
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 2e-4,
    "schedule": "cosine",
    "milestones": [160, 180],  # of `multistep`: epochs done before the rate is multiplied by `decay`
    "decay": 0.1,
    "warmup_epochs": 0,
    "warmup_start": 0.0,  # share of lr that the warm-up starts from: at epoch e (from 1), start*(1 - e/w) + e/w
    "warmup_over": 0,  # epochs that the warm-up rises on past lr: at 10 + 1 epochs, the 11th has 1.1 lr
    "drop_last": False,
    "augment": "weak",
    "ranks": 1,
    "threads": 1,
    "precision": "auto",
    "compile": False,
    "graph": False,  # on one GPU: record the step as a CUDA graph and replay it
    "accumulate": 1,  # parts of a rank's batch, computed one after another; batch norm sees one at a time
}
TRAIN_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {
    "epochs": {"ge": 1},
    "batch_size": {"ge": 1},
    "lr": {"gt": 0},
    "momentum": {"ge": 0, "lt": 1},
    "weight_decay": {"ge": 0},
    "milestones": {"ge": 1},
    "decay": {"gt": 0, "le": 1},
    "warmup_epochs": {"ge": 0},
    "warmup_start": {"ge": 0, "le": 1},
    "warmup_over": {"ge": 0},
    "ranks": {"ge": 1},
    "threads": {"ge": 1},
    "accumulate": {"ge": 1},
}
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "schedule": ("cosine", "multistep", "constant", "one_cycle"),
    "augment": ("weak", "none", "autoaugment", "cutout", "strong"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}

# `long-tail` presets (Cao et al. 2019; Zhong et al. 2021; Li et al. 2022; Hong et al. 2021; Zhang et al. 2021;
# Cui et al. 2021; Wang et al. 2021; Zhang et al. 2022; Sanchez Aimar et al. 2023): values for `train`, expanded before
# hashing, so that a preset and its values are one job. Milestones count epochs done: with 160, the 161st is the first
# at the lower rate. What is no training key is not in a preset: mixers, further views, rotations (RIDE, SADE and
# BalPoE at 200 epochs turn images by up to 15 degrees).
_LDAM200: Final[Mapping[str, Value]] = {
    "schedule": "multistep",
    "milestones": [160, 180],
    "decay": 0.01,
    "warmup_epochs": 5,
}
_BOT200: Final[Mapping[str, Value]] = {
    **_LDAM200,
    "milestones": [159, 179],
    "warmup_start": 1 / 3,
    "nesterov": True,
    "drop_last": True,
}
_RIDE200: Final[Mapping[str, Value]] = {**_LDAM200, "weight_decay": 5e-4, "nesterov": True}
_SADE200: Final[Mapping[str, Value]] = {**_RIDE200, "decay": 0.1}
PRESETS: Final[Mapping[str, Mapping[str, Value]]] = {
    "ldam200": _LDAM200,
    "mislas200": {**_LDAM200, "decay": 0.1},
    "fbl200": {**_LDAM200, "batch_size": 64},
    "lade200": {
        **_LDAM200,
        "batch_size": 256,
        "lr": 0.2,
        "weight_decay": 5e-4,
        "milestones": [119, 159],
        "warmup_start": 1 / 3,
    },
    "bot200": _BOT200,
    "bot_mixup400": {**_BOT200, "epochs": 400, "milestones": [319, 359]},
    "paco400": {
        "epochs": 400,
        "lr": 0.05,
        "weight_decay": 5e-4,
        "schedule": "multistep",
        "milestones": [321, 361],
        "decay": 0.1,
        "warmup_epochs": 10,
        "warmup_over": 1,
        "drop_last": True,
        "augment": "strong",
    },
    "ride200": _RIDE200,
    "sade200": _SADE200,
    "balpoe200": _SADE200,
    "balpoe400": {
        **_SADE200,
        "epochs": 400,
        "milestones": [320, 360],
        "warmup_epochs": 10,
        "augment": "autoaugment",
    },
}
