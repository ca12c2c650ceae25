"""What an unquoted YAML word is: the core schema of YAML 1.2, so `1e-3` is a number and `no` and dates are words."""

from __future__ import annotations

import math
import re
from typing import Final

Scalar = bool | int | float | str | None

_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL: Final = re.compile(r"[-+]?[0-9]+")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MOST_DIGITS: Final = 400


def plain_scalar(word: str) -> Scalar:
    """The value of an unquoted word.

    Raises:
        ValueError: infinite, not a number, or a number beyond what a float holds: JSON has no word for it.
    """
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in "+-.0123456789":
        return word
    if _NOT_FINITE.fullmatch(word) or (len(word) > _MOST_DIGITS and (_FLOAT.fullmatch(word) or _BASED.fullmatch(word))):
        raise ValueError(f"{word[:40]} is no finite number")
    if _DECIMAL.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        number = float(word)
        if math.isinf(number):
            raise ValueError(f"{word[:40]} is no finite number")
        return number
    return int(word, 0) if _BASED.fullmatch(word) else word
