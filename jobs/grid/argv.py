"""The words of a command with a cell's values put in: `{axis}`, and `{{` for a brace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from jobs.errors import InputError
from jobs.grid.kind import Leaves
from jobs.grid.node import Node, shown

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def read_argv(node: Node | None, where: str) -> tuple[Node, ...]:
    """The words of a command, checked.

    Args:
        node: the grid's `argv`.
        where: the grid, for the error when there is none.

    Raises:
        InputError: no list, an empty one, or a word that is not one or has a stray brace.
    """
    if node is None:
        raise InputError(f"{where}: kind command needs an argv", "write argv: [python, train.py, --lr, '{lr}']")
    if not isinstance(node.value, list) or not node.value:
        found = shown(node) if node.value else "empty"
        raise InputError(f"{node.where}: argv is {found}", "it must be a list of words: there is no shell")
    for word in node.value:
        if not word.is_scalar or word.value is None:
            raise InputError(f"{word.where}: a word of argv is {shown(word)}", "quote it: YAML reads {x} as a mapping")
        for piece, field in _pieces(word):
            if piece in ("{", "}") or field == "":
                raise InputError(f"{word.where}: a stray brace in {shown(word)}", "write {{ or }} for a brace")
    return tuple(node.value)


def fields(words: Sequence[Node]) -> dict[str, Node]:
    """The keys that the words name, each with the word that names it."""
    return {_leaf(field): word for word in words for _, field in _pieces(word) if field is not None}


def substituted(words: Sequence[Node], cell: Leaves) -> list[str]:
    """The command of a cell.

    Raises:
        InputError: the cell lacks a value, or has one that is no scalar.
    """
    return ["".join(_text(piece, field, word, cell) for piece, field in _pieces(word)) for word in words]


def scalar_text(node: Node) -> str:
    """A scalar as a command sees it: true and false as YAML writes them."""
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _pieces(word: Node) -> Iterator[tuple[str, str | None]]:
    if not isinstance(word.value, str):
        yield scalar_text(word), None
        return
    for match in _PIECE.finditer(word.value):
        yield match.group(), match.group(1)


def _leaf(field: str) -> str:
    head, _, sub = field.partition(".")
    return head if sub == "name" else field


def _text(piece: str, field: str | None, word: Node, cell: Leaves) -> str:
    if field is None:
        return {"{{": "{", "}}": "}"}.get(piece, piece)
    node = cell.get(_leaf(field))
    if node is None:
        raise InputError(f"{word.where}: a cell has no {field!r} for argv", "give it a value in every cell")
    if not node.is_scalar or node.value is None:
        raise InputError(f"{node.where}: {field} is {shown(node)}", "argv takes plain values: name one of its keys")
    return scalar_text(node)
