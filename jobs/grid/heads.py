"""The named parts of a train job, each turned into its canonical form: data set, imbalance, network, loss, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.errors import InputError
from jobs.grid.imbalance import BALANCED, canonical, exact_mu
from jobs.grid.names import remedy
from jobs.grid.node import Node, shown
from jobs.grid.values import checked, choice
from jobs.identity import ratio_word
from trainers import catalogue
from trainers.catalogue import Entry

PRESET = "preset"  # of a part that has some: stands for its values, so that it and they spelled out are one job

Given = dict[str, Node]  # parameter -> value; "" is the name itself


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a train job.

    Attributes:
        content: what goes into the identity; None where everything is at its default.
        view: canonical values by leaf, defaults filled in: what rules match and tables show.
        error: why the part cannot be; raised only if no rule drops the cell.
        data_path: of a `folder` data set.
    """

    content: Any
    view: Mapping[str, Any]
    error: InputError | None = None
    data_path: str | None = field(default=None)


def name_of(head: str, node: Node) -> str:
    """The canonical name that a name or an alias stands for.

    Raises:
        InputError: no such name in the catalogue.
    """
    table, _ = catalogue.NAMED[head]
    value = node.value
    if not isinstance(value, str):
        raise InputError(f"{node.where}: {head} is {shown(node)}", remedy("", table))
    if value in table:
        return value
    for name, entry in table.items():
        if value in entry.aliases:
            return name
    known = [*table, *(catalogue.SAMPLERS if head == "rule" else ())]  # which may stand there too: see methods.py
    raise InputError(f"{node.where}: unknown {head} {value!r}", remedy(value, known))


def split(head: str, given: Given) -> tuple[str, Entry, Given]:
    """The canonical name of a part, its entry, and its parameters under their canonical names.

    Raises:
        InputError: an unknown name, a parameter that the name does not have, or one without a name.
    """
    table, default = catalogue.NAMED[head]
    if "" not in given and given:
        key = "type" if head == "imbalance" else "name"
        advice = "write type in place of name" if "name" in given else f"give its {key} beside its parameters"
        raise InputError(f"{next(iter(given.values())).where}: {head} has no {key}", advice)
    name = name_of(head, given[""]) if "" in given else default
    entry = table[name]
    known = [*entry.params, *entry.required, *(("ratio", "factor") if head == "imbalance" and name != "none" else ())]
    known += [PRESET] if entry.presets else []
    parameters: Given = {}
    for spelled, node in given.items():
        if spelled == "":
            continue
        parameter = entry.param_aliases.get(spelled, spelled)
        if parameter not in known:
            raise InputError(f"{node.where}: {head} {name} has no {spelled!r}", _advice(head, spelled, known))
        if parameter in parameters:
            raise InputError(f"{node.where}: {head}.{parameter} is given twice", "keep one of its spellings")
        parameters[parameter] = node
    return name, entry, parameters


def _advice(head: str, spelled: str, known: list[str]) -> str:
    having = [name for name, entry in catalogue.NAMED[head][0].items() if spelled in entry.params]
    if having:
        verb = "has" if len(having) == 1 else "have"
        return (
            f"{', '.join(having)} {verb}: say `when: [{{if: {{{head}: {having[0]}}}, set: {{{head}.{spelled}: ...}}}}]`"
        )
    return remedy(spelled, known)


def named_part(head: str, given: Given) -> Part:
    """Any part that is a catalogue name with parameters."""
    name, entry, nodes = split(head, given)
    values: dict[str, Any] = {}
    if PRESET in nodes:
        values |= entry.presets[choice(f"{head}.{PRESET}", nodes[PRESET], tuple(entry.presets))]
    for parameter, default in entry.params.items():
        if parameter in nodes:
            values[parameter] = _parameter(f"{head}.{parameter}", nodes[parameter], default, entry, parameter)
    for parameter, kind in entry.required.items():
        if parameter not in nodes:
            where = given[""].where if "" in given else ""
            raise InputError(
                f"{where}: {head} {name} needs {parameter!r}", f"write {head}: {{name: {name}, {parameter}: ...}}"
            )
        values[parameter] = _parameter(f"{head}.{parameter}", nodes[parameter], kind(), entry, parameter)
    sparse = {key: value for key, value in values.items() if key in entry.required or value != entry.params[key]}
    view = {head: name} | {f"{head}.{key}": value for key, value in {**entry.params, **values}.items()}
    is_default = not sparse and name == catalogue.NAMED[head][1]
    return Part(None if is_default else {"name": name, **sparse}, view)


def _parameter(key: str, node: Node, default: Any, entry: Entry, parameter: str) -> Any:
    choices = entry.choices.get(parameter)
    return choice(key, node, choices) if choices else checked(key, node, default, entry.limits.get(parameter))


def dataset_part(given: Given, fingerprint: Callable[[Node], tuple[str, str]]) -> Part:
    """A data set; of a `folder` the identity holds a fingerprint in place of the path.

    Args:
        given: as written.
        fingerprint: from the path's node to (path as the spec holds it, fingerprint).
    """
    part = named_part("dataset", given)
    if part.view["dataset"] != "folder":
        return part
    path, digest = fingerprint(given["path"])
    content = {**part.content, "fingerprint": digest}
    del content["path"]
    return Part(content, {**part.view, "dataset.path": path}, data_path=path)


def imbalance_part(given: Given) -> Part:
    """How images are spread over classes."""
    name, entry, nodes = split("imbalance", given)
    if name == "none":
        return Part(None, {"imbalance": "none", "imbalance.mu": "1"})
    mu = exact_mu(nodes)
    if mu is None:
        raise InputError(
            f"{given[''].where}: imbalance {name} says not how much", f"write {{type: {name}, ratio: 100}}"
        )
    n_max = checked("imbalance.n_max", nodes["n_max"], None, entry.limits.get("n_max")) if "n_max" in nodes else None
    content = canonical(name, mu, n_max)
    if content is None:
        return Part(None, {"imbalance": "none", "imbalance.mu": str(BALANCED)})
    view = {"imbalance": content["type"], "imbalance.mu": content["mu"], "imbalance.n_max": n_max}
    return Part(content, view)


def imbalance_label(view: Mapping[str, Any]) -> str:
    """An imbalance in a word: none, exp-100."""
    name = str(view["imbalance"])
    return name if name == "none" else f"{name}-{ratio_word(view['imbalance.mu'])}"


def val_part(given: Given) -> Part:
    """The validation split."""
    if len(given) > 1:
        node = next(iter(given.values()))
        raise InputError(f"{node.where}: val says two things", "give one of none, {per_class: k}, {fraction: f}")
    if not given:
        return Part(None, {"val": "none"})
    (kind, node), *_ = given.items()
    if kind == "per_class":
        per_class = checked("val.per_class", node, 0, {"ge": 1})
        return Part({"per_class": per_class}, {"val": f"per_class-{per_class}", "val.per_class": per_class})
    if kind == "fraction":
        fraction = checked("val.fraction", node, 0.0, {"gt": 0, "lt": 1})
        return Part({"fraction": fraction}, {"val": f"fraction-{fraction:g}", "val.fraction": fraction})
    if node.value != "none":
        raise InputError(f"{node.where}: val is {shown(node)}", "give one of none, {per_class: 50}, {fraction: 0.1}")
    return Part(None, {"val": "none"})


def plain_part(head: str, given: Given) -> Part:
    """A key with one value: a seed, how the reported epoch is chosen, ..."""
    default = catalogue.PLAIN[head]
    if not given:
        return Part(None, {head: default})
    node = given[""]
    value = (
        choice(head, node, catalogue.SELECTIONS)
        if head == "select"
        else checked(head, node, default, catalogue.PLAIN_LIMITS.get(head))
    )
    return Part(None if value == default else value, {head: value})
