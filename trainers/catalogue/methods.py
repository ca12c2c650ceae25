"""Rules, samplers, mixers and recipes: what is done with a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue.entry import Entry

# A share of the epochs, or an epoch, both from 0: 0.8 is epoch 160 of 200, the 161st.
_DEFER: Final[Mapping[str, float]] = {"gt": 0}
_BETA: Final[Mapping[str, float]] = {"ge": 0, "lt": 1}
_EFFECTIVE_NUMBER: Final = "Cui et al., CVPR 2019, eq. 2"
RULES: Final[Mapping[str, Entry]] = {
    "none": Entry(target="trainers.rules.rule:Rule", aliases=("None",)),
    "inverse_rw": Entry(
        target="trainers.rules.static:Inverse",
        aliases=("BalancedRW",),
        weighs_classes=True,
        source="1/n, scaled to a mean of 1",
    ),
    "effective_rw": Entry(
        target="trainers.rules.static:EffectiveNumber",
        params={"beta": 0.9999},
        limits={"beta": _BETA},
        aliases=("EffectNumRW", "Reweight"),
        weighs_classes=True,
        source=_EFFECTIVE_NUMBER,
    ),
    "drw": Entry(
        target="trainers.rules.deferred:DeferredWeights",
        params={"defer": 0.8, "weights": "effective", "beta": 0.9999},
        limits={"defer": _DEFER, "beta": _BETA},
        choices={"weights": ("effective", "inverse", "sqrt_inverse")},
        aliases=("DRW",),
        param_aliases={"defer_epoch": "defer"},
        weighs_classes=True,
        source="Cao et al., NeurIPS 2019, algorithm 1",
    ),
    "drs": Entry(
        target="trainers.rules.deferred:DeferredSampler",
        params={"defer": 0.8, "sampler": "balanced_rs"},
        limits={"defer": _DEFER},
        choices={"sampler": ("balanced_rs", "effective_rs", "class_aware", "sqrt_rs", "progressive_rs")},
        aliases=("DRS",),
        param_aliases={"defer_epoch": "defer"},
        source="Cao et al., NeurIPS 2019",
    ),
    "deferred_loss": Entry(
        target="trainers.rules.deferred:DeferredLoss",
        params={"defer": 0.8},
        limits={"defer": _DEFER},
        param_aliases={"defer_epoch": "defer"},
        source="Zhang et al., AAAI 2021: cross entropy, then the loss",
    ),
    "dynamic_rw": Entry(
        target="trainers.rules.dynamic:Dynamic",
        params={"mode": "loss", "ema": 0.8, "min_weight": 1.0, "max_weight": 8.0, "normalise": "none"},
        limits={"ema": _BETA, "min_weight": {"gt": 0}, "max_weight": {"gt": 0}},
        choices={"mode": ("loss", "recall", "f1"), "normalise": ("none", "mean1")},
        weighs_classes=True,
        source="seed 001 (ICTTA), stage 2",
    ),
}
SAMPLERS: Final[Mapping[str, Entry]] = {
    "instance": Entry(),
    "balanced_rs": Entry(aliases=("BalancedRS", "balanced"), source="probability of an image 1/n of its class"),
    "effective_rs": Entry(
        params={"beta": 0.9999},
        limits={"beta": _BETA},
        aliases=("EffectNumRS", "Resample", "effective_number"),
        source=_EFFECTIVE_NUMBER,
    ),
    "class_aware": Entry(
        params={"per_class": 4},
        limits={"per_class": {"ge": 1}},
        aliases=("ClassAware", "ClassAwareRS"),
        source="Kang et al., ICLR 2020, as in facebookresearch/classifier-balancing",
    ),
    "sqrt_rs": Entry(aliases=("SqrtRS", "sqrt"), source="probability of a class n^0.5"),
    "progressive_rs": Entry(aliases=("ProgressiveRS", "progressive"), source="Kang et al., ICLR 2020, eq. 2"),
}
_ALPHA: Final[Mapping[str, float]] = {"gt": 0}
MIXERS: Final[Mapping[str, Entry]] = {
    "none": Entry(),
    "mixup": Entry(params={"alpha": 1.0}, limits={"alpha": _ALPHA}, source="Zhang et al., ICLR 2018"),
    "cutmix": Entry(params={"alpha": 1.0}, limits={"alpha": _ALPHA}, source="Yun et al., ICCV 2019, at every step"),
    "remix": Entry(
        params={"alpha": 1.0, "kappa": 3.0, "tau": 0.5},
        limits={"alpha": _ALPHA, "kappa": {"ge": 1}, "tau": {"ge": 0, "le": 1}},
        aliases=("Remix",),
        source="Chou et al., ECCV Workshops 2020, eq. 5",
    ),
}
RECIPES: Final[Mapping[str, Entry]] = {"single": Entry()}
