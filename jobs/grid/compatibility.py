"""Cells whose values are good each and not together: refused before anything is planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.errors import InputError
from jobs.grid.kind import Leaves
from trainers import catalogue
from trainers.catalogue.compatibility import clash_of


def check(cell: Leaves, views: Mapping[str, Any]) -> None:
    """Refuse a job that cannot be.

    Args:
        cell: as written, for the line to blame.
        views: the canonical values by leaf, defaults filled in.

    Raises:
        InputError: what clashes, where, and the nearest thing that works.
    """
    if views["select"] == "best_val" and views["val"] == "none":
        problem = f"{cell['select'].where}: select best_val needs a validation split"
        raise InputError(problem, "say val: {per_class: 50}")
    if catalogue.LOSSES[views["loss"]].needs_val and views["val"] == "none":
        problem = f"{_where(cell, ('loss', 'val'))}: loss {views['loss']} learns from a validation split"
        raise InputError(problem, "say val: {per_class: 50}")
    clash = clash_of(views)
    if clash is not None:
        raise InputError(f"{_where(cell, clash.keys)}: {clash.problem}", clash.remedy)


def _where(cell: Leaves, keys: Iterable[str]) -> str:
    """The place of the first of some values that was written; a sampler may stand under `rule`."""
    for key in keys:
        for leaf in _spellings(key):
            if leaf in cell:
                return cell[leaf].where
    return "the grid"


def _spellings(key: str) -> list[str]:
    head, _, parameter = key.partition(".")
    entries = catalogue.NAMED[head][0].values() if head in catalogue.NAMED else ()
    others = [
        f"{head}.{alias}" for entry in entries for alias, name in entry.param_aliases.items() if name == parameter
    ]
    return [key, *others, *(["rule"] if key == "sampler" else [])]
