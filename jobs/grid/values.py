"""Is this value of the type and in the range that its key asks for? pydantic judges; the answer is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from jobs.errors import InputError
from jobs.grid.names import remedy
from jobs.grid.node import Node, plain, shown

Limits = Mapping[str, float]  # ge, gt, le, lt

_MUST: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a word",
    "list_type": "a list",
    "dict_type": "a mapping",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
}


def checked(key: str, node: Node, default: Any, limits: Limits | None = None) -> Any:
    """The value of a parameter, as its type: an int given for a float becomes one.

    Args:
        key: what the error calls it.
        node: what was given.
        default: its type is the parameter's: of a list, the first item's; None stands for a whole number or null.
        limits: of a number, or of each number of a list.

    Raises:
        InputError: another type, or out of range.
    """
    value = plain(node)
    if default is None and value is None:
        return None
    sample = default[0] if isinstance(default, list) else 0 if default is None else default
    item: type = type(sample)
    adapter = _adapter(item, isinstance(default, list), tuple(sorted((limits or {}).items())))
    try:
        found = adapter.validate_python(value, strict=True)
    except ValidationError as error:
        raise InputError(f"{node.where}: {key} is {shown(node)}", _advice(key, error.errors()[0])) from error
    return found + 0.0 if item is float and not isinstance(found, list) else found  # -0.0 is 0.0


def choice(key: str, node: Node, choices: Sequence[str]) -> str:
    """The value of a parameter that is one of a few words.

    Raises:
        InputError: it is not.
    """
    value = node.value
    if isinstance(value, str) and value in choices:
        return value
    word = value if isinstance(value, str) else ""
    raise InputError(f"{node.where}: {key} cannot be {shown(node)}", remedy(word, choices))


@cache
def _adapter(item: type, many: bool, limits: tuple[tuple[str, float], ...]) -> TypeAdapter[Any]:
    bounds: dict[str, Any] = dict(limits)
    one: Any = Annotated[item, Field(**bounds)] if limits else item
    return TypeAdapter(list[one] if many else one)


def _advice(key: str, error: ErrorDetails) -> str:
    must = _MUST.get(error["type"], error["msg"])
    limits = {name: f"{limit:g}" for name, limit in error.get("ctx", {}).items() if isinstance(limit, int | float)}
    each = "each of its values" if error["loc"] else "it"
    advice = f"{each} must be {must.format(**limits)}"
    if error["type"] == "list_type" and "." in key:
        head, _, sub = key.partition(".")
        advice += f" (a list at the top level is an axis: write {head}: {{{sub}: [...]}})"
    return advice
