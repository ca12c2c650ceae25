"""One text for one value: what is hashed, and what plans hold."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, ASCII.

    Raises:
        ValueError: an infinite number or NaN.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
