"""A grid file read and checked, with its --set applied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jobs.errors import InputError
from jobs.grid.call import CallKind
from jobs.grid.command import CommandKind
from jobs.grid.kind import JobKind
from jobs.grid.names import remedy
from jobs.grid.node import Node, shown, values_of
from jobs.grid.overrides import override, read_overrides
from jobs.grid.policy import is_policy
from jobs.grid.reading import read_document
from jobs.grid.tables import Document
from jobs.grid.train import TrainKind
from jobs.identity import is_job_id
from jobs.spec import Kind

RULE_WORDS: Final = ("zip", "exclude", "include", "when")
KINDS: Final = ("train", "command", "call")
_WORDS: Final = ("name", "kind", "needs", *RULE_WORDS, "argv", "target")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_grid(path: Path, sets: Sequence[str], data_root: Path) -> Document:
    """Read a grid file and apply --set.

    Args:
        path: the file.
        sets: `key=value[,value...]`, each at most once.
        data_root: what a relative path of a folder data set is relative to.

    Raises:
        InputError: the first mistake.
    """
    source = str(path)
    top = _top(_text(path), source)
    words: dict[str, Node] = {key: top.pop(key) for key in _WORDS if key in top}
    kind_name = _kind_name(words.get("kind"))
    kind = _kind(kind_name, words, data_root, source)
    for word, owner in (("argv", CommandKind), ("target", CallKind)):
        if word in words and not isinstance(kind, owner):
            raise InputError(f"{words[word].where}: a {kind_name} job has no {word}", "remove it or change the kind")
    document = Document(
        source=source,
        name=path.stem,
        kind_name=kind_name,
        kind=kind,
        needs=_needs(words.get("needs")),
        settings={key: node for key, node in top.items() if not isinstance(node.value, list)},
        axes={key: node for key, node in top.items() if isinstance(node.value, list)},
        rules={word: words[word] for word in RULE_WORDS if word in words},
        is_set=bool(sets),
    )
    overrides = read_overrides(sets)
    name = overrides.pop("name", None)
    document.name = _name(words.get("name") if name is None else values_of(name)[0], path)
    for key, given in overrides.items():
        if key in _WORDS:
            raise InputError(f"{given.where}: {key} cannot be set", "change it in the grid")
        override(document, key, given)
    _check_axes(document)
    return document


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", "`orch init` writes a grid to start from") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}", "save it as plain UTF-8 text") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "name a grid file") from error


def _top(text: str, source: str) -> dict[str, Node]:
    root = read_document(text, source)
    if isinstance(root.value, dict) and root.value:
        return dict(root.value)
    if root.value is None or root.value == {}:
        raise InputError(f"{source}: empty", "`orch init` writes a grid to start from")
    raise InputError(f"{root.where}: a grid is a mapping, not {shown(root)}", "write key: value lines")


def _kind_name(node: Node | None) -> Kind:
    if node is None:
        return "train"
    for kind in KINDS:
        if node.value == kind:
            return kind
    word = node.value if isinstance(node.value, str) else ""
    raise InputError(f"{node.where}: unknown kind {shown(node)}", remedy(word, KINDS))


def _kind(name: Kind, words: dict[str, Node], data_root: Path, source: str) -> JobKind:
    if name == "train":
        return TrainKind(data_root)
    return CommandKind(words.get("argv"), source) if name == "command" else CallKind(words.get("target"), source)


def _name(node: Node | None, path: Path) -> str:
    name = path.stem if node is None else node.value
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    where, what = (str(path), repr(name)) if node is None else (node.where, shown(node))
    raise InputError(
        f"{where}: {what} cannot be the name of an experiment",
        "say `name:` with letters, digits, . _ - and a letter or digit first, quoted if it is a number",
    )


def _needs(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, list):
        raise InputError(f"{node.where}: needs is {shown(node)}", "it must be a list of job ids")
    ids = set()
    for item in node.value:
        if not isinstance(item.value, str) or not is_job_id(item.value):
            raise InputError(
                f"{item.where}: {shown(item)} is no job id", "copy ids from `orch status --json` or `orch show`"
            )
        ids.add(item.value)
    return tuple(sorted(ids))


def _check_axes(document: Document) -> None:
    for key, axis in document.axes.items():
        if is_policy(key):
            raise InputError(f"{axis.where}: {key} cannot be an axis: it is no part of a job", "give it one value")
        if not axis.value:
            raise InputError(f"{axis.where}: the axis {key!r} is empty", "give it a value or remove it")
        for node in values_of(axis):
            if isinstance(node.value, list):
                raise InputError(
                    f"{node.where}: a value of the axis {key!r} is a list", "an axis value is a scalar or a mapping"
                )
