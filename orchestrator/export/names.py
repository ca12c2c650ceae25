"""What the seed's script and its notebooks call data sets, backbones and methods (calibration.md, section 10)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from orchestrator.export.source import Job
from orchestrator.report.records import flatten
from trainers.catalogue import BACKBONES, LOSSES, Entry

# Method labels, and which parameters stand in them; any other that is not at its default is added behind.
_LABELS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "ce_brier": ("CE+{weight}Brier", ("weight",)),
    "brier": ("Brier", ()),
    "label_smoothing": ("LS-{eps}", ("eps",)),
    "focal": ("FL-{gamma}", ("gamma",)),
    "adaptive_focal": ("FLSD-{gammas}", ("gammas",)),
    "dual_focal": ("DualFocal", ()),
    "adafocal": ("AdaFocal", ()),
    "fcl": ("FCL", ()),
    "sa_fcl": ("SA-FCL", ()),
    "fcl_meta_lambda": ("FCL-MetaLambda", ()),
}
_BACKBONES: Final = {"wrn28x10": "wideresnet28x10"}
# The seed's network of that name has convolutions in its shortcuts.
_USUAL: Final[Mapping[str, Mapping[str, Any]]] = {"resnet110": {"shortcut": "B"}}
# What tells seeds apart, or nothing that a reader would look for in a name.
_NOT_IN_NAMES: Final = frozenset({"seed", "job", "experiment", "schema", "kind", "dataset.path", "needs"})


@dataclass(frozen=True, slots=True)
class Named:
    """A job's names.

    Attributes:
        suffix: of its files: empty for the first seed in plan order, else `_seed<n>`.
        behind: keys of the spec whose values stand behind the method, because they are not those of an earlier job.
    """

    dataset: str
    backbone: str
    method: str
    seed: int
    suffix: str = ""
    behind: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What the seed's script calls a run: `dataset|backbone|method`."""
        return f"{self.dataset}|{self.backbone}|{self.method}"

    @property
    def stem(self) -> str:
        """The same in file names, with the suffix."""
        return file_safe(self.key) + self.suffix


def file_safe(key: str) -> str:
    """A key as the seed's script writes it into file names; what no file should be called becomes `-`."""
    return re.sub(r"[^\w.+=,-]", "-", key.replace("|", "_").replace(" ", "_")).lstrip(".-") or "run"


def name_jobs(jobs: Sequence[Job]) -> dict[str, Named]:
    """The names of jobs by their ids; no two jobs have the same stem.

    Of jobs that differ in more than data set, backbone, method and seed, the first in the plan keeps the plain names;
    the others have behind their method what is not as in the first, so that a plan that grows renames nothing.
    """
    named = {job.id: _named(job) for job in jobs}
    named = {**named, **_told_apart(jobs, named)}
    ranks: dict[str, int] = defaultdict(int)
    taken: set[str] = set()
    for job in jobs:
        name = named[job.id]
        stem = file_safe(name.key).lower()
        ranks[stem] += 1
        if ranks[stem] > 1:
            name = replace(name, suffix=f"_seed{name.seed}")
        if name.stem.lower() in taken:  # two settings whose names came out alike
            name = replace(name, suffix=f"{name.suffix}_{job.id[-6:]}")
        taken.add(name.stem.lower())
        named[job.id] = name
    return named


def _named(job: Job) -> Named:
    spec = job.spec
    return Named(
        dataset=str(spec["dataset"]["name"]),
        backbone=backbone_name(spec["backbone"]),
        method=method_label(spec["loss"], spec["train"]),
        seed=int(spec["seed"]),
    )


def method_label(loss: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    """The label of a loss: `FL-3`, `LS-0.05`, `AdaFocal-num_bins20`."""
    name = str(loss["name"])
    entry = LOSSES.get(name, Entry())
    given = {**entry.params, **{key: value for key, value in loss.items() if key != "name"}}
    label, inside = _LABELS.get(name, (name.upper(), ()))
    if name == "ce" and train.get("weight_decay"):
        label = "CE+WD"
    parts = {
        key: "".join(map(plain, value)) if isinstance(value, list) else plain(value) for key, value in given.items()
    }
    changed = {key: value for key, value in given.items() if key not in inside and value != entry.params.get(key)}
    preset = [which for which, values in entry.presets.items() if {**entry.params, **values} == given]
    bits = preset[:1] if preset else [bit(key, value) for key, value in changed.items()]
    return "-".join([label.format(**parts), *bits])


def backbone_name(backbone: Mapping[str, Any]) -> str:
    """The name of a backbone: `resnet50`, `wideresnet28x10`, `resnet32-B`."""
    name = str(backbone["name"])
    usual = {**BACKBONES.get(name, Entry()).params, **_USUAL.get(name, {})}
    shown = _BACKBONES.get(name, name)
    if name == "torchvision":
        shown = str(backbone["network"])
    changed = {
        key: value for key, value in backbone.items() if key not in ("name", "network") and value != usual.get(key)
    }
    return "-".join([shown, *(bit(key, value) for key, value in changed.items())])


def plain(value: Any) -> str:
    """A number without needless digits, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"{value:g}"


def bit(key: str, value: Any) -> str:
    """A parameter in a name: `gamma5`, and a word alone."""
    last = key.rpartition(".")[2]
    if key == "imbalance.mu" and value is not None:
        return f"ratio{float(1 / Fraction(str(value))):g}"
    if isinstance(value, bool):
        return last if value else f"no_{last}"
    if isinstance(value, list):
        return last + "_".join(map(plain, value))
    return str(value) if isinstance(value, str) else f"{last}{plain(value)}"


def _told_apart(jobs: Iterable[Job], named: Mapping[str, Named]) -> dict[str, Named]:
    """Names of jobs that have theirs in common with others but differ in more than the seed."""
    alike: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        alike[file_safe(named[job.id].key).lower()].append(job)
    found = {}
    for some in alike.values():
        contents = {job.id: dict(flatten(job.spec)) for job in some}
        keys = dict.fromkeys(key for content in contents.values() for key in content if key not in _NOT_IN_NAMES)
        first = contents[some[0].id]
        for job in some[1:]:
            content = contents[job.id]
            differing = tuple(key for key in keys if str(content.get(key)) != str(first.get(key)))
            bits = [bit(key, content[key]) for key in differing if content.get(key) is not None]
            if differing:
                method = "-".join([named[job.id].method, *bits])
                found[job.id] = replace(named[job.id], method=method, behind=differing)
    return found
