"""YAML to nodes: no tags, no second document, no key twice; every mistake is one line with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from jobs.errors import InputError
from jobs.grid.node import Node
from jobs.grid.scalars import plain_scalar

_DEEPEST: Final = 20
_MOST_NODES: Final = 5_000_000  # anchors counted out: a few lines of nested anchors can mean billions of values
_MERGE: Final = "<<"
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")


def read_document(text: str, name: str) -> Node:
    """The one document of a file.

    Args:
        text: the file.
        name: what error lines call it.

    Raises:
        InputError: not YAML 1.2, more than one document, nothing, a tag, a key twice.
    """
    reader = _Reader(name)
    try:
        return reader.document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join((error.problem or error.context or "not YAML").split())
        raise InputError(f"{name}{line}: not YAML: {problem}", "mend it there or on the line before") from error
    except YAMLError as error:
        problem = " ".join(str(error).split())[:120]
        raise InputError(f"{name}: not YAML: {problem}", "save it as plain UTF-8 text") from error


def read_setting(text: str, where: str) -> list[Node]:
    """The values of a `--set`: what stands between commas, each as YAML would read it.

    Raises:
        InputError: not YAML.
    """
    try:
        node = read_document(f"[{text}\n]", where)
    except InputError as error:
        raise InputError(f"{where}: {text!r} is not a list of values", "quote what holds , : [ ] { }") from error
    values = node.value
    if not isinstance(values, list):
        raise InputError(f"{where}: {text!r} is not a list of values", "quote what holds , : [ ] { }")
    return [_moved(item, where) for item in values]


def _moved(node: Node, where: str) -> Node:
    value = node.value
    if isinstance(value, dict):
        return Node({key: _moved(item, where) for key, item in value.items()}, where)
    if isinstance(value, list):
        return Node([_moved(item, where) for item in value], where)
    return Node(value, where)


class _Reader:
    """Builds nodes from parser events; ruamel's own composer would resolve words before their tags can be refused."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._place = (-1, "")

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise InputError(f"{self._at(event)}: a second document", "one grid a file: remove the ---")
                if event.version not in (None, (1, 2)):
                    raise InputError(f"{self._at(event)}: a grid is YAML 1.2", "remove the %YAML line")
                root = self._node(next(events), events, 0)
        if root is None:
            raise InputError(f"{self._name}: empty", "`orch init` writes a grid to start from")
        return root

    def _at(self, event: Any) -> str:
        line = event.start_mark.line + 1
        if line != self._place[0]:
            self._place = (line, f"{self._name}:{line}")
        return self._place[1]

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        where = self._at(event)
        if isinstance(event, AliasEvent):
            return self._alias(event, where)
        if event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise InputError(f"{where}: the tag {tag} is not allowed here", "a grid is plain values: remove it")
        if depth > _DEEPEST:
            raise InputError(f"{where}: nested more than {_DEEPEST} deep", "a grid is flat: undo the nesting")
        before = self._count
        self._add(1, where)
        if isinstance(event, ScalarEvent):
            node = Node(self._scalar(event, where), where)
        elif isinstance(event, SequenceStartEvent):
            node = Node(self._list(events, depth), where)
        else:
            node = Node(self._mapping(events, depth), where)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._count - before)
        return node

    def _add(self, nodes: int, where: str) -> None:
        self._count += nodes
        if self._count > _MOST_NODES:
            raise InputError(f"{where}: more than {_MOST_NODES:,} values", "split the grid")

    def _alias(self, event: Any, where: str) -> Node:
        if event.anchor not in self._anchors:
            raise InputError(f"{where}: nothing above is anchored as &{event.anchor}", "define it before its use")
        node, size = self._anchors[event.anchor]
        self._add(size, where)
        return Node(node.value, where)

    def _scalar(self, event: Any, where: str) -> Any:
        if not event.implicit[0]:
            if _UNWRITABLE.search(event.value):
                raise InputError(f"{where}: a word with a character that no file or program takes", "remove its escape")
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError as error:
            raise InputError(f"{where}: {error}", "quote it to make it a word") from error

    def _list(self, events: Iterator[Any], depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self._node(event, events, depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(event := next(events), MappingEndEvent):
            where = self._at(event)
            key = self._key(event, where)
            value = self._node(next(events), events, depth + 1)
            if key == _MERGE and event.implicit[0]:
                _merge(merged, value, where)
            elif key in found:
                raise InputError(f"{where}: the key {key!r} stands here twice", f"first at {found[key].where}")
            else:
                found[key] = Node(value.value, where)
        return {**found, **{key: value for key, value in merged.items() if key not in found}}

    def _key(self, event: Any, where: str) -> str:
        if isinstance(event, ScalarEvent) and event.tag is None:
            key = self._scalar(event, where)
            if isinstance(key, str) and key:
                return key
        raise InputError(f"{where}: a key must be a word", "quote it if it is meant as one")


def _merge(merged: dict[str, Node], value: Node, where: str) -> None:
    for source in value.value if isinstance(value.value, list) else [value]:
        if not isinstance(source.value, dict):
            raise InputError(f"{where}: << takes a mapping or a list of mappings", "point it at an anchored mapping")
        for key, item in source.value.items():
            merged.setdefault(key, item)
