from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.spec import JobSpec, call_target, command_argv, parse_plan_line, plan_line, train_spec
from tests.jobs.grid.planning import plan, the_job
from trainers import catalogue
from trainers.spec import parse_spec

GRIDS = Path(__file__).parents[2] / "grids"


def test_a_plan_line_is_read_back_whole(tmp_path: Path) -> None:
    notes = r'"tab\t, line\n, \u2028, \x85, é"'
    text = f"needs: [a-1]\npriority: 4\ntimeout: 1h\nnotes: {notes}\nresources: {{gpus: 0}}\nloss: [ce, focal]"
    for job in plan(tmp_path, text):
        line = plan_line(job)
        assert line.splitlines() == [line]
        assert line.count("\t") == 1
        assert parse_plan_line(line) == job


def test_the_order_of_arguments_changes_no_plan_line(tmp_path: Path) -> None:
    texts = ("params: {a: {x: 1, y: 2}, b: 3}", "params: {b: 3, a: {y: 2, x: 1}}")
    one, other = (plan_line(the_job(tmp_path, f"kind: call\ntarget: m:f\n{text}")) for text in texts)
    assert one == other


def test_what_is_no_plan_line_is_refused() -> None:
    with pytest.raises(ValueError, match="not a plan line"):
        parse_plan_line("digits-0123")


def test_a_train_spec_has_every_default(tmp_path: Path) -> None:
    spec = train_spec(the_job(tmp_path, "seed: 0"), "first")
    assert spec == {
        "schema": 1,
        "job": spec["job"],
        "experiment": "first",
        "kind": "train",
        "dataset": {"name": "digits"},
        "imbalance": {"type": "none"},
        "val": "none",
        "backbone": {"name": "resnet32", "shortcut": "A"},
        "head": {"name": "linear", "init": "network"},
        "loss": {"name": "ce"},
        "rule": {"name": "none"},
        "sampler": {"name": "instance"},
        "mixer": {"name": "none"},
        "recipe": {"name": "single"},
        "data_seed": 0,
        "seed": 0,
        "select": "last",
        "eval_every": 1,
        "ts_every": 1,
        "train": dict(catalogue.TRAIN),
    }


def test_a_train_spec_says_what_the_grid_said(tmp_path: Path) -> None:
    text = """
        imbalance: {type: exp, ratio: 20}
        val: {per_class: 3}
        head: {name: cosine, scale: 16}
        loss: focal
        train: {preset: ldam200, epochs: 7}
        select: best_val
    """
    spec = train_spec(the_job(tmp_path, text), "first")
    assert spec["imbalance"] == {"type": "exp", "mu": "1/20", "n_max": None}
    assert (spec["val"], spec["select"]) == ({"per_class": 3}, "best_val")
    assert (spec["head"], spec["loss"]) == (
        {"name": "cosine", "scale": 16.0},
        {"name": "focal", "gamma": 2.0, "form": "softmax"},
    )
    assert spec["train"] == {**catalogue.TRAIN, **catalogue.PRESETS["ldam200"], "epochs": 7}


@pytest.mark.parametrize("preset", catalogue.PRESETS)
def test_the_trainer_takes_every_planned_spec(preset: str, tmp_path: Path) -> None:
    text = (
        f"loss: [ce, focal]\nimbalance: [none, {{type: step, ratio: 3}}]\ntrain.preset: [{preset}]\nval.fraction: 0.2"
    )
    for job in plan(tmp_path, text):
        spec = json.loads(json.dumps(train_spec(job, "first")))
        parsed = parse_spec(spec)
        assert parsed.train.warmup_epochs == catalogue.PRESETS[preset]["warmup_epochs"]


def test_filling_defaults_in_changes_no_job_and_no_catalogue(tmp_path: Path) -> None:
    job = the_job(tmp_path, "seed: 0")
    before = plan_line(job)
    spec = train_spec(job, "first")
    spec["train"]["epochs"] = 1
    spec["dataset"]["name"] = "other"
    assert plan_line(job) == before
    assert catalogue.TRAIN["epochs"] == 200


def test_commands_and_calls_say_what_to_run() -> None:
    assert command_argv(JobSpec("a-1", "command", {"argv": ["python", "x.py"]})) == ["python", "x.py"]
    assert call_target(JobSpec("a-1", "call", {"target": "m:f"})) == ("m:f", {})


def test_reading_jobs_loads_neither_yaml_nor_pydantic_nor_torch() -> None:
    code = "import sys, jobs.spec, jobs.identity, jobs.starter\nprint(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "ruamel.yaml", "torch", "numpy", "pandas"} & set(loaded)


def test_planning_loads_no_torch() -> None:
    code = "import sys, jobs.grid\nprint(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pandas", "matplotlib"} & set(loaded)
