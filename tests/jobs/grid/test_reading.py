from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InputError
from jobs.grid.node import plain
from jobs.grid.reading import read_document, read_setting


def test_each_value_knows_its_line() -> None:
    root = read_document("a: 1\nb:\n  - x\n  - {c: 2}\n", "g.yaml")
    assert isinstance(root.value, dict)
    items = root.value["b"].value
    assert isinstance(items, list)
    assert [root.value["a"].where, root.value["b"].where, items[0].where, items[1].where] == [
        "g.yaml:1",
        "g.yaml:2",
        "g.yaml:3",
        "g.yaml:4",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: !!python/object/apply:os.system [ls]", "g:1: the tag !!python/object/apply:os.system is not allowed here"),
        ("a: !x 1", "g:1: the tag !x is not allowed here"),
        ("a: !!str 1", "g:1: the tag !!str is not allowed here"),
        ("a: 1\n---\nb: 1", "g:2: a second document"),
        ("%YAML 1.1\n---\na: 1", "g:2: a grid is YAML 1.2"),
        ("a: 1\nb: 2\na: 3", "g:3: the key 'a' stands here twice; first at g:1"),
        ("a: {b: 1, b: 2}", "g:1: the key 'b' stands here twice"),
        ("a: [1", "g:1: not YAML"),
        ("a: 1\n  b: 2", "g:2: not YAML"),
        ("? [1, 2]\n: 3", "g:1: a key must be a word"),
        ("1: 3", "g:1: a key must be a word"),
        ("a: *b", "g:1: nothing above is anchored as &b"),
        ("a: &b [*b]", "g:1: nothing above is anchored as &b"),
        ("a: .inf", "g:1: .inf is no finite number"),
        ("a: " + "[" * 30 + "]" * 30, "g:1: nested more than 20 deep"),
        ("a: 'x'\nb: \"\\0\"", "g:2: a word with a character that no file or program takes"),
        ("<<: 3", "g:1: << takes a mapping"),
        ("", "g: empty"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, line: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document(text, "g")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_control_characters_are_refused_not_crashed_on() -> None:
    with pytest.raises(InputError, match=r"^g: not YAML: .*UTF-8"):
        read_document("a: \x07", "g")


def test_anchors_and_merges_work_and_a_key_beside_a_merge_wins() -> None:
    text = "a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}\nc: *base\n"
    assert plain(read_document(text, "g")) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


def test_a_few_lines_of_anchors_cannot_mean_billions_of_values() -> None:
    lines = ["a0: &a0 [" + "x, " * 9 + "x]"]
    lines += [f"a{n}: &a{n} [" + f"*a{n - 1}, " * 9 + f"*a{n - 1}]" for n in range(1, 10)]
    with pytest.raises(InputError, match="more than 5,000,000 values"):
        read_document("\n".join(lines), "g")


def test_a_setting_is_split_at_its_own_commas_only() -> None:
    nodes = read_setting("ce,{name: focal, gamma: 1},[60, 80],'a,b'", "--set x")
    assert [plain(node) for node in nodes] == ["ce", {"name": "focal", "gamma": 1}, [60, 80], "a,b"]
    assert {node.where for node in nodes} == {"--set x"}


@pytest.mark.parametrize("text", ["a]", "[a", "{", "a\nb: c", "!!str a"])
def test_a_setting_that_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^--set x: .* is not a list of values; quote"):
        read_setting(text, "--set x")


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT.filter(bool), inner, max_size=4),
    max_leaves=12,
)


@given(value=_JSON)
def test_what_json_wrote_is_read_back(value: Any) -> None:
    assert plain(read_document(json.dumps({"top": value}, ensure_ascii=False), "g")) == {"top": value}
