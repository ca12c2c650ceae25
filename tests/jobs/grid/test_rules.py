from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.grid.planning import cells, load, plan, refusal


def test_zipped_axes_move_together(tmp_path: Path) -> None:
    text = """
        backbone: [resnet20, resnet32]
        seed: [0, 1]
        train.lr: [0.1, 0.2]
        zip: [[backbone, train.lr]]
    """
    assert cells(tmp_path, text, "backbone", "train.lr", "seed") == [
        ("resnet20", 0.1, 0),
        ("resnet20", 0.1, 1),
        ("resnet32", 0.2, 0),
        ("resnet32", 0.2, 1),
    ]


def test_zipped_axes_count_once_against_the_limit(tmp_path: Path) -> None:
    axes = "\n".join(f"params.a{n}: [{', '.join(map(str, range(100)))}]" for n in range(4))
    grid = load(tmp_path, f"kind: call\ntarget: a:b\nzip: [[params.a0, params.a1, params.a2, params.a3]]\n{axes}\n")
    assert grid.size == 100


def test_a_conditional_axis_exists_only_where_its_condition_holds(tmp_path: Path) -> None:
    text = """
        loss: [ce, focal]
        seed: [0, 1]
        when: [{if: {loss: focal}, grid: {loss.gamma: [1, 3]}}]
    """
    assert cells(tmp_path, text, "loss", "seed", "loss.gamma") == [
        ("ce", 0, None),
        ("ce", 1, None),
        ("focal", 0, 1.0),
        ("focal", 0, 3.0),
        ("focal", 1, 1.0),
        ("focal", 1, 3.0),
    ]


def test_two_conditional_axes_are_multiplied(tmp_path: Path) -> None:
    text = "loss: [focal]\nwhen: [{if: {loss: focal}, grid: {loss.gamma: [1, 3], train.lr: [0.1, 0.2]}}]"
    assert len(plan(tmp_path, text)) == 4


def test_set_gives_matching_cells_another_value(tmp_path: Path) -> None:
    text = """
        loss: [ce, focal]
        train: {lr: 0.1, epochs: 9}
        when: [{if: {loss: focal}, set: {loss.gamma: 3, train: {lr: 0.5}}}]
    """
    ce, focal = plan(tmp_path, text)
    assert (ce.content["train"], focal.content["train"]) == ({"epochs": 9}, {"lr": 0.5, "epochs": 9})
    assert focal.content["loss"] == {"name": "focal", "gamma": 3.0}
    assert (ce.cell["train.lr"], focal.cell["train.lr"], focal.cell["loss.gamma"]) == (0.1, 0.5, 3.0)


def test_setting_a_whole_key_leaves_nothing_of_the_old_value(tmp_path: Path) -> None:
    text = """
        loss: {name: focal, gamma: 3}
        val: {per_class: 2}
        seed: [1]
        when: [{if: {seed: 1}, set: {loss: ce, val: none}}]
    """
    (job,) = plan(tmp_path, text)
    assert dict(job.content) == {"seed": 1}


def test_a_key_and_its_parameter_are_set_together_in_any_order(tmp_path: Path) -> None:
    for given in ("{loss: focal, loss.gamma: 3}", "{loss.gamma: 3, loss: focal}"):
        jobs = plan(tmp_path, f"seed: [0]\nwhen: [{{if: {{seed: 0}}, set: {given}}}]")
        assert [job.content for job in jobs] == [{"loss": {"name": "focal", "gamma": 3.0}}]


def test_setting_a_ratio_replaces_a_factor(tmp_path: Path) -> None:
    text = "imbalance: {type: exp, factor: 0.1}\nseed: [1]\nwhen: [{if: {seed: 1}, set: {imbalance.ratio: 50}}]"
    assert cells(tmp_path, text, "imbalance") == [("exp-50",)]


def test_set_may_change_what_is_no_part_of_the_job(tmp_path: Path) -> None:
    text = "seed: [0, 1]\npriority: 1\nwhen: [{if: {seed: 1}, set: {priority: 7, resources.gpus: 2, timeout: 1h}}]"
    assert [(job.priority, job.gpus, job.timeout_seconds) for job in plan(tmp_path, text)] == [
        (1, None, None),
        (7, 2, 3600.0),
    ]


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ("{loss: focal}", 2),
        ("{loss: Focal}", 2),
        ("{loss: {name: focal}}", 2),
        ("{loss: focal, seed: 1}", 3),
        ("{loss.gamma: 2}", 2),
        ("{loss.gamma: 2.0, seed: 0}", 3),
        ("{imbalance: {ratio: 100}, seed: 0}", 2),
        ("{imbalance.factor: 0.01, loss: ce}", 2),
        ("{train: {preset: ldam200}, seed: 0}", 2),
        ("{train.schedule: multistep, loss: CE}", 2),
        ("{val: none, seed: 0}", 2),
    ],
)
def test_exclude_compares_canonical_values_defaults_included(tmp_path: Path, rule: str, left: int) -> None:
    text = """
        loss: [ce, focal]
        seed: [0, 1]
        imbalance: {type: exp, factor: 0.01}
        train: {schedule: multistep, decay: 0.01, warmup_epochs: 5}
    """
    assert len(plan(tmp_path, f"{text}\n        exclude: [{rule}]\n")) == left


def test_at_ratio_one_every_type_matches(tmp_path: Path) -> None:
    text = "imbalance.type: exp\nimbalance.ratio: [1, 10]\nexclude: [{imbalance: {type: step, ratio: 1}}]"
    assert cells(tmp_path, text, "imbalance") == [("exp-10",)]


def test_true_does_not_match_one(tmp_path: Path) -> None:
    text = "kind: call\ntarget: a:b\nparams.x: [1, true, 2]\nexclude: [{params.x: true}]"
    assert cells(tmp_path, text, "params.x") == [(1,), (2,)]


def test_a_rule_can_drop_cells_that_could_not_be(tmp_path: Path) -> None:
    text = """
        loss: [CE, focal]
        loss.gamma: [1, 3]
        exclude: [{loss: ce}]
    """
    assert cells(tmp_path, text, "loss", "loss.gamma") == [("focal", 1.0), ("focal", 3.0)]


def test_include_adds_whole_cells_after_exclude_and_before_set(tmp_path: Path) -> None:
    text = """
        loss: [ce, focal]
        seed: [0, 1]
        train: {epochs: 9}
        exclude: [{seed: 1}]
        include: [{loss: bsce, seed: 1}]
        when: [{if: {loss: bsce}, set: {train.epochs: 3}}]
    """
    jobs = plan(tmp_path, text)
    assert [(job.cell["loss"], job.cell["seed"], job.content["train"]["epochs"]) for job in jobs] == [
        ("ce", 0, 9),
        ("focal", 0, 9),
        ("bsce", 1, 3),
    ]


def test_conditional_axes_are_there_when_exclude_looks(tmp_path: Path) -> None:
    text = """
        loss: [ce, focal]
        when: [{if: {loss: focal}, grid: {loss.gamma: [1, 3]}, set: {seed: 5}}]
        exclude: [{loss.gamma: 3}]
    """
    assert cells(tmp_path, text, "loss", "loss.gamma", "seed") == [("ce", None, 0), ("focal", 1.0, 5)]


def test_exclude_does_not_see_what_set_gives_later(tmp_path: Path) -> None:
    text = "seed: [0, 1]\nwhen: [{if: {seed: 0}, set: {loss: focal}}]\nexclude: [{loss: focal}]"
    assert refusal(tmp_path, text) == "g.yaml:3: this rule matches nothing; correct it or remove it"


def test_every_rule_counts_even_where_an_earlier_one_drops_its_cells(tmp_path: Path) -> None:
    text = "seed: [0, 1, 2]\nexclude:\n  - {seed: 1}\n  - {seed: 1, loss: ce}"
    assert len(plan(tmp_path, text)) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: [0]\nexclude:\n  - {seed: 3}", "g.yaml:3: this rule matches nothing"),
        ("seed: [0]\nexclude:\n  - {sead: 3}", "g.yaml:3: unknown key 'sead'; use seed"),
        ("seed: [0]\nexclude:\n  - {loss: ladm}", "g.yaml:3: unknown loss 'ladm'"),
        ("seed: [0]\nexclude: {seed: 3}", "g.yaml:2: exclude is a mapping; it must be a list of rules"),
        ("seed: [0]\nexclude: [{}]", "g.yaml:2: an exclude rule is empty"),
        ("seed: [0]\nexclude: [seed]", "g.yaml:2: an exclude rule is 'seed'"),
        ("seed: [0]\nexclude: [{seed: [0]}]", "g.yaml:2: seed is a list; it takes one plain value"),
        ("seed: [0]\nexclude: [{priority: 0}]", "g.yaml:2: priority is no part of a job"),
        ("seed: [0]\nexclude: [{seed: 0}]", "g.yaml: the rules exclude every cell"),
        ("seed: [0]\nwhen: [{if: {seed: 1}, set: {loss: focal}}]", "g.yaml:2: this rule matches nothing"),
        ("seed: [0]\nwhen: [{set: {loss: focal}}]", "g.yaml:2: a when rule lacks its if"),
        ("seed: [0]\nwhen: [{if: {seed: 0}}]", "g.yaml:2: a when rule lacks its set or grid"),
        ("seed: [0]\nwhen: [{if: {}, set: {loss: ce}}]", "g.yaml:2: if is empty"),
        ("seed: [0]\nwhen: [{if: {seed: 0}, sets: {loss: ce}}]", "g.yaml:2: unknown word 'sets' in when; use set"),
        ("seed: [0]\nwhen: [{if: {seed: 0}, grid: {loss: ce}}]", "g.yaml:2: loss under grid is no axis"),
        ("seed: [0]\nwhen: [{if: {seed: 0}, grid: {loss: []}}]", "g.yaml:2: loss under grid is no axis"),
        ("seed: [0]\nwhen: [{if: {seed: 0}, set: {los: ce}}]", "g.yaml:2: unknown key 'los'; use loss"),
        ("seed: [0]\nwhen: [{if: {seed: 0}, set: {loss: focl}}]", "g.yaml:2: unknown loss 'focl'; use focal"),
        ("seed: [0, 1]\nloss: [ce]\ninclude:\n  - {seed: 5}", "g.yaml:4: this include has no 'loss'"),
        (
            "seed: [0, 1]\nloss: [ce]\nzip: [[seed, loss]]",
            "g.yaml:3: zipped axes of unequal lengths: seed has 2, loss has 1",
        ),
        ("seed: [0, 1]\nzip: [[seed, los]]\nloss: [ce, bsce]", "g.yaml:2: zip names 'los', which is no axis; use loss"),
        ("seed: [0, 1]\nzip: [[seed]]", "g.yaml:2: a zip of fewer than two axes"),
        ("seed: [0, 1]\nzip: [seed]", "g.yaml:2: a zip is 'seed'; write zip: [[axis, axis]]"),
        ("seed: [0]\nloss: [ce]\nzip: [[seed, loss], [loss, seed]]", "g.yaml:3: the axis 'loss' is zipped twice"),
    ],
)
def test_a_wrong_rule_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text).startswith(line)
