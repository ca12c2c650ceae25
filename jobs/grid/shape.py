"""From `key: value` to leaves: the one-level dotted form that cells, rules and --set share."""

from __future__ import annotations

from jobs.errors import InputError
from jobs.grid.kind import Leaves
from jobs.grid.node import Node, shown


def named_leaves(key: str, node: Node, name_key: str = "name") -> Leaves:
    """The leaves of a value that is a name or a mapping with a name: `loss`, `loss.gamma`.

    Raises:
        InputError: a list, or the name twice.
    """
    head, _, sub = key.partition(".")
    if sub:
        return {head if sub == name_key else key: node}
    if not isinstance(node.value, dict):
        return {key: scalar(key, node)}
    return {key if sub == name_key else f"{key}.{sub}": item for sub, item in node.value.items()}


def mapping_leaves(key: str, node: Node, example: str) -> Leaves:
    """The leaves of a value that must be a mapping: `train.lr`, `params.i`.

    Raises:
        InputError: it is not a mapping.
    """
    if "." in key:
        return {key: node}
    if not isinstance(node.value, dict):
        raise InputError(f"{node.where}: {key} is {shown(node)}", f"it must be a mapping, as in {example}")
    return {f"{key}.{sub}": item for sub, item in node.value.items()}


def scalar(key: str, node: Node) -> Node:
    """The node itself, which must be a scalar.

    Raises:
        InputError: it is a list or a mapping.
    """
    if not node.is_scalar:
        raise InputError(f"{node.where}: {key} is {shown(node)}", "it takes one plain value")
    return node
