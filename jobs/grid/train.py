"""Train jobs: keys checked against the catalogue, cells turned into canonical content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from jobs.errors import InputError
from jobs.grid.compatibility import check
from jobs.grid.heads import (
    Given,
    Part,
    dataset_part,
    imbalance_label,
    imbalance_part,
    name_of,
    named_part,
    plain_part,
    val_part,
)
from jobs.grid.imbalance import BALANCED, exact_mu
from jobs.grid.kind import MISSING, Leaves, Made
from jobs.grid.methods import METHODS, deferred_once, is_sampler, method_part
from jobs.grid.names import nearest, remedy
from jobs.grid.node import Node, plain, shown
from jobs.grid.shape import mapping_leaves, named_leaves, scalar
from jobs.grid.training import PRESET, preset_values, training_part
from trainers import catalogue
from trainers.data.fingerprint import folder_fingerprint

_MOST_PARTS: Final = 10_000
MAIN: Final = ("dataset", "imbalance", "backbone", "loss", "seed")


class TrainKind:
    """`kind: train`.

    Args:
        data_root: what a relative path of a folder data set is relative to.
    """

    merging: ClassVar[Collection[str]] = ("train",)
    rivals: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "imbalance.ratio": ("imbalance.factor",),
        "imbalance.factor": ("imbalance.ratio",),
        "val": ("val.per_class", "val.fraction"),
        "val.per_class": ("val", "val.fraction"),
        "val.fraction": ("val", "val.per_class"),
    }

    def __init__(self, data_root: Path) -> None:
        self._data_root = data_root
        self._heads = (*catalogue.NAMED, *catalogue.PLAIN, "train")
        self._leaves: dict[str, tuple[str, ...]] = {}
        self._varying: tuple[str, ...] = ()
        self._parts: dict[tuple[str, tuple[Node | None, ...]], Part] = {}
        self._fingerprints: dict[str, str] = {}

    def leaves(self, key: str, node: Node) -> Leaves:
        """The leaves of one key; see `JobKind`."""
        head, _, sub = key.partition(".")
        if head == "train":
            leaves = mapping_leaves(key, node, "train: {epochs: 5}")
            for leaf, item in leaves.items():
                name = leaf.removeprefix("train.")
                if name != PRESET and name not in catalogue.TRAIN:
                    raise InputError(f"{item.where}: unknown key {leaf!r}", _train_remedy(name))
            return leaves
        if head in catalogue.NAMED:
            return named_leaves(key, node, "type" if head == "imbalance" else "name")
        if head == "val":
            leaves = {key: node} if sub or node.is_scalar else mapping_leaves(key, node, "val: {per_class: 50}")
            for leaf, item in leaves.items():
                if leaf not in self.rivals:
                    raise InputError(f"{item.where}: unknown key {leaf!r}", "use val.per_class or val.fraction")
            return leaves
        if key in catalogue.PLAIN:
            return {key: scalar(key, node)}
        raise InputError(f"{node.where}: unknown key {key!r}", self._remedy(key))

    def settable(self, key: str, keys: Collection[str]) -> None:
        """Every key of a train job may be set; `leaves` refuses the others."""

    def prepare(self, leaves: Collection[str], axes: Iterable[str]) -> None:
        """See `JobKind`."""
        self._leaves = {
            head: tuple(sorted(leaf for leaf in leaves if leaf.partition(".")[0] in _TOGETHER.get(head, (head,))))
            for head in self._heads
        }
        self._varying = tuple(axes)

    def pattern(self, leaves: Leaves) -> dict[str, Any]:
        """See `JobKind`: aliases, presets and ratios are read as in a cell."""
        wanted: dict[str, Any] = {}
        for leaf, node in leaves.items():
            head, _, sub = leaf.partition(".")
            if head == "rule" and is_sampler(leaves.get("rule")):
                head = "sampler"
            if head in catalogue.NAMED and not sub:
                wanted[head] = name_of(head, node)
            elif leaf in ("imbalance.ratio", "imbalance.factor"):
                wanted["imbalance.mu"] = str(exact_mu({sub: node}))
            elif leaf == f"train.{PRESET}":
                wanted |= {f"train.{key}": value for key, value in preset_values(node).items()}
            else:
                wanted[self._spelled(head, sub) if sub else head] = plain(node)
        if wanted.get("imbalance.mu") == str(BALANCED):
            wanted.pop("imbalance", None)  # at ratio 1 every type is `none`
        return wanted

    def value(self, cell: Leaves, leaf: str) -> Any:
        """See `JobKind`."""
        return self._part(leaf.partition(".")[0], cell).view.get(leaf, MISSING)

    def make(self, cell: Leaves) -> Made:
        """See `JobKind`."""
        content: dict[str, Any] = {}
        views: dict[str, Any] = {}
        parts = {head: self._part(head, cell) for head in self._heads}
        for head, part in parts.items():
            if part.error is not None:
                raise part.error
            views |= part.view
            if part.content is not None:
                content[head] = part.content
        check(cell, views)
        deferred_once(content, views)
        data_path = parts["dataset"].data_path
        return Made(content, self._cell(content, views, data_path), data_path)

    def _part(self, head: str, cell: Leaves) -> Part:
        key = (head, tuple(map(cell.get, self._leaves.get(head, ()))))
        part = self._parts.get(key)
        if part is None:
            if len(self._parts) >= _MOST_PARTS:  # an axis of very many seeds: each is used once
                self._parts.clear()
            leaves = {leaf: cell[leaf] for leaf in self._leaves.get(head, ()) if leaf in cell}
            part = self._parts[key] = self._resolved(head, leaves)
        return part

    def _resolved(self, head: str, leaves: Leaves) -> Part:
        given = {leaf[len(head) + 1 :]: node for leaf, node in leaves.items() if leaf.partition(".")[0] == head}
        try:
            if head in METHODS:
                return method_part(head, leaves)
            if head == "dataset":
                return dataset_part(given, self._fingerprint)
            if head in _READERS:
                return _READERS[head](given)
            return named_part(head, given) if head in catalogue.NAMED else plain_part(head, given)
        except InputError as error:
            # A rule may still drop the cells that this spoils, so it is matched by what was written.
            view = {f"{head}.{sub}" if sub else head: plain(node) for sub, node in given.items()}
            if head in catalogue.NAMED and _is_known(head, given):
                view[head] = name_of(head, given[""])
            return Part(None, view, error)

    def _fingerprint(self, node: Node) -> tuple[str, str]:
        if not isinstance(node.value, str) or not node.value:
            raise InputError(f"{node.where}: dataset.path is {shown(node)}", "it must be a path")
        path = str(PurePosixPath(node.value))
        if path not in self._fingerprints:
            folder = self._data_root.absolute() / path
            try:
                self._fingerprints[path] = folder_fingerprint(folder)
            except (OSError, ValueError) as error:
                problem, _, advice = str(error).partition("; ")
                advice = f"{advice}; " if advice else ""
                raise InputError(f"{node.where}: {problem}", f"{advice}a relative path starts at ORCH_DATA") from error
        return path, self._fingerprints[path]

    def _spelled(self, head: str, sub: str) -> str:
        for entry in catalogue.NAMED[head][0].values() if head in catalogue.NAMED else ():
            if sub in entry.param_aliases:
                return f"{head}.{entry.param_aliases[sub]}"
        return f"{head}.{sub}"

    def _cell(self, content: dict[str, Any], views: dict[str, Any], data_path: str | None) -> dict[str, Any]:
        cell = {head: views[head] for head in MAIN}
        cell["imbalance"] = imbalance_label(views)
        if data_path is not None:
            cell["dataset"] = PurePosixPath(data_path).name
        methods = METHODS if any(leaf.partition(".")[0] in METHODS for leaf in self._varying) else ()
        for head in ("dataset", "imbalance", "backbone", "loss", *methods):
            part = content.get(head, {})
            cell |= {f"{head}.{key}": part[key] for key in part if key not in _LABELLED}
        for leaf in dict.fromkeys((*self._varying, *methods)):
            leaf = "val" if leaf.startswith("val.") else leaf
            if leaf not in cell and leaf in views and leaf != "dataset.path":
                cell[leaf] = views[leaf]
        return {leaf: _readable(value) for leaf, value in cell.items()}

    def _remedy(self, key: str) -> str:
        known = [*self._heads, *_GRID_WORDS]
        if key.partition(".")[0] == "params":
            return "params belong to kind: call and kind: command"
        if key in catalogue.TRAIN or key == PRESET:
            return f"use train.{key}"
        owners = [
            head for head, (table, _) in catalogue.NAMED.items() if any(key in entry.params for entry in table.values())
        ]
        if owners:
            return f"use {owners[0]}.{key}"
        near = nearest(key, catalogue.TRAIN)
        return f"use train.{near}" if near and not nearest(key, known) else remedy(key, known)


_READERS: Final[Mapping[str, Callable[[Given], Part]]] = {
    "imbalance": imbalance_part,
    "val": val_part,
    "train": training_part,
}
_TOGETHER: Final = dict.fromkeys(METHODS, METHODS)  # read together: a sampler may stand under `rule`
_LABELLED: Final = ("name", "type", "mu", "fingerprint")
_GRID_WORDS: Final = (
    *("name", "kind", "needs", "resources", "priority", "max_attempts", "timeout", "notes"),
    *("zip", "exclude", "include", "when"),
)


def _train_remedy(name: str) -> str:
    known = [PRESET, *catalogue.TRAIN]
    near = nearest(name, known)
    return f"use train.{near}" if near else remedy(name, known)


def _is_known(head: str, given: Given) -> bool:
    table, _ = catalogue.NAMED[head]
    word = given[""].value if "" in given else None
    return isinstance(word, str) and (word in table or any(word in entry.aliases for entry in table.values()))


def _readable(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value
