"""The language in which people choose jobs: conditions on a job's cell, and names of states."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final, Protocol

from jobs.errors import InputError

if TYPE_CHECKING:
    from pyparsing import ParserElement, ParseResults

Cell = Mapping[str, Any]  # dotted keys and readable values, as `JobSpec.cell`
EXAMPLE: Final = "--where 'loss=focal and seed<3'"

_NUMBER: Final = re.compile(r"[+-]?(\d+|(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?)")
_VALUE: Final = "a value"
_WORDS: Final[Mapping[object, frozenset[str]]] = {
    None: frozenset({"none", "null"}),
    True: frozenset({"true"}),
    False: frozenset({"false"}),
}
_ORDERS: Final[Mapping[str, Callable[[float, float], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, slots=True)
class Value:
    """What a condition compares with: a number where it is written as one and stands in no quotes."""

    text: str
    number: float | None = None

    def equals(self, value: object) -> bool:
        """Whether a cell's value is this one: as numbers where both are, else as text."""
        if self.number is not None and (other := _number(value)) is not None:
            return other == self.number
        if value is None or isinstance(value, bool):
            return self.text.lower() in _WORDS[value]
        return str(value) == self.text


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    return int(value) if value.lstrip("+-").isdecimal() else float(value)


class Where(Protocol):
    """A condition on a cell. A cell without a key it compares does not meet the comparison (so it does meet `!=`)."""

    def matches(self, cell: Cell) -> bool: ...

    def keys(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class IsIn:
    """The key has one of these values; `=` is a list of one."""

    key: str
    values: tuple[Value, ...]

    def matches(self, cell: Cell) -> bool:
        return self.key in cell and any(value.equals(cell[self.key]) for value in self.values)

    def keys(self) -> frozenset[str]:
        return frozenset({self.key})


@dataclass(frozen=True, slots=True)
class Ordered:
    """The key's value is a number, and stands so to another."""

    key: str
    sign: str
    bound: float

    def matches(self, cell: Cell) -> bool:
        number = _number(cell.get(self.key))
        return number is not None and _ORDERS[self.sign](number, self.bound)

    def keys(self) -> frozenset[str]:
        return frozenset({self.key})


@dataclass(frozen=True, slots=True)
class Not:
    part: Where

    def matches(self, cell: Cell) -> bool:
        return not self.part.matches(cell)

    def keys(self) -> frozenset[str]:
        return self.part.keys()


@dataclass(frozen=True, slots=True)
class Both:
    """All parts hold."""

    parts: tuple[Where, ...]

    def matches(self, cell: Cell) -> bool:
        return all(part.matches(cell) for part in self.parts)

    def keys(self) -> frozenset[str]:
        return frozenset().union(*(part.keys() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Where, ...]

    def matches(self, cell: Cell) -> bool:
        return any(part.matches(cell) for part in self.parts)

    def keys(self) -> frozenset[str]:
        return frozenset().union(*(part.keys() for part in self.parts))


def parse_where(text: str) -> Where:
    """The condition that a text stands for.

    `=`, `!=`, `<`, `<=`, `>`, `>=` and `in (a, b)` compare a key with values; `not`, `and`, `or` bind in this order,
    and parentheses group.

    Raises:
        InputError: it is none; which column, and what was expected there.
    """
    from pyparsing import ParseBaseException

    try:
        (where,) = _grammar().parse_string(text if text.strip() else "")
    except ParseBaseException as error:
        raise InputError(_complaint(text, error.loc, str(error.msg)), f"for example: {EXAMPLE}") from error
    except RecursionError as error:
        raise InputError("--where: nested too deeply", f"for example: {EXAMPLE}") from error
    made: Where = where
    return made


def _complaint(text: str, place: int, said: str) -> str:
    column = len(text) - len(text[place:].lstrip())
    rest = text[column:].split()
    if rest and rest[0][0] in "'\"" and said.endswith(_VALUE):
        return f"--where {text!r}: column {column + 1}: a quote that is not closed"
    found = repr(rest[0]) if rest else "the end"
    return f"--where {text!r}: column {column + 1}: {said.removeprefix('Expected ')} should stand there, not {found}"


@cache
def _grammar() -> ParserElement:
    # Here, not above: only who says --where pays for the library.
    from pyparsing import CaselessKeyword, Forward, Literal, MatchFirst, QuotedString, Regex, StringEnd, Suppress

    not_, and_, or_, in_ = (CaselessKeyword(word) for word in ("not", "and", "or", "in"))
    reserved = MatchFirst([not_, and_, or_, in_])
    bare = ~reserved + Regex(r"[^\s()'\"=<>!,]+")
    marks: dict[str, Any] = {"esc_char": "\\", "multiline": True, "convert_whitespace_escapes": False}
    quoted = QuotedString('"', **marks) | QuotedString("'", **marks)
    bare.set_parse_action(lambda found: Value(found[0], _number(found[0])))
    quoted.set_parse_action(lambda found: Value(found[0]))
    value = (quoted | bare).set_name(_VALUE)
    number = Regex(_NUMBER.pattern + r"(?![^\s()'\"=<>!,])").set_name("a number")
    number.set_parse_action(lambda found: _number(found[0]))
    key = (~reserved + Regex(r"[A-Za-z_][\w.-]*")).set_name("a key")

    equal = (Literal("==") | Literal("=")).suppress() - value
    unequal = Literal("!=") - value
    ordered = Regex(r"<=|>=|<|>") - number
    closed = Literal(")").set_name("',' or ')'")
    among = in_.suppress() - Literal("(").suppress() - value + (Suppress(",") - value)[...] - closed.suppress()
    rest = (equal | unequal | ordered | among).set_name("one of = != < <= > >= or 'in ('")
    comparison = (key - rest).set_parse_action(_comparison)

    factor, condition = Forward(), Forward()
    closing = Literal(")").set_name("'and', 'or' or ')'").suppress()
    grouped = Literal("(").suppress() - condition - closing
    negated = (not_.suppress() - factor).set_parse_action(lambda found: Not(found[0]))
    factor <<= (negated | grouped | comparison).set_name("a key, 'not' or '('")
    term = (factor + (and_.suppress() - factor)[...]).set_parse_action(_joined(Both))
    condition <<= (term + (or_.suppress() - term)[...]).set_parse_action(_joined(Either))
    # Tabs stay: columns count, and a value may hold one.
    return (condition + StringEnd().set_name("'and', 'or' or the end")).parse_with_tabs()


def _comparison(found: ParseResults) -> Where:
    key, *rest = found
    if rest[0] == "!=":
        return Not(IsIn(key, (rest[1],)))
    if isinstance(rest[0], str):
        return Ordered(key, rest[0], rest[1])
    return IsIn(key, tuple(rest))


def _joined(join: Callable[[tuple[Where, ...]], Where]) -> Callable[[ParseResults], Where]:
    def one_or_joined(found: ParseResults) -> Where:
        first: Where = found[0]
        return first if len(found) == 1 else join(tuple(found))

    return one_or_joined


def parse_names(text: str, allowed: Collection[str], option: str) -> frozenset[str]:
    """Names with commas between them, such as `failed,silent`.

    Raises:
        InputError: one that is not among those allowed.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            from jobs.grid.names import remedy

            raise InputError(f"{option} {text}: no {name!r}", remedy(name, allowed))
    return frozenset(names)
