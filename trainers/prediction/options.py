"""Options of a transform, checked against its entry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from trainers.catalogue import Entry
from trainers.errors import SpecError

VAL: Final = "val"


def checked_options(name: str, found: Entry, values: Mapping[str, Any]) -> dict[str, Any]:
    """The options, those that have limits as numbers.

    Args:
        name: of the transform, for the message.
        found: its entry.
        values: all of its options; None: not given.

    Raises:
        SpecError: what should be a number is neither that nor `val`, or is out of range.
    """
    return {
        key: _checked(f"{name}.{key}", value, found.limits[key]) if key in found.limits else value
        for key, value in values.items()
    }


def _checked(what: str, value: Any, limits: Mapping[str, float]) -> Any:
    if value is None or value == VAL:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpecError(f"{what} is {json.dumps(value)}; give a number, or {VAL}")
    number = float(value)
    if number < limits.get("ge", -math.inf) or number <= limits.get("gt", -math.inf):
        bound = f"at least {limits['ge']:g}" if "ge" in limits else f"above {limits['gt']:g}"
        raise SpecError(f"{what} is {number:g}; it must be {bound}")
    return number
