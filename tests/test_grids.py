"""The grids to start from are grids, and what they say of themselves holds."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobs.grid import load_grid
from jobs.spec import JobSpec
from trainers.catalogue import LOSSES, PRESETS, RULES, TRAIN

ROOT = Path(__file__).parents[1]
ORCH = str(Path(sys.executable).with_name("orch"))
STUDIES = sorted(ROOT.glob("grids/calibration-cifar*.yaml"))
# Grid -> its jobs, and those of its smoke run.
LONG_TAILS = {"bag-of-tricks": (112, 28), "geometric-mean": (42, 42), "weak-200": (96, 16), "long-tail-quick": (31, 19)}


def planned(root: Path, *words: str, data: Path | None = None) -> str:
    environment = os.environ | ({} if data is None else {"ORCH_DATA": str(data)})
    command = [ORCH, "--root", str(root), *words]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout


def smoke(grid: Path) -> list[str]:
    """The words of the smoke run that a grid's comment gives."""
    command = re.search(r"^#   orch (plan (?:.*\\\n#\s+)*.*)$", grid.read_text(), re.MULTILINE)
    assert command is not None
    return shlex.split(command[1].replace("\\\n#", " "))


def jobs_of(name: str, data: Path) -> list[JobSpec]:
    return list(load_grid(ROOT / "grids" / f"{name}.yaml", (), data).jobs())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root whose `cifar10-jpeg` can be planned on, though not trained on."""
    root = tmp_path_factory.mktemp("data")
    for split in ("train", "test"):
        for label in range(10):
            folder = root / "cifar10-jpeg" / split / str(label)
            folder.mkdir(parents=True)
            (folder / "1.jpg").write_bytes(b"x")
    return root


@pytest.mark.parametrize("grid", STUDIES, ids=lambda path: path.stem)
def test_a_calibration_study_is_all_losses_on_four_networks(tmp_path: Path, grid: Path) -> None:
    lines = planned(tmp_path, "plan", str(grid), "--dry-run").splitlines()
    assert lines[-1] == f"would plan {grid.stem}: 52 new, 0 unchanged"
    assert len({re.sub(r".* loss=(\w+).*", r"\1", line) for line in lines[:-1]}) == 13
    assert sum("shortcut=B" in line for line in lines) == 13


@pytest.mark.parametrize("grid", STUDIES, ids=lambda path: path.stem)
def test_its_smoke_run_is_planned_as_written(tmp_path: Path, grid: Path) -> None:
    assert planned(tmp_path, *smoke(grid)).strip() == "planned smoke: 13 new, 0 unchanged"


@pytest.mark.parametrize("name", LONG_TAILS)
def test_a_grid_for_long_tails_and_its_smoke_run_are_planned_as_written(tmp_path: Path, data: Path, name: str) -> None:
    whole, few = LONG_TAILS[name]
    jobs = jobs_of(name, data)
    assert len(jobs) == len({job.id for job in jobs}) == whole
    words = smoke(ROOT / "grids" / f"{name}.yaml")
    assert planned(tmp_path, *words, data=data).strip() == f"planned smoke: {few} new, 0 unchanged"


BOT200 = {
    "schedule": "multistep",
    "milestones": [159, 179],
    "decay": 0.01,
    "warmup_epochs": 5,
    "warmup_start": 1 / 3,
    "nesterov": True,
    "drop_last": True,
}


def test_the_bag_of_tricks_has_each_row_on_each_set_with_its_own_settings(data: Path) -> None:
    jobs = jobs_of("bag-of-tricks", data)
    rows: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for job in jobs:
        content = job.content
        assert (content["select"], content.get("seed", 0)) == ("best_test", 0)
        part = (content.get(key, {"name": "-"}) for key in ("loss", "rule", "sampler", "mixer"))
        loss, rule, sampler, mixer = ("/".join(v for v in one.values() if isinstance(v, str)) for one in part)
        key = " ".join(word for word in (loss.split("/")[0], rule, sampler, mixer) if word != "-") or "ce"
        rows.setdefault(key, {})[content["dataset"]["name"], content["imbalance"]["mu"]] = content
    assert len(rows) == 28
    sets = {(name, mu) for name in ("cifar10", "cifar100") for mu in ("1/100", "1/50")}
    assert all(set(row) == sets for row in rows.values())
    for key, row in rows.items():
        is_mixed = "mix" in key
        for content in row.values():
            assert content["head"] == ({"name": "cosine"} if "ldam" in key else {"name": "linear", "init": "torch"})
            mixed = {"epochs": 400, "milestones": [319, 359]} if is_mixed else {}
            assert content["train"] == BOT200 | mixed
            assert content.get("rule", {}).get("defer") == (159.0 if key == "ldam drw" else None)
    losses = {
        (key, *at): row[at].get("loss")
        for key, row in rows.items()
        for at in sets
        if " " not in key or "deferred" in key
    }
    for suffix in ("", " deferred_loss"):
        for at in sets:
            assert losses[f"bsce{suffix}", *at] == {"name": "bsce"}
            assert losses[f"focal{suffix}", *at] == {"name": "focal", "form": "sigmoid"}
            assert losses[f"label_smoothing{suffix}", *at] == {"name": "label_smoothing", "eps": 0.1}
            assert losses[f"las{suffix}", *at] == {"name": "las"}
            assert losses[f"cdt{suffix}", *at] == {"name": "cdt"}
            own_beta = {"beta": 0.9} if at[0] == "cifar100" else {}
            assert losses[f"cb_ce{suffix}", *at] == {"name": "cb_ce", **own_beta}
        own = {at: losses[f"cb_focal{suffix}", *at] for at in sets}
        for at, (beta, gamma) in {
            ("cifar10", "1/100"): (0.9999, 1.0),
            ("cifar10", "1/50"): (0.9999, 2.0),
            ("cifar100", "1/100"): (0.9, 1.0),
            ("cifar100", "1/50"): (0.99, 1.0),
        }.items():
            assert own[at] == {"name": "cb_focal", "form": "sigmoid", "gamma": gamma} | (
                {} if beta == 0.9999 else {"beta": beta}
            )
    of_ce = {key for key in rows if key.partition(" ")[0] not in LOSSES or key == "ce"}
    assert of_ce == {
        *("ce", "inverse_rw", "drw/inverse", "balanced_rs", "sqrt_rs", "progressive_rs"),
        *("drs", "drs/sqrt_rs", "drs/progressive_rs", "mixup", "remix", "drw remix"),
    }


def test_the_geometric_mean_is_losses_times_train_rules_in_the_spelling_of_their_authors(data: Path) -> None:
    jobs = jobs_of("geometric-mean", data)
    assert {(job.cell["loss"], job.cell["rule"], job.cell["sampler"]) for job in jobs} == {
        (loss, *method)
        for loss in ("bsce", "ldam", "ce", "focal", "fbl", "gml", "lade")
        for method in (
            ("none", "instance"),
            ("none", "balanced_rs"),
            ("none", "effective_rs"),
            ("none", "class_aware"),
            ("effective_rw", "instance"),
            ("inverse_rw", "instance"),
        )
    }
    assert {job.content["seed"] for job in jobs} == {123}
    assert all(("head" in job.content) == (job.cell["loss"] == "ldam") for job in jobs)
    train = jobs[0].content["train"]
    assert (train["epochs"], train["batch_size"], train["milestones"]) == (100, 64, [80, 90])


def test_weak_200_is_every_loss_for_long_tails_under_one_protocol(data: Path) -> None:
    jobs = jobs_of("weak-200", data)
    assert all({**TRAIN, **job.content["train"]} == {**TRAIN, **PRESETS["ldam200"]} for job in jobs)
    assert all("select" not in job.content and "backbone" not in job.content for job in jobs)
    rows = {(job.cell["loss"], job.cell["rule"]) for job in jobs}
    long_tail = set(list(LOSSES)[: list(LOSSES).index("las") + 1])  # those after are of the calibration studies
    assert {loss for loss, _ in rows} == long_tail
    assert rows >= {("ce", "drw"), ("ce", "drs"), ("ldam", "drw"), ("ldam", "none")}
    assert {(job.cell["dataset"], job.cell["seed"]) for job in jobs if job.cell["loss"] == "gml"} == {
        (name, seed) for name in ("cifar10", "cifar100") for seed in (0, 1, 2)
    }
    smoothing = {job.cell["dataset"]: job.content["loss"] for job in jobs if job.cell["loss"] == "las"}
    assert smoothing == {
        "cifar10": {"name": "las", "smooth_head": 0.3, "smooth_tail": 0.0},
        "cifar100": {"name": "las"},
    }


def test_the_quick_grid_has_every_loss_and_rule_once_and_the_main_ones_with_three_seeds(data: Path) -> None:
    jobs = jobs_of("long-tail-quick", data)
    seeds: dict[tuple[Any, Any], set[Any]] = {}
    for job in jobs:
        seeds.setdefault((job.cell["loss"], job.cell["rule"]), set()).add(job.cell["seed"])
        assert "val" not in job.content
    thrice = {method for method, used in seeds.items() if used == {0, 1, 2}}
    assert thrice == {
        *(("ce", "none"), ("bsce", "none"), ("logit_adjusted", "none"), ("lade", "none"), ("ldam", "drw")),
        ("gml", "none"),
    }
    assert all(used == {0} for method, used in seeds.items() if method not in thrice)
    assert {rule for _, rule in seeds} == set(RULES) - {"deferred_loss"}
    assert {loss for loss, _ in seeds} == set(list(LOSSES)[: list(LOSSES).index("las") + 1])
