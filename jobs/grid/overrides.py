"""`--set key=value[,value...]`: replaces a key or an axis before anything is expanded."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.errors import InputError
from jobs.grid.node import Node, values_of
from jobs.grid.policy import is_policy
from jobs.grid.reading import read_setting
from jobs.grid.tables import Document


def read_overrides(sets: Sequence[str]) -> dict[str, Node]:
    """The keys that --set gives: one value as it is, several as a list node whose items are the axis.

    Raises:
        InputError: no `key=value`, no value, or a key set twice.
    """
    found: dict[str, Node] = {}
    for text in sets:
        key, equals, values = text.partition("=")
        key, where = key.strip(), f"--set {' '.join(text.split())}"
        if not equals or not key:
            raise InputError(f"{where}: no key=value", "write --set train.epochs=5 or --set seed=0,1")
        if key in found:
            raise InputError(f"{where}: {key} is set twice", f"write --set {key}=one,two for two values")
        nodes = read_setting(values, where)
        if not nodes:
            raise InputError(f"{where}: no value", f"write --set {key}=value")
        found[key] = Node(nodes, where)
    return found


def override(document: Document, key: str, given: Node) -> None:
    """Replace a key or an axis, wherever the grid has it: as a key of its own or inside a mapping.

    Args:
        document: changed in place.
        key: dotted.
        given: its values, a list node.

    Raises:
        InputError: a key that this grid cannot have.
    """
    values = values_of(given)
    if not is_policy(key):
        document.kind.settable(key, _known_keys(document))
    replaced = _replaced(document, key, values[0])
    position = next((old for old in document.axes if old in replaced), key)
    axes = {(key if old == position else old): axis for old, axis in document.axes.items()}
    axes = {old: axis for old, axis in axes.items() if old == key or old not in replaced}
    settings = {old: node for old, node in document.settings.items() if old not in replaced}
    if "." in key:
        settings = {old: _without(old, node, replaced) for old, node in settings.items()}
        axes = {
            old: Node([_without(old, node, replaced) for node in values_of(axis)], axis.where)
            for old, axis in axes.items()
        }
    if len(values) > 1:
        axes[key] = given
    else:
        axes.pop(key, None)
        settings[key] = values[0]
    document.axes, document.settings = axes, settings


def _replaced(document: Document, key: str, value: Node) -> set[str]:
    if is_policy(key):
        return {key}
    leaves = document.kind.leaves(key, value)
    replaced = {key, *(rival for leaf in leaves for rival in document.kind.rivals.get(leaf, ()))}
    head = key.partition(".")[0]
    if key != head and head in leaves:  # `loss.name` says what a plain `loss: ce` says
        given = [document.settings.get(head), *(values_of(document.axes[head]) if head in document.axes else ())]
        if all(node is None or node.is_scalar for node in given):
            replaced.add(head)
    return replaced


def _without(key: str, node: Node, replaced: set[str]) -> Node:
    if not isinstance(node.value, dict):
        return node
    return Node({sub: item for sub, item in node.value.items() if f"{key}.{sub}" not in replaced}, node.where)


def _known_keys(document: Document) -> list[str]:
    nodes = [(key, node) for key, node in document.settings.items()]
    nodes += [(key, node) for key, axis in document.axes.items() for node in values_of(axis)]
    inside = [f"{key}.{sub}" for key, node in nodes if isinstance(node.value, dict) for sub in node.value]
    return list(dict.fromkeys([*document.settings, *document.axes, *inside]))
