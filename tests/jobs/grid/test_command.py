from __future__ import annotations

from pathlib import Path

import pytest

from jobs.spec import command_argv
from tests.jobs.grid.planning import plan, refusal, the_job


def _argv(folder: Path, text: str) -> list[list[str]]:
    return [command_argv(job) for job in plan(folder, f"kind: command\n{text}")]


def test_words_carry_the_values_of_the_cell(tmp_path: Path) -> None:
    text = "argv: [python, train.py, --lr, '{lr}', '--out={name}-{seed}']\nlr: [0.1, 1e-3]\nseed: [0]\nname_: 1"
    assert _argv(tmp_path, text.replace("{name}", "{name_}")) == [
        ["python", "train.py", "--lr", "0.1", "--out=1-0"],
        ["python", "train.py", "--lr", "0.001", "--out=1-0"],
    ]


def test_a_mapping_gives_its_name_and_its_values_by_dotted_key(tmp_path: Path) -> None:
    text = "argv: [a, '{loss}', '{loss.name}', '{loss.gamma}']\nloss: [{name: focal, gamma: 2}]"
    assert _argv(tmp_path, text) == [["a", "focal", "focal", "2"]]


def test_doubled_braces_are_braces_and_other_scalars_are_words(tmp_path: Path) -> None:
    text = "argv: [awk, '{{print $1}}', 3, true, 1.50, '', -v, 'x={{{x}}}']\nx: 5"
    assert _argv(tmp_path, text) == [["awk", "{print $1}", "3", "true", "1.5", "", "-v", "x={5}"]]


def test_a_value_with_braces_is_not_read_again(tmp_path: Path) -> None:
    assert _argv(tmp_path, "argv: [a, '{x}']\nx: '{y} {{'") == [["a", "{y} {{"]]


def test_seed_and_params_may_stand_in_the_spec_file_alone(tmp_path: Path) -> None:
    one, two = plan(tmp_path, "kind: command\nargv: [ls]\nseed: [0, 1]\nparams: {a: [1, 2], b: {c: 3}}")
    assert one.content == {"argv": ["ls"], "params": {"a": [1, 2], "b": {"c": 3}}, "seed": 0}
    assert one.id != two.id
    assert one.cell == {"seed": 0}


def test_the_identity_is_what_the_program_is_given(tmp_path: Path) -> None:
    texts = (
        "argv: [a, --lr, '{lr}']\nlr: [0.1]",
        "argv: [a, --lr, '{rate}']\nrate: 1e-1",
        "argv: [a, --lr, 0.1]",
        "argv: [a, --lr, '0.1']",
    )
    assert len({the_job(tmp_path, f"kind: command\n{text}").id for text in texts}) == 1
    assert the_job(tmp_path, "kind: command\nargv: [a, 1]").id != the_job(tmp_path, "kind: command\nargv: [a, 1.0]").id


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x: 1", "g.yaml: kind command needs an argv"),
        ("argv: ls -l", "g.yaml:2: argv is 'ls -l'; it must be a list of words: there is no shell"),
        ("argv: []", "g.yaml:2: argv is empty"),
        ("argv: [ls, {x}]\nx: 1", "g.yaml:2: a word of argv is a mapping; quote it"),
        ("argv: [ls, null]", "g.yaml:2: a word of argv is null"),
        ("argv: [ls, '{x']\nx: 1", "g.yaml:2: a stray brace in '{x'; write {{ or }} for a brace"),
        ("argv: [ls, '{}']\nx: 1", "g.yaml:2: a stray brace in '{}'"),
        ("argv: [ls, '{sed}']\nseed: [1]", "g.yaml:2: argv names 'sed' in braces, which is no key here; use seed"),
        ("argv: [ls]\nx: [1]", "g.yaml:3: argv does not use 'x'; put '{x}' there, or say params.x"),
        ("argv: [ls, '{x}']\nx: {name: a, b: 1}", "g.yaml:3: argv does not use 'x.b'"),
        ("argv: [ls, '{x.b}']\nx.b: [{c: 1}]", "g.yaml:3: x.b is a mapping"),
        ("argv: [a, '{x}', '{x.g}']\nx: [c, {name: d, g: 1}]", "g.yaml:2: a cell has no 'x.g' for argv"),
        ("argv: [ls]\ntarget: a:b", "g.yaml:3: a command job has no target"),
        ("argv: [ls]\na b: 1", "g.yaml:3: 'a b' cannot be a key"),
        ("argv: [ls]\nparams: 3", "g.yaml:3: params is 3; it must be a mapping"),
        ("argv: [ls]\nseed: {a: 1}", "g.yaml:3: seed is a mapping"),
    ],
)
def test_a_wrong_command_grid_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, f"kind: command\n{text}").startswith(line)
