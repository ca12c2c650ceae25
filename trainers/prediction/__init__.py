"""Predicting again from a finished run, in another way and without training.

    python -m trainers.prediction RUN_FOLDER --transform logit_adjustment --set tau=1.0

A transform maps logits to logits, whose softmax is the new prediction; several are applied in the order given. What one
of them has to choose, it chooses on the validation split; nothing is ever fitted on the test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue import Entry

__all__ = ["TRANSFORMS"]

_HERE: Final = "trainers.prediction.steps:"

# A default never changes: new behaviour is a new option. None: chosen on the validation split where there is one.
TRANSFORMS: Final[Mapping[str, Entry]] = {
    "logit_adjustment": Entry(
        target=f"{_HERE}adjust_logits",
        params={"tau": None},
        limits={"tau": {"ge": 0}},
        aliases=("la", "post_hoc_la", "posthoc_la"),
        source="Menon et al., ICLR 2021; at tau 1 the PC softmax of Hong et al., CVPR 2021",
    ),
    "tau_norm": Entry(
        target=f"{_HERE}normalise_head",
        params={"tau": None},
        limits={"tau": {"ge": 0}},
        aliases=("tau_normalised", "tau_normalized"),
        source="Kang et al., ICLR 2020; the bias is kept, as in BagofTricks-LT (Zhang et al., AAAI 2021)",
    ),
    "flip": Entry(
        target=f"{_HERE}average_flips", params={"dataset": None}, aliases=("tta_flip",), source="common practice"
    ),
    "ensemble": Entry(
        target=f"{_HERE}average_runs",
        params={"t1": None, "t2": None},
        required={"with": str},
        limits={"t1": {"gt": 0}, "t2": {"gt": 0}},
        source="Du and Wu, CVPR 2023",
    ),
    "temperature": Entry(
        target=f"{_HERE}scale",
        params={"t": None},
        limits={"t": {"gt": 0}},
        aliases=("ts",),
        param_aliases={"T": "t", "temperature": "t"},
        source="Guo et al., ICML 2017",
    ),
}
