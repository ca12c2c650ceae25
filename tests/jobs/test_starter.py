from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.errors import InputError
from jobs.grid import load_grid
from jobs.starter import starter_grid
from tests.jobs.grid.planning import plan, the_job

GRIDS = Path(__file__).parents[2] / "grids"


def test_the_starter_is_a_grid_of_few_jobs(tmp_path: Path) -> None:
    assert 1 < len(plan(tmp_path, starter_grid())) <= 10


def test_every_rule_that_the_starter_explains_works_when_uncommented(tmp_path: Path) -> None:
    rules = starter_grid().split("# ---- Rules")[1].split("# ---- About the jobs")[0].splitlines()[2:]
    text = "\n".join(re.sub("^# ?", "", line) for line in rules)
    grid = starter_grid().replace("backbone: simple_cnn ", "backbone: [simple_cnn, resnet20] #")
    grid = grid.replace("  lr: 0.1\n", "").replace("# ---- Axes", "train.lr: [0.1, 0.2]\n# ---- Axes")
    with pytest.raises(InputError, match="this include has no"):
        plan(tmp_path, f"{grid}\n{text}")
    jobs = plan(
        tmp_path, f"{grid}\n{text}".replace("loss: ce, seed: 7", "loss: ce, seed: 7, backbone: resnet20, train.lr: 1")
    )
    assert len(jobs) == 2 * (2 + 2 + 2) + 1


def test_every_policy_that_the_starter_explains_works_when_uncommented(tmp_path: Path) -> None:
    lines = starter_grid().split("# ---- About the jobs")[1].split("# ---- Other programs")[0].splitlines()[1:]
    jobs = plan(tmp_path, starter_grid() + "\n".join(line.removeprefix("# ") for line in lines))
    assert {(job.timeout_seconds, job.gpus, job.notes) for job in jobs} == {(43200.0, 1, "what this is for")}


def test_the_other_kinds_that_the_starter_explains_work_when_uncommented(tmp_path: Path) -> None:
    lines = starter_grid().split("# ---- Other programs")[1].splitlines()[1:]
    command, call = "\n".join(re.sub("^# ?", "", line) for line in lines).split("\n\n")
    assert [job.content["argv"][-1] for job in plan(tmp_path, command)] == ["0.1", "0.01"]
    assert [job.content["params"]["lr"] for job in plan(tmp_path, call)] == [0.1, 0.01]


def test_the_quick_start_is_a_demonstration_of_at_most_ten_jobs(tmp_path: Path) -> None:
    jobs = list(load_grid(GRIDS / "quickstart.yaml", (), tmp_path).jobs())
    assert 4 <= len(jobs) <= 10
    assert {job.cell["dataset"] for job in jobs} == {"digits"}
    assert all("val" in job.content for job in jobs), "the demonstration fits a temperature"


def test_the_real_images_grid_is_two_losses_by_two_seeds(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            (tmp_path / "cifar10-jpeg" / split / label).mkdir(parents=True)
            (tmp_path / "cifar10-jpeg" / split / label / "0001.jpg").touch()
    jobs = list(load_grid(GRIDS / "cifar10-lt-quick.yaml", (), tmp_path).jobs())
    assert [(job.cell["loss"], job.cell["seed"]) for job in jobs] == [("ce", 0), ("ce", 1), ("bsce", 0), ("bsce", 1)]
    assert {job.data_path for job in jobs} == {"cifar10-jpeg"}
    assert {job.cell["imbalance"] for job in jobs} == {"exp-100"}


def test_a_data_set_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no data set at {re.escape(str(tmp_path))}/cifar10-jpeg"):
        list(load_grid(GRIDS / "cifar10-lt-quick.yaml", (), tmp_path).jobs())


def test_a_job_is_the_same_wherever_its_grid_lies(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert the_job(tmp_path, "seed: 3").id == the_job(tmp_path / "b", "seed: 3").id
