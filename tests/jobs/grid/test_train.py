from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jobs.spec import train_spec
from tests.jobs.grid.planning import load, plan, refusal, the_job


def _folder(root: Path, name: str, size: int = 3) -> None:
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            (root / name / split / label).mkdir(parents=True)
            (root / name / split / label / "1.png").write_bytes(b"x" * size)


SAME = [
    ("imbalance: {type: exp, ratio: 100}", "imbalance: {type: exp, factor: 0.01}"),
    ("imbalance: {type: exp, ratio: 100}", "imbalance: {type: exp, factor: 1e-2}"),
    ("imbalance: {type: exp, ratio: 100}", "imbalance: exp\nimbalance.ratio: 100.0"),
    ("imbalance: {type: exp, ratio: 100}", "imbalance.type: exp\nimbalance.ratio: [100]"),
    ("imbalance: none", "imbalance: {type: step, ratio: 1}"),
    ("imbalance: balanced", "imbalance: {type: exp, factor: 1.0}"),
    ("imbalance: {type: exp, ratio: 1, n_max: 50}", "imbalance: {type: step, factor: 1, n_max: 50}"),
    ("loss: ce", "seed: 0"),
    ("loss: CE", "loss: [ce]"),
    ("loss: balanced_softmax", "loss: {name: bsce}"),
    ("loss: focal", "loss: {name: Focal, gamma: 2}"),
    ("loss: {name: focal, gamma: 1}", "loss: focal\nloss.gamma: [1.0]"),
    ("head: {name: cosine, scale: 30}", "head: cosine"),
    ("backbone: simplecnn", "backbone: simple_cnn"),
    ("rule: None", "sampler: instance"),
    ("train: {epochs: 200, lr: 1e-1, momentum: 0.90}", "train: {}"),
    ("train.lr: 1", "train: {lr: 1.0}"),
    ("train: {preset: ldam200}", "train: {schedule: multistep, milestones: [160, 180], decay: 0.01, warmup_epochs: 5}"),
    ("train: {preset: fbl200, batch_size: 128}", "train.preset: ldam200"),
    ("train: {preset: ldam200, schedule: cosine}", "train: {warmup_epochs: 5}"),
    ("train: {preset: ldam200, schedule: one_cycle}", "train: {schedule: one_cycle}"),
    ("train: {schedule: one_cycle, warmup_epochs: 0, decay: 0.1}", "train: {schedule: one_cycle}"),
    ("val: none", "data_seed: 0"),
    ("val: {fraction: 0.1}", "val.fraction: [.1]"),
    ("priority: 5\nmax_attempts: 9\ntimeout: 1h\nresources: {gpus: 1}\nnotes: x", "seed: 0"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_are_one_job(tmp_path: Path, one: str, other: str) -> None:
    assert the_job(tmp_path, one).id == the_job(tmp_path, other).id


DIFFERENT = [
    ("imbalance: {type: exp, ratio: 100}", "imbalance: {type: step, ratio: 100}"),
    ("imbalance: {type: exp, factor: 0.055}", "imbalance: {type: exp, ratio: 18.181818181818183}"),
    ("imbalance: {type: exp, ratio: 10}", "imbalance: {type: exp, ratio: 10, n_max: 50}"),
    ("imbalance: none", "imbalance: {type: exp, ratio: 1, n_max: 50}"),
    ("train: {preset: ldam200}", "train: {preset: mislas200}"),
    ("train: {threads: 2}", "train: {threads: 1}"),
    ("train: {precision: fp32}", "train: {precision: auto}"),
    ("train: {compile: true}", "train: {compile: false}"),
    ("train: {ranks: 2}", "train: {ranks: 1}"),
    ("seed: 1", "data_seed: 1"),
    ("val: {per_class: 1}", "val: none"),
    ("select: best_test", "select: last"),
    ("needs: [a-1]", "seed: 0"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_can_change_the_result_changes_the_job(tmp_path: Path, one: str, other: str) -> None:
    assert the_job(tmp_path, one).id != the_job(tmp_path, other).id


@pytest.mark.parametrize(
    ("given", "mu"),
    [("factor: 0.055", "11/200"), ("ratio: 33.3", "10/333"), ("factor: 1e-3", "1/1000"), ("ratio: 50", "1/50")],
)
def test_an_imbalance_is_kept_as_the_exact_fraction_of_what_was_written(tmp_path: Path, given: str, mu: str) -> None:
    assert the_job(tmp_path, f"imbalance: {{type: exp, {given}}}").content["imbalance"] == {"type": "exp", "mu": mu}


def test_a_cell_always_shows_the_main_keys_and_every_axis(tmp_path: Path) -> None:
    text = """
        imbalance: {type: exp, factor: 0.05, n_max: 60}
        loss: [focal]
        loss.gamma: [1]
        train.lr: [0.2]
        head: [{name: cosine, scale: 16}]
        val: [{per_class: 5}]
    """
    assert dict(the_job(tmp_path, text).cell) == {
        "dataset": "digits",
        "imbalance": "exp-20",
        "imbalance.n_max": 60,
        "backbone": "resnet32",
        "loss": "focal",
        "loss.gamma": 1.0,
        "seed": 0,
        "train.lr": 0.2,
        "head": "cosine",
        "head.scale": 16.0,
        "val": "per_class-5",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\nloss: [ce, focl]", "g.yaml:2: unknown loss 'focl'; use focal"),
        ("los: ce", "g.yaml:1: unknown key 'los'; use loss"),
        ("epochs: 5", "g.yaml:1: unknown key 'epochs'; use train.epochs"),
        ("epoch: 5", "g.yaml:1: unknown key 'epoch'; use train.epochs"),
        ("gamma: 5", "g.yaml:1: unknown key 'gamma'; use loss.gamma"),
        ("train:\n  lr: 0.1\n  epoch: 5", "g.yaml:3: unknown key 'train.epoch'; use train.epochs"),
        ("train: 5", "g.yaml:1: train is 5; it must be a mapping, as in train: {epochs: 5}"),
        ("train: {epochs: 0}", "g.yaml:1: train.epochs is 0; it must be at least 1"),
        ("train: {epochs: 1e2}", "g.yaml:1: train.epochs is 100.0; it must be a whole number"),
        ("train: {momentum: 1}", "g.yaml:1: train.momentum is 1; it must be less than 1"),
        ("train: {preset: ldam20}", "g.yaml:1: train.preset cannot be 'ldam20'; use ldam200"),
        ("train: {precision: bf61}", "g.yaml:1: train.precision cannot be 'bf61'; use bf16"),
        (
            "train.milestones: [160, 180]",
            "g.yaml:1: train.milestones is 160; it must be a list (a list at the top level",
        ),
        ("train: {schedule: multistep, milestones: [3, 2]}", "g.yaml:1: train.milestones must rise"),
        ("train: {milestones: [3, 4]}", "g.yaml:1: train.milestones has no effect with schedule cosine"),
        ("train: {warmup_start: 0.5}", "g.yaml:1: train.warmup_start has no effect without train.warmup_epochs"),
        ("train: {warmup_over: 1}", "g.yaml:1: train.warmup_over has no effect without train.warmup_epochs"),
        ("train: {schedule: one_cycle, warmup_epochs: 2}", "g.yaml:1: train.warmup_epochs has no effect with schedule"),
        ("train: {nesterov: true, momentum: 0}", "g.yaml:1: train.nesterov needs a momentum"),
        ("train: {ranks: 3}", "g.yaml:1: 3 ranks cannot share a train.batch_size of 128"),
        ("loss: {gamma: 1}", "g.yaml:1: loss has no name"),
        ("loss: 3", "g.yaml:1: loss is 3; use one of ce, focal, cb_ce"),
        ("loss:", "g.yaml:1: loss is null"),
        ("loss: {name: focal, gama: 1}", "g.yaml:1: loss focal has no 'gama'; use gamma"),
        ("loss: {name: focal, gamma: -1}", "g.yaml:1: loss.gamma is -1; it must be at least 0"),
        (
            "loss: [ce, focal]\nloss.gamma: [1]",
            "g.yaml:2: loss ce has no 'gamma'; focal, cb_focal, vs, cdt, dual_focal, fcl_meta_lambda, mdca have: say",
        ),
        ("imbalance: exp", "g.yaml:1: imbalance exp says not how much; write {type: exp, ratio: 100}"),
        ("imbalance: {name: exp, ratio: 9}", "g.yaml:1: imbalance has no type; write type in place of name"),
        ("imbalance: {type: exp, ratio: 0.5}", "g.yaml:1: imbalance.ratio is 0.5; it must be at least 1"),
        ("imbalance: {type: exp, factor: 0}", "g.yaml:1: imbalance.factor is 0; it must be more than 0"),
        ("imbalance: {type: exp, ratio: 9, factor: 0.1}", "g.yaml:1: imbalance has both a ratio and a factor"),
        ("imbalance: {type: none, ratio: 9}", "g.yaml:1: imbalance none has no 'ratio'"),
        ("imbalance: {type: exp, ratio: 9, n_max: 0}", "g.yaml:1: imbalance.n_max is 0; it must be at least 1"),
        ("val: yes", "g.yaml:1: val is 'yes'; give one of none, {per_class: 50}, {fraction: 0.1}"),
        ("val: {per_clas: 3}", "g.yaml:1: unknown key 'val.per_clas'; use val.per_class or val.fraction"),
        ("val: {per_class: 3, fraction: 0.1}", "g.yaml:1: val says two things"),
        ("val: {fraction: 1}", "g.yaml:1: val.fraction is 1; it must be less than 1"),
        ("select: best_val", "g.yaml:1: select best_val needs a validation split"),
        ("select: first", "g.yaml:1: select cannot be 'first'"),
        ("seed: -1", "g.yaml:1: seed is -1; it must be at least 0"),
        ("seed: 4294967296", "g.yaml:1: seed is 4294967296; it must be less than 4.29497e+09"),
        ("seed: true", "g.yaml:1: seed is true; it must be a whole number"),
        ("dataset: folder", "g.yaml:1: dataset folder needs 'path'"),
        ("dataset: {name: folder, path: 3}", "g.yaml:1: dataset.path is 3; it must be a word"),
    ],
)
def test_a_wrong_train_grid_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text).startswith(line)


def test_a_folder_is_identified_by_its_images_not_by_its_path(tmp_path: Path) -> None:
    _folder(tmp_path / "data", "one")
    shutil.copytree(tmp_path / "data" / "one", tmp_path / "data" / "sub" / "two")
    _folder(tmp_path / "data", "three", size=4)
    one, two, three = (
        the_job(tmp_path, f"dataset: {{name: folder, path: {path}}}") for path in ("one", "sub//two/", "three")
    )
    assert one.id == two.id != three.id
    assert (one.data_path, two.data_path) == ("one", "sub/two")
    assert "path" not in one.content["dataset"]
    assert (one.cell["dataset"], two.cell["dataset"]) == ("one", "two")
    assert train_spec(two, "e")["dataset"] == {
        "name": "folder",
        "path": "sub/two",
        "size": 32,
        "fingerprint": one.content["dataset"]["fingerprint"],
    }


def test_one_data_set_under_two_paths_is_planned_once(tmp_path: Path) -> None:
    _folder(tmp_path / "data", "one")
    shutil.copytree(tmp_path / "data" / "one", tmp_path / "data" / "two")
    grid = load(tmp_path, "dataset: [{name: folder, path: one}, {name: folder, path: two}]")
    assert len(list(grid.jobs())) == 1
    assert grid.duplicates == 1


def test_a_missing_folder_is_named_in_full_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    line = refusal(tmp_path, "dataset: {name: folder, path: nowhere}")
    assert line.startswith("g.yaml:1: no data set at data/nowhere: ")  # refusal() takes the test's own folder out
    assert "ORCH_DATA" in line


def test_a_missing_folder_that_a_rule_excludes_does_no_harm(tmp_path: Path) -> None:
    text = "dataset: [digits, {name: folder, path: nowhere}]\nexclude: [{dataset: folder}]"
    assert [job.cell["dataset"] for job in plan(tmp_path, text)] == ["digits"]
