"""What an attempt is asked to do: the spec file, parsed and frozen; no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from trainers.catalogue import CHOICES, LOSSES, NAMED, PLAIN, RECIPES, SELECTIONS, TRAIN, Entry
from trainers.catalogue.compatibility import clash_of, values_of
from trainers.errors import SpecError
from trainers.names import entry, parameters, unknown

_OUTSIDE_IDENTITY: Final = ("schema", "job", "experiment", "kind")
_METHODS: Final = ("rule", "sampler", "mixer")
_TOGETHER: Final = ("backbone", "head", "loss", *_METHODS)  # parts that may not go with each other


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """The `train` section; its keys and their meaning are `catalogue.TRAIN`'s."""

    epochs: int
    batch_size: int
    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    schedule: str
    milestones: list[int]
    decay: float
    warmup_epochs: int
    warmup_start: float
    warmup_over: int
    drop_last: bool
    augment: str
    ranks: int
    threads: int
    precision: str
    compile: bool
    graph: bool
    accumulate: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSpec:
    """One training job, complete: the caller has filled in every default.

    Attributes:
        digest: SHA-256 of everything that can change the result; a checkpoint carries it.
    """

    dataset: Mapping[str, Any]
    imbalance: Mapping[str, Any]
    val: Any
    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    loss: Mapping[str, Any]
    rule: Mapping[str, Any]
    sampler: Mapping[str, Any]
    mixer: Mapping[str, Any]
    data_seed: int
    seed: int
    select: str
    eval_every: int
    ts_every: int
    train: Training
    digest: str

    @property
    def method(self) -> str:
        """What the training is called beside its network: the loss, and what is not plain about it: ldam-drw."""
        words: list[str] = []
        for key in ("loss", *_METHODS):
            section: Mapping[str, Any] = getattr(self, key)
            table, plain = NAMED[key]
            defaults = table[section["name"]].params
            if key == "loss" or section["name"] != plain:
                changed = (value for name, value in section.items() if name != "name" and value != defaults.get(name))
                words += [section["name"], *(value for value in changed if isinstance(value, str))]
        return "-".join(words)

    @property
    def has_val(self) -> bool:
        """Whether some training images are held out for validation."""
        return bool(self.val != "none")


def parse_spec(document: Mapping[str, Any]) -> TrainSpec:
    """A spec from the JSON of its file.

    Raises:
        SpecError: a key is missing or unknown, or a value asks for what this trainer does not do.
    """
    _only_default(document, {"recipe": RECIPES})
    training = _training(document.get("train", {}))
    names = {field.name for field in fields(TrainSpec)} - {"train", "digest"}
    missing = names - set(document)
    if missing:
        raise SpecError(f"the spec lacks {min(missing)!r}; write it with every default filled in")
    parts = {key: _complete(key, document[key]) for key in _TOGETHER}
    if document["select"] not in SELECTIONS:
        raise unknown("select", document["select"], SELECTIONS)
    if document["select"] == "best_val" and document["val"] == "none":
        raise SpecError("select: best_val needs a validation split; say `val: {per_class: k}`, or select: last")
    if entry(LOSSES, "loss", document["loss"]["name"])[1].needs_val and document["val"] == "none":
        raise SpecError(f"loss {document['loss']['name']} learns from a validation split; say `val: {{per_class: k}}`")
    clash = clash_of(values_of({**document, **parts}))
    if clash is not None:
        raise SpecError(f"{clash.problem}; {clash.remedy}")
    chosen: dict[str, Any] = {name: parts[name] if name in _METHODS else document[name] for name in names}
    return TrainSpec(train=training, digest=_digest(document), **chosen)


def read_spec(path: Path) -> Mapping[str, Any]:
    """The JSON of a spec file.

    Raises:
        SpecError: the file is not there or is not a JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path} is not a spec: {error}") from error
    if not isinstance(document, dict):
        raise SpecError(f"{path} is not a spec: it holds no JSON object")
    return document


def _only_default(document: Mapping[str, Any], tables: Mapping[str, Mapping[str, Entry]]) -> None:
    """Refuse what the catalogue does not hold in the sections that this trainer has one choice for."""
    for key, table in tables.items():
        section = document.get(key, {"name": next(iter(table))})
        entry(table, key, section["name"])


def _complete(key: str, section: Mapping[str, Any]) -> Mapping[str, Any]:
    """A section under its canonical name, with all its parameters."""
    table, _ = NAMED[key]
    name, found = entry(table, key, section["name"])
    given = {parameter: value for parameter, value in section.items() if parameter != "name"}
    return {"name": name, **parameters(found, f"{key} {name}", given)}


def _training(section: Mapping[str, Any]) -> Training:
    known = [field.name for field in fields(Training)]
    for key in section:
        if key not in known:
            raise unknown("key of train", key, known)
    for key in known:
        if key not in section:
            raise SpecError(f"the spec lacks 'train.{key}'; write it with every default filled in")
    for key, choices in CHOICES.items():
        if section[key] not in choices:
            raise unknown(f"train.{key}", str(section[key]), choices)
    _check_together(section)
    return Training(**section)


def _check_together(section: Mapping[str, Any]) -> None:
    """Refuse values that are good each and not together."""
    if section["schedule"] == "one_cycle" and section["warmup_epochs"]:
        raise SpecError("train.schedule one_cycle has its own warm-up; leave out train.warmup_epochs")
    if section["batch_size"] % section["ranks"]:
        raise SpecError(
            f"train.batch_size {section['batch_size']} cannot be shared by {section['ranks']} ranks; use a multiple"
        )
    if section["batch_size"] // section["ranks"] % section["accumulate"]:
        raise SpecError(
            f"train.accumulate {section['accumulate']} cannot cut {section['batch_size'] // section['ranks']} images, "
            "a rank's batch, into equal parts; use a divisor"
        )
    if section["graph"] and (section["ranks"] > 1 or section["compile"]):
        raise SpecError(
            "train.graph records the step of one rank, not compiled; leave out train.ranks or train.compile"
        )


def _digest(document: Mapping[str, Any]) -> str:
    # As in a job's id, without defaults: a key that a later version adds leaves the runs before it what they were.
    content = {
        key: value
        for key, value in document.items()
        if key not in _OUTSIDE_IDENTITY and (key not in PLAIN or value != PLAIN[key])
    }
    for key, (table, _) in NAMED.items():
        if key in content and key != "imbalance":
            defaults = table[content[key]["name"]].params if content[key]["name"] in table else {}
            content[key] = {
                name: value for name, value in content[key].items() if name not in defaults or value != defaults[name]
            }
    content["dataset"] = {key: value for key, value in content["dataset"].items() if key != "path"}
    content["train"] = {key: value for key, value in document["train"].items() if value != TRAIN.get(key)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
