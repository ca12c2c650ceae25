"""Parameters of what a name of the catalogue stands for, checked against its entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainers.catalogue import Entry
from trainers.errors import SpecError
from trainers.names import parameters, unknown

_WORDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def checked_options(name: str, found: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method, the given ones over the defaults.

    Args:
        name: of the method, for the message.
        found: its entry.
        given: by the user; an int is taken for a float.

    Raises:
        SpecError: an option that the method does not have, or a value of the wrong type or out of range.
    """
    values = parameters(found, name, given)
    return {key: _checked(f"{name}.{key}", value, found, key) for key, value in values.items()}


def _checked(what: str, value: Any, found: Entry, key: str) -> Any:
    if key in found.choices:
        if value not in found.choices[key]:
            raise unknown(what, str(value), found.choices[key])
        return value
    kind: Any = type(found.params[key])
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise SpecError(f"{what} is {value!r}; give {'a number' if kind is float else f'one {kind.__name__}'}")
    if not math.isfinite(value):
        raise SpecError(f"{what} is {value!r}; give a finite number")
    for bound, limit in found.limits.get(key, {}).items():
        if not _holds(value, bound, limit):
            raise SpecError(f"{what} is {value!r}; it must be {_WORDS[bound]} {limit:g}")
    return kind(value)


def _holds(value: float, bound: str, limit: float) -> bool:
    return {"ge": value >= limit, "gt": value > limit, "le": value <= limit, "lt": value < limit}[bound]
