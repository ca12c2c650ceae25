"""A job: what was asked, frozen, and the line of a plan that carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from jobs.canonical import canonical_json
from trainers import catalogue

Kind = Literal["train", "command", "call"]
Json = Any  # what json.loads returns

DEFAULT_MAX_ATTEMPTS: Final = 3
SPEC_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job of an experiment.

    Attributes:
        id: `[a-z0-9-]`, at most 120 characters: a readable slug and a hash of `content`.
        kind: what runs it.
        content: the identity: canonical and sparse (a parameter at its default is left out), `needs` included.
        cell: readable values of the cell, dotted keys, for tables and templates; no part of the identity.
        needs: ids of jobs of the same experiment that must be done before.
        gpus: GPUs asked for; None: the kind's own rule (`design.md`, resources).
        priority: larger first.
        max_attempts: how many failed or oom attempts end the job for good.
        timeout_seconds: of one attempt; None: no limit.
        data_path: where a `folder` data set lies, relative to ORCH_DATA; the identity holds its fingerprint instead.
        notes: for people.
    """

    id: str
    kind: Kind
    content: Mapping[str, Json]
    cell: Mapping[str, Json] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    gpus: int | None = None
    priority: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    timeout_seconds: float | None = None
    data_path: str | None = None
    notes: str = ""


_POLICY_DEFAULTS: Final[Mapping[str, Json]] = {
    "gpus": None,
    "priority": 0,
    "max_attempts": DEFAULT_MAX_ATTEMPTS,
    "timeout_seconds": None,
    "data_path": None,
    "notes": "",
}


def plan_line(spec: JobSpec) -> str:
    """One line of a plan file, without its newline: the id, a tab, and JSON.

    What lies outside the identity stands under `policy`, which is there only where it differs from the defaults:
    a reader that only needs ids, or only the few jobs with a policy, need not parse the rest. ASCII, since some
    characters beyond it end a line for `str.splitlines`. One content has one text, so that a grid whose keys were
    put in another order updates no line.
    """
    body: dict[str, Json] = {"kind": spec.kind, "cell": spec.cell}
    if spec.needs:
        body["needs"] = list(spec.needs)
    policy = {key: getattr(spec, key) for key, default in _POLICY_DEFAULTS.items() if getattr(spec, key) != default}
    if policy:
        body["policy"] = policy
    rest = json.dumps(body, separators=(",", ":"))
    return f'{spec.id}\t{{"content":{canonical_json(spec.content)},{rest[1:]}'


def parse_plan_line(line: str) -> JobSpec:
    """The job that a line of a plan holds.

    Raises:
        ValueError: the line is not one that `plan_line` wrote.
    """
    job_id, tab, text = line.partition("\t")
    if not tab:
        raise ValueError(f"not a plan line: {line[:80]!r}")
    body = json.loads(text)
    return JobSpec(
        id=job_id,
        kind=body["kind"],
        content=body["content"],
        cell=body["cell"],
        needs=tuple(body.get("needs", ())),
        **body.get("policy", {}),
    )


def train_spec(spec: JobSpec, experiment: str) -> dict[str, Json]:
    """The whole spec of a train job, as its trainer reads it: every default filled in from the catalogue.

    Args:
        spec: of kind train.
        experiment: the experiment's name.
    """
    content = spec.content
    full: dict[str, Json] = {"schema": SPEC_SCHEMA, "job": spec.id, "experiment": experiment, "kind": spec.kind}
    for head, (table, default) in catalogue.NAMED.items():
        if head != "imbalance":
            part = content.get(head, {"name": default})
            full[head] = {**table[part["name"]].params, **part}
    if spec.data_path is not None:
        full["dataset"]["path"] = spec.data_path
    imbalance = content.get("imbalance")
    full["imbalance"] = {"type": "none"} if imbalance is None else {"n_max": None, **imbalance}
    full |= {key: content.get(key, default) for key, default in catalogue.PLAIN.items()}
    full["train"] = {**catalogue.TRAIN, **content.get("train", {})}
    return full


def command_argv(spec: JobSpec) -> list[str]:
    """The words of a command job, its cell's values put in; a leading `python` still stands for the worker's own."""
    return list(spec.content["argv"])


def call_target(spec: JobSpec) -> tuple[str, dict[str, Json]]:
    """What a call job calls: `module:function`, and the keyword arguments."""
    return spec.content["target"], dict(spec.content.get("params", {}))
