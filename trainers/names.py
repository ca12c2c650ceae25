"""From a catalogue name to the code behind it; a wrong name or parameter names the nearest good one."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from trainers.catalogue import Entry
from trainers.errors import SpecError


def unknown(kind: str, name: str, known: Iterable[str]) -> SpecError:
    """The error for a name that is not among the known ones: says the nearest, or all."""
    known = list(known)
    nearest = get_close_matches(name, known, n=1)
    remedy = f"did you mean {nearest[0]!r}?" if nearest else f"there is {', '.join(known) or 'none'}"
    return SpecError(f"unknown {kind} {name!r}; {remedy}")


def entry(table: Mapping[str, Entry], kind: str, name: str) -> tuple[str, Entry]:
    """The canonical name and the entry of a name or of an alias.

    Args:
        table: one table of the catalogue.
        kind: what the table holds, for the message.
        name: as a user may spell it.

    Raises:
        SpecError: no entry has this name.
    """
    for canonical, candidate in table.items():
        if name == canonical or name in candidate.aliases:
            return canonical, candidate
    raise unknown(kind, name, table)


def parameters(found: Entry, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of an entry: the given ones over the defaults, under their canonical names.

    Raises:
        SpecError: a parameter that the entry does not have, or a required one that is missing.
    """
    renamed = {found.param_aliases.get(key, key): value for key, value in given.items()}
    known = [*found.params, *found.required]
    for key in renamed:
        if key not in known:
            raise unknown(f"parameter of {kind}", key, known)
    for key in found.required:
        if key not in renamed:
            raise SpecError(f"{kind} needs {key!r}; give it")
    return {**found.params, **renamed}


def code(found: Entry) -> Any:
    """The object that an entry points to; imports its module."""
    return pkgutil.resolve_name(found.target)
