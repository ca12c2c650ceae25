from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.grid import load_grid
from tests.jobs.grid.planning import cells, load, plan, refusal


def test_axes_are_multiplied_and_the_first_changes_slowest(tmp_path: Path) -> None:
    text = """
        seed: [0, 1]
        loss: [ce, focal]
    """
    assert cells(tmp_path, text, "seed", "loss") == [(0, "ce"), (0, "focal"), (1, "ce"), (1, "focal")]


def test_a_grid_without_an_axis_is_one_job(tmp_path: Path) -> None:
    assert len(plan(tmp_path, "seed: 3")) == 1


def test_a_dotted_axis_goes_into_the_mapping_of_its_head(tmp_path: Path) -> None:
    text = """
        imbalance: {type: exp}
        imbalance.ratio: [10, 100]
        train: {epochs: 5}
        train.lr: [0.1, 0.2]
    """
    jobs = plan(tmp_path, text)
    assert [job.cell["imbalance"] for job in jobs] == ["exp-10", "exp-10", "exp-100", "exp-100"]
    assert [job.content["train"] for job in jobs[:2]] == [{"epochs": 5}, {"epochs": 5, "lr": 0.2}]


def test_an_axis_value_may_be_a_mapping(tmp_path: Path) -> None:
    text = "loss: [ce, {name: focal, gamma: 1}, {name: focal, gamma: 3}]"
    assert cells(tmp_path, text, "loss", "loss.gamma") == [("ce", None), ("focal", 1.0), ("focal", 3.0)]


def test_a_list_inside_a_mapping_is_a_value(tmp_path: Path) -> None:
    jobs = plan(tmp_path, "train: {schedule: multistep, milestones: [60, 80]}")
    assert [job.content["train"]["milestones"] for job in jobs] == [[60, 80]]


def test_cells_that_are_one_job_are_given_once_and_counted(tmp_path: Path) -> None:
    grid = load(
        tmp_path, "imbalance: [{type: exp, ratio: 100}, {type: exp, factor: 0.01}, none, {type: step, ratio: 1}]"
    )
    assert len(list(grid.jobs())) == 2
    assert grid.duplicates == 2
    assert len(list(grid.jobs())) == 2, "a second pass starts anew"
    assert grid.duplicates == 2


def test_ten_million_cells_are_refused_before_one_is_made(tmp_path: Path) -> None:
    axes = "\n".join(f"params.a{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(7))
    with pytest.raises(InputError, match="10,000,000 cells; at most 1,000,000"):
        load(tmp_path, f"kind: call\ntarget: a:b\n{axes}\n")


def test_jobs_are_made_as_they_are_asked_for(tmp_path: Path) -> None:
    axes = "\n".join(f"params.a{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for n in range(6))
    grid = load(tmp_path, f"kind: call\ntarget: a:b\n{axes}\n")
    assert grid.size == 1_000_000
    assert len(list(islice(grid.jobs(), 3))) == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: []", "g.yaml:1: the axis 'seed' is empty"),
        ("seed: [[1, 2]]", "g.yaml:1: a value of the axis 'seed' is a list; an axis value is a scalar or a mapping"),
        ("priority: [1, 2]", "g.yaml:1: priority cannot be an axis"),
        ("train: {lr: 0.1}\ntrain.lr: [1, 2]", "g.yaml:2: 'train.lr' says again what 'train' says at g.yaml:1"),
        ("loss.name: ce\nloss: focal", "g.yaml:2: 'loss' says again what 'loss.name' says at g.yaml:1"),
        ("imbalance: {type: exp, ratio: 9}\nimbalance.factor: 0.1", "g.yaml:2: 'imbalance.factor' says again"),
        ("- seed: 1", "g.yaml:1: a grid is a mapping, not a list"),
        ("", "g.yaml: empty"),
        ("# nothing", "g.yaml: empty"),
        ("{}", "g.yaml: empty"),
        ("kind: trian", "g.yaml:1: unknown kind 'trian'; use train"),
        ("name: .hidden", "g.yaml:1: '.hidden' cannot be the name of an experiment"),
        ("name: a/b", "g.yaml:1: 'a/b' cannot be the name of an experiment"),
        ("name: 2024", "g.yaml:1: 2024 cannot be the name of an experiment"),
        ("needs: a-1", "g.yaml:1: needs is 'a-1'; it must be a list of job ids"),
        ("needs: [../a]", "g.yaml:1: '../a' is no job id"),
        ("argv: [ls]", "g.yaml:1: a train job has no argv"),
        ("params: {a: 1}", "g.yaml:1: unknown key 'params'; params belong to kind: call and kind: command"),
    ],
)
def test_a_wrong_grid_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text).startswith(line)


def test_the_name_is_the_stem_of_the_file_unless_given(tmp_path: Path) -> None:
    assert load(tmp_path, "seed: 1").name == "g"
    assert load(tmp_path, "name: Paper-2.b_c\nseed: 1").name == "Paper-2.b_c"


@pytest.mark.parametrize("name", ["my grid.yaml", "-x.yaml"])
def test_a_file_whose_stem_is_no_name_asks_for_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("seed: 1")
    with pytest.raises(InputError, match="say `name:`"):
        load_grid(path, (), tmp_path)


def test_a_grid_that_is_not_there_or_is_no_text_names_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file; `orch init`"):
        load_grid(tmp_path / "none.yaml", (), tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_grid(tmp_path, (), tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match=r"binary\.yaml: not UTF-8 at byte 6"):
        load_grid(tmp_path / "binary.yaml", (), tmp_path)
