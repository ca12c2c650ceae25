"""Conditions on cells: what they mean, and what is said of one that is none."""

from __future__ import annotations

import re
from operator import eq, ge, gt, le, lt, ne

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InputError
from jobs.selector import parse_names, parse_where

FOCAL = {"dataset": "cifar10", "imbalance": "exp-100", "loss": "focal", "loss.gamma": 2.0, "seed": 0, "train.lr": 0.1}
CE = {"dataset": "cifar10", "imbalance": "none", "loss": "ce", "seed": 3, "train.lr": 0.05}
ODD = {"a": None, "b": True, "c": "x y", "d": "it's", "e": "3", "f": 10**30, "g": "1,2"}


@pytest.mark.parametrize(
    ("text", "meets"),
    [
        ("loss=focal", [FOCAL]),
        ("loss==focal", [FOCAL]),
        (" loss = 'focal' ", [FOCAL]),
        ("loss!=focal", [CE, ODD]),
        ("seed<3", [FOCAL]),
        ("seed<=3", [FOCAL, CE]),
        ("seed>2.5", [CE]),
        ("seed>=-1", [FOCAL, CE]),
        ("seed=3.0", [CE]),
        ("seed='3.0'", []),
        ("seed='3'", [CE]),
        ("train.lr=1e-1", [FOCAL]),
        ("train.lr=.05", [CE]),
        ("loss.gamma=2", [FOCAL]),
        ("loss.gamma!=2", [CE, ODD]),
        ("loss.gamma>1", [FOCAL]),
        ("imbalance in (exp-100, exp-10)", [FOCAL]),
        ("seed in (3, 4)", [CE]),
        ("not loss=focal", [CE, ODD]),
        ("loss=focal and seed<3", [FOCAL]),
        ("loss=focal and seed>3", []),
        ("loss=ce or loss=focal and seed>3", [CE]),
        ("(loss=ce or loss=focal) and seed>3", []),
        ("not (loss=ce or loss=focal)", [ODD]),
        ("not loss=ce and not loss=focal", [ODD]),
        ("NOT loss=ce AND seed IN (0)", [FOCAL]),
        ("a=none", [ODD]),
        ("a=null", [ODD]),
        ("b=true", [ODD]),
        ("b=1", []),
        ("c='x y'", [ODD]),
        ('d="it\'s"', [ODD]),
        (r"d='it\'s'", [ODD]),
        ("e=3", [ODD]),
        ("e<4", [ODD]),
        ("c<4", []),
        ("f=1000000000000000000000000000000", [ODD]),
        ("f=1000000000000000000000000000001", []),
        ("g='1,2'", [ODD]),
        ("dataset=Cifar10", []),
        ("not_a_key=1 or andy=2 or inner=3", []),
    ],
)
def test_which_cells_meet_a_condition(text: str, meets: list[dict[str, object]]) -> None:
    where = parse_where(text)
    assert [cell for cell in (FOCAL, CE, ODD) if where.matches(cell)] == meets


def test_a_condition_tells_its_keys() -> None:
    where = parse_where("not (loss=ce or loss.gamma in (1, 2)) and seed<3 and x!=2")
    assert where.keys() == {"loss", "loss.gamma", "seed", "x"}


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "a key, 'not' or '(' should stand there, not the end"),
        ("   ", 4, "a key, 'not' or '('"),
        ("loss", 5, "one of = != < <= > >= or 'in (' should stand there, not the end"),
        ("loss=", 6, "a value should stand there, not the end"),
        ("loss=focal and", 15, "a key, 'not' or '('"),
        ("loss=focal seed=1", 12, "'and', 'or' or the end should stand there, not 'seed=1'"),
        ("loss=focal && seed=1", 12, "'and', 'or' or the end should stand there, not '&&'"),
        ("loss=focal)", 11, "'and', 'or' or the end should stand there, not ')'"),
        ("(loss=focal", 12, "'and', 'or' or ')' should stand there, not the end"),
        ("seed<few", 6, "a number should stand there, not 'few'"),
        ("seed<3x", 6, "a number should stand there, not '3x'"),
        ("seed<'3'", 6, "a number should stand there"),
        ("loss='focal", 6, "a quote that is not closed"),
        ("loss in focal", 9, "'(' should stand there"),
        ("loss in ()", 10, "a value should stand there, not ')'"),
        ("loss in (ce", 12, "',' or ')' should stand there, not the end"),
        ("loss in (ce,,ldam)", 13, "a value"),
        ("and=3", 1, "a key, 'not' or '('"),
        ("loss=in", 6, "a value should stand there, not 'in'"),
        ("loss=a=b", 7, "'and', 'or' or the end should stand there, not '=b'"),
        ("loss=ce\nor", 11, "a key, 'not' or '('"),
    ],
)
def test_a_malformed_condition_says_where_and_what_was_expected_in_one_line(text: str, column: int, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_where(text)
    line = str(caught.value)
    assert line.startswith(f"--where {text!r}: column {column}: {said}")
    assert line.endswith("for example: --where 'loss=focal and seed<3'")
    assert "\n" not in line


@pytest.mark.parametrize("text", ["(" * 5000, "not " * 5000 + "a=1"])
def test_what_is_nested_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        parse_where(text)


@given(st.text("ab=<>!()'\"\\ ,.1andortin", max_size=30))
def test_any_text_is_a_condition_or_gets_one_line(text: str) -> None:
    try:
        said = str(parse_where(text).matches({"a": 1}))
    except InputError as error:
        said = str(error)
    assert said in {"True", "False"} or re.fullmatch(r"--where .*: (column \d+: .*|nested too deeply); for .*", said)


NUMBERS = st.integers(-9, 9) | st.floats(-9, 9).map(lambda number: round(number, 2))


@given(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMBERS, NUMBERS, st.booleans())
def test_numbers_compare_as_numbers(sign: str, value: float, bound: float, is_text: bool) -> None:
    compare = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}[sign]
    cell = {"a": str(value) if is_text else value}
    assert parse_where(f"a {sign} {bound!r}").matches(cell) == compare(value, bound)


@given(st.text(max_size=12))
def test_any_value_can_be_quoted(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert parse_where(f"a='{quoted}'").matches({"a": text})
    assert not parse_where(f"a='{quoted}'").matches({"a": text + "x"})


def test_names_are_read_at_commas_and_checked() -> None:
    assert parse_names("failed, silent", ["failed", "silent", "done"], "--state") == {"failed", "silent"}
    with pytest.raises(InputError, match="--state fialed,done: no 'fialed'; use failed"):
        parse_names("fialed,done", ["failed", "silent", "done"], "--state")
