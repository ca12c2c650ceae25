"""An imbalance in its one canonical form: the type, the exact fraction mu = n_min / n_max, and n_max if it is given."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from jobs.errors import InputError
from jobs.grid.node import Node
from jobs.grid.values import checked

BALANCED: Final = Fraction(1)


def exact_mu(given: dict[str, Node]) -> Fraction | None:
    """The fraction n_min / n_max that `ratio` or `factor` says; None where neither is given.

    Exact, because factor -> 1/factor -> factor in floats moves a class count by one for some factors.

    Raises:
        InputError: both are given, or one is out of range.
    """
    ratio, factor = given.get("ratio"), given.get("factor")
    if ratio is not None and factor is not None:
        raise InputError(
            f"{ratio.where}: imbalance has both a ratio and a factor", "one is the inverse of the other: keep one"
        )
    if ratio is not None:
        checked("imbalance.ratio", ratio, 1.0, {"ge": 1})
        return 1 / Fraction(str(ratio.value))
    if factor is not None:
        checked("imbalance.factor", factor, 1.0, {"gt": 0, "le": 1})
        return Fraction(str(factor.value))
    return None


def canonical(kind: str, mu: Fraction, n_max: int | None) -> dict[str, Any] | None:
    """The content of an imbalance; None for a balanced data set, which is the same job whatever its type was called."""
    if mu != BALANCED:
        return {"type": kind, "mu": str(mu)} | ({} if n_max is None else {"n_max": n_max})
    return None if n_max is None else {"type": "exp", "mu": "1", "n_max": n_max}
