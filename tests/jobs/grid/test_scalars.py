from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.grid.scalars import Scalar, plain_scalar


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-1.", -1.0),
        ("+7", 7),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("None", "None"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
    ],
)
def test_words_are_what_yaml_1_2_says(word: str, value: Scalar) -> None:
    found = plain_scalar(word)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("word", [".inf", "-.INF", ".nan", "1e999", "9" * 401, "0x" + "f" * 5000])
def test_what_json_cannot_hold_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="no finite number"):
        plain_scalar(word)


@given(st.text())
def test_every_other_word_has_a_value_that_json_can_hold(word: str) -> None:
    try:
        value = plain_scalar(word)
    except ValueError:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_as_python_writes_it_is_read_back_exactly(number: float) -> None:
    assert plain_scalar(repr(number)) == number
