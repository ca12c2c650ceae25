from __future__ import annotations

from typing import Any

import pytest

from jobs.errors import InputError
from jobs.grid.node import Node
from jobs.grid.scalars import Scalar
from jobs.grid.values import checked, choice


def _node(value: Any) -> Node:
    if isinstance(value, list):
        return Node([_node(item) for item in value], "g:3")
    return Node(value, "g:3")


@pytest.mark.parametrize(
    ("value", "default", "found"),
    [(1, 0.5, 1.0), (-0.0, 0.5, 0.0), (3, 1, 3), (True, False, True), ("a", "b", "a"), ([1, 2], [3], [1, 2])],
)
def test_a_value_comes_back_as_its_parameter_type(value: Any, default: Any, found: Any) -> None:
    result = checked("k", _node(value), default)
    assert (repr(result), type(result)) == (repr(found), type(found))


def test_none_is_a_value_only_where_it_is_the_default() -> None:
    assert checked("k", _node(None), None) is None
    assert checked("k", _node(5), None) == 5
    with pytest.raises(InputError, match="g:3: k is null; it must be a number"):
        checked("k", _node(None), 0.5)


@pytest.mark.parametrize(
    ("value", "default", "line"),
    [
        (True, 1, "g:3: k is true; it must be a whole number"),
        (True, 1.0, "g:3: k is true; it must be a number"),
        (1, True, "g:3: k is 1; it must be true or false"),
        (5.0, 1, "g:3: k is 5.0; it must be a whole number"),
        ("5", 1, "g:3: k is '5'; it must be a whole number"),
        (5, "a", "g:3: k is 5; it must be a word"),
        (5, [1], "g:3: k is 5; it must be a list"),
        ([1, 2.5], [1], "g:3: k is a list; each of its values must be a whole number"),
        ("x" * 99, 1, "g:3: k is '" + "x" * 40 + "...'; it must be a whole number"),
    ],
)
def test_another_type_is_refused_not_converted(value: Any, default: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        checked("k", _node(value), default)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("value", "limits", "line"),
    [
        (0, {"ge": 1}, "it must be at least 1"),
        (0, {"gt": 0}, "it must be more than 0"),
        (2, {"le": 1}, "it must be at most 1"),
        (1, {"lt": 1}, "it must be less than 1"),
    ],
)
def test_limits_are_kept_and_told(value: Scalar, limits: dict[str, float], line: str) -> None:
    with pytest.raises(InputError, match=line):
        checked("k", _node(value), 1.0, limits)


def test_a_choice_names_the_nearest() -> None:
    assert choice("k", _node("cosine"), ("cosine", "constant")) == "cosine"
    with pytest.raises(InputError, match="g:3: k cannot be 'cosin'; use cosine"):
        choice("k", _node("cosin"), ("cosine", "constant"))
    with pytest.raises(InputError, match="k cannot be 3; use one of cosine, constant"):
        choice("k", _node(3), ("cosine", "constant"))
