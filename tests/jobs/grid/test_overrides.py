from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.grid.planning import cells, load, plan, refusal, the_job

GRID = """
    loss: [ce, focal]
    seed: [0, 1, 2]
    train: {epochs: 9, lr: 0.2}
"""


def test_one_value_replaces_a_whole_axis(tmp_path: Path) -> None:
    assert cells(tmp_path, GRID, "loss", "seed", sets=("seed=7",)) == [("ce", 7), ("focal", 7)]


def test_several_values_are_an_axis_in_the_old_place(tmp_path: Path) -> None:
    found = cells(tmp_path, GRID, "loss", "seed", sets=("loss=bsce,ce", "seed=5"))
    assert found == [("bsce", 5), ("ce", 5)]


def test_a_dotted_key_is_replaced_inside_its_mapping(tmp_path: Path) -> None:
    jobs = plan(tmp_path, GRID, "train.epochs=5", "seed=0", "loss=ce")
    assert [job.content["train"] for job in jobs] == [{"epochs": 5, "lr": 0.2}]


def test_a_fixed_key_may_become_an_axis(tmp_path: Path) -> None:
    found = cells(tmp_path, GRID, "seed", "train.epochs", sets=("train.epochs=5,6", "seed=0", "loss=ce"))
    assert found == [(0, 5), (0, 6)]


def test_a_key_that_the_grid_does_not_have_may_be_set_if_a_train_job_has_it(tmp_path: Path) -> None:
    assert the_job(tmp_path, "seed: 1", "backbone=resnet20").cell["backbone"] == "resnet20"


def test_values_are_read_as_yaml(tmp_path: Path) -> None:
    sets = ("train.lr=1e-3", "loss={name: focal, gamma: 3}", "train.milestones=[3, 4]", "train.schedule=multistep")
    job = the_job(tmp_path, "seed: 1", *sets)
    assert job.content["train"] == {"lr": 0.001, "schedule": "multistep", "milestones": [3, 4]}
    assert job.content["loss"] == {"name": "focal", "gamma": 3.0}


def test_a_ratio_that_is_set_replaces_the_factor_of_the_grid(tmp_path: Path) -> None:
    for text in ("imbalance: {type: exp, factor: 0.5}", "imbalance: exp\nimbalance.factor: [0.5, 0.1]"):
        assert cells(tmp_path, text, "imbalance", sets=("imbalance.ratio=20",)) == [("exp-20",)]


def test_a_type_that_is_set_keeps_the_ratio_of_the_grid(tmp_path: Path) -> None:
    job = the_job(tmp_path, "imbalance: {type: exp, ratio: 20}", "imbalance.type=step")
    assert job.cell["imbalance"] == "step-20"


def test_a_name_that_is_set_replaces_a_plain_one(tmp_path: Path) -> None:
    assert the_job(tmp_path, "loss: [ce, bsce]", "loss.name=focal").cell["loss"] == "focal"


def test_val_is_replaced_whatever_its_form(tmp_path: Path) -> None:
    for text in ("val: none", "val: {fraction: 0.5}", "val.fraction: 0.5"):
        assert the_job(tmp_path, text, "val.per_class=4").content["val"] == {"per_class": 4}
    assert "val" not in the_job(tmp_path, "val.fraction: 0.5", "val=none").content


def test_a_rule_may_match_nothing_after_a_set(tmp_path: Path) -> None:
    text = "loss: [ce, focal]\nwhen: [{if: {loss: focal}, set: {loss.gamma: 3}}]\nexclude: [{seed: 9}]"
    assert refusal(tmp_path, text).startswith("g.yaml:3: this rule matches nothing")
    assert cells(tmp_path, text, "loss", sets=("loss=ce",)) == [("ce",)]


def test_rules_still_apply_after_a_set(tmp_path: Path) -> None:
    text = "loss: [ce, focal]\nseed: [0]\nwhen: [{if: {loss: focal}, set: {loss.gamma: 3}}]"
    assert cells(tmp_path, text, "seed", "loss.gamma", sets=("seed=4",)) == [(4, None), (4, 3.0)]


def test_a_zipped_axis_that_is_set_to_one_value_leaves_the_zip(tmp_path: Path) -> None:
    text = "seed: [0, 1]\ntrain.lr: [0.1, 0.2]\nzip: [[seed, train.lr]]"
    jobs = plan(tmp_path, text, "train.lr=0.5")
    assert [(job.cell["seed"], job.content["train"]) for job in jobs] == [(0, {"lr": 0.5}), (1, {"lr": 0.5})]
    assert "unequal lengths" in refusal(tmp_path, text, "seed=0,1,2")


def test_an_axis_that_is_set_to_one_value_need_not_be_included(tmp_path: Path) -> None:
    text = "seed: [0]\nloss: [ce]\ninclude: [{seed: 3, loss: bsce}]"
    assert cells(tmp_path, text, "seed", "loss", sets=("seed=7",)) == [(7, "ce"), (3, "bsce")]


def test_what_is_no_part_of_a_job_may_be_set(tmp_path: Path) -> None:
    grid = load(
        tmp_path,
        "name: a\nresources: {gpus: 4}\npriority: 1",
        "name=b",
        "priority=3",
        "resources.gpus=0",
        "timeout=90m",
    )
    (job,) = grid.jobs()
    assert (grid.name, job.priority, job.gpus, job.timeout_seconds) == ("b", 3, 0, 5400.0)


def test_only_parameters_that_a_call_has_may_be_set(tmp_path: Path) -> None:
    text = "kind: call\ntarget: a:b\nparams: {slow: 1}\nparams.i: [1, 2]"
    assert [job.content["params"] for job in plan(tmp_path, text, "params.slow=3", "params.i=9")] == [
        {"slow": 3, "i": 9}
    ]
    assert (
        refusal(tmp_path, text, "params.slwo=1") == "--set params.slwo: this grid has no 'params.slwo'; use params.slow"
    )


def test_only_keys_that_a_command_has_may_be_set_and_its_seed(tmp_path: Path) -> None:
    text = "kind: command\nargv: [ls, '{x}']\nx: [1, 2]"
    assert [job.content for job in plan(tmp_path, text, "x=3", "seed=4")] == [{"argv": ["ls", "3"], "seed": 4}]
    assert refusal(tmp_path, text, "y=1").startswith("--set y: this grid has no 'y'")


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("sead=1", "--set sead=1: unknown key 'sead'; use seed"),
        ("train.epcohs=5", "--set train.epcohs=5: unknown key 'train.epcohs'; use train.epochs"),
        ("train.epochs=many", "--set train.epochs=many: train.epochs is 'many'; it must be a whole number"),
        ("loss=ce,ladm", "--set loss=ce,ladm: unknown loss 'ladm'"),
        ("train=5", "--set train=5: train is 5; it must be a mapping"),
        ("seed", "--set seed: no key=value"),
        ("=3", "--set =3: no key=value"),
        ("seed=", "--set seed=: no value"),
        ("seed=1]", "--set seed=1]: '1]' is not a list of values"),
        ("seed=!!int 3", "--set seed=!!int 3: '!!int 3' is not a list of values"),
        ("kind=call", "--set kind=call: kind cannot be set; change it in the grid"),
        ("exclude=[]", "--set exclude=[]: exclude cannot be set"),
        ("priority=1,2", "--set priority=1,2: priority cannot be an axis"),
        ("resources.gpu=1", "--set resources.gpu=1: unknown resource 'gpu'; use gpus"),
        ("name=../x", "--set name=../x: '../x' cannot be the name of an experiment"),
    ],
)
def test_a_wrong_set_is_refused_in_one_line(tmp_path: Path, setting: str, line: str) -> None:
    assert refusal(tmp_path, GRID, setting).startswith(line)


def test_a_key_is_set_once(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, GRID, "seed=1", "seed=2")
        == "--set seed=2: seed is set twice; write --set seed=one,two for two values"
    )
