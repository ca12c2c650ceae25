"""What a plan knows of rules, samplers, mixers and losses for long tails: one job for one meaning, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.spec import train_spec
from tests.jobs.grid.planning import cells, plan, refusal, the_job
from trainers import catalogue
from trainers.catalogue import Entry
from trainers.catalogue.compatibility import clash_of, values_of

SAME = [
    ("rule: {name: drw, defer: 0.8}", "rule: drw"),
    ("rule: {name: DRW, defer_epoch: 160}", "rule: drw"),
    ("rule: {name: drw, defer: 160}\ntrain.epochs: 200", "rule: drw\nrule.defer: [0.8]"),
    ("rule: {name: drs, defer: 0.75}", "rule: {name: drs, defer: 150}"),
    ("rule: {name: drw, defer: 9}\ntrain.epochs: 12", "rule: drw\ntrain.epochs: 12"),
    ("rule: {name: drw, defer: 0.795, weights: inverse}", "rule: {name: drw, weights: inverse, defer_epoch: 159}"),
    ("rule: BalancedRS", "sampler: balanced_rs"),
    ("rule: Resample", "sampler: {name: EffectNumRS, beta: 0.9999}"),
    ("rule: {name: EffectNumRS, beta: 0.99}", "sampler: {name: effective_rs, beta: 0.99}"),
    ("rule: [class_aware]", "rule: none\nsampler: ClassAware"),
    ("rule: {name: ClassAware, per_class: 2}", "sampler: class_aware\nsampler.per_class: 2"),
    ("rule: progressive\nsampler: ProgressiveRS", "sampler: progressive_rs"),
    ("rule: instance", "rule: None"),
    ("rule: Reweight", "rule: {name: effective_rw, beta: 0.9999}"),
    ("loss: {name: FeaBal, lambda: 30}", "loss: {name: fbl, lam: 30}"),
    ("loss: {name: las, preset: cifar10}", "loss: {name: LAS, smooth_head: 0.3, smooth_tail: 0}"),
    (
        "head: {name: cosine, scale: 20}\nloss: {name: LDAM, scale: 20}",
        "loss: {name: ldam, scale: 20.0}\nhead.name: cosine\nhead.scale: [20]",
    ),
    ("mixer: Remix", "mixer: {name: remix, kappa: 3}"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_a_method_are_one_job(tmp_path: Path, one: str, other: str) -> None:
    first, second = the_job(tmp_path, one), the_job(tmp_path, other)
    assert first.id == second.id
    assert train_spec(first, "e") == train_spec(second, "e")


DIFFERENT = [
    ("rule: drw\ntrain.epochs: 200", "rule: {name: drw, defer: 150}"),
    ("rule: drw", "rule: effective_rw"),
    ("rule: BalancedRS", "rule: BalancedRW"),
    ("rule: EffectNumRS", "rule: EffectNumRW"),
    ("rule: drs", "sampler: balanced_rs"),
    ("loss: cb_ce", "loss: ce\nrule: effective_rw"),
    ("mixer: remix", "mixer: mixup"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_methods_are_two_jobs(tmp_path: Path, one: str, other: str) -> None:
    assert the_job(tmp_path, one).id != the_job(tmp_path, other).id


@pytest.mark.parametrize(
    "word", [word for name, entry in catalogue.SAMPLERS.items() for word in (name, *entry.aliases)]
)
def test_every_sampler_may_stand_under_rule(tmp_path: Path, word: str) -> None:
    assert the_job(tmp_path, f"rule: {word}").id == the_job(tmp_path, f"sampler: {word}").id


def test_no_word_is_a_rule_and_a_sampler() -> None:
    rules, samplers = (
        {word for name, entry in table.items() for word in (name, *entry.aliases)}
        for table in (catalogue.RULES, catalogue.SAMPLERS)
    )
    assert not rules & samplers


def test_a_deferral_is_kept_as_the_default_or_as_the_epoch_that_it_means(tmp_path: Path) -> None:
    default, at_150, short = (
        the_job(tmp_path, f"rule: {{name: drw, defer: {defer}}}\ntrain.epochs: {epochs}")
        for defer, epochs in ((160, 200), (0.75, 200), (5, 10))
    )
    assert default.content["rule"] == {"name": "drw"}
    assert at_150.content["rule"] == {"name": "drw", "defer": 150.0}
    assert short.content["rule"] == {"name": "drw", "defer": 5.0}
    assert train_spec(default, "e")["rule"]["defer"] == 0.8


def test_a_sampler_under_rule_is_matched_replaced_and_shown_as_one(tmp_path: Path) -> None:
    text = """
        loss: [ce, bsce, focal]
        rule: [None, BalancedRS, EffectNumRW]
        exclude: [{loss: bsce, sampler: balanced_rs}, {loss: focal, rule: BalancedRS}]
        include: [{loss: ce, rule: ClassAware}]
        when:
          - if: {loss: ce, rule: balanced}
            set: {rule: drw}
    """
    assert cells(tmp_path, text, "loss", "rule", "sampler") == [
        ("ce", "none", "instance"),
        ("ce", "drw", "instance"),
        ("ce", "effective_rw", "instance"),
        ("bsce", "none", "instance"),
        ("bsce", "effective_rw", "instance"),
        ("focal", "none", "instance"),
        ("focal", "effective_rw", "instance"),
        ("ce", "none", "class_aware"),
    ]


def test_what_is_advised_for_a_sampler_under_rule_works(tmp_path: Path) -> None:
    text = "rule: [BalancedRS, EffectNumRS]\nwhen: [{if: {rule: effective_rs}, set: {rule.beta: 0.9}}]"
    assert [job.content["sampler"] for job in plan(tmp_path, text)] == [
        {"name": "balanced_rs"},
        {"name": "effective_rs", "beta": 0.9},
    ]


def test_rule_sampler_and_mixer_are_told_apart_in_ids_and_cells(tmp_path: Path) -> None:
    text = """
        loss: {name: cb_focal, beta: 0.9, gamma: 1, form: sigmoid}
        rule: [none, drs, {name: drs, sampler: progressive_rs}, {name: drs, defer: 150}, sqrt]
        mixer: [none, remix]
    """
    jobs = plan(tmp_path, text)
    assert len({tuple(sorted(job.cell.items())) for job in jobs}) == len(jobs) == 10
    slugs = [job.id.rpartition("-")[0].removeprefix("digits-balanced-resnet32-cb-focal-") for job in jobs[::2]]
    assert [slug.partition("beta0p9")[0] for slug in slugs] == ["", "drs-", "drs-progressive-rs-", "drs-", "sqrt-rs-"]
    short = plan(tmp_path, "rule: [drw, {name: drw, defer: 150, weights: inverse}]\nmixer: remix")
    assert [job.id.rpartition("-")[0] for job in short] == [
        "digits-balanced-resnet32-ce-drw-s0-remix",
        "digits-balanced-resnet32-ce-drw-inverse-s0-defer150-remix",
    ]


REFUSED = [
    ("loss: LDAM", "g.yaml:1: loss ldam cannot learn on head linear; say head: cosine"),
    ("loss: ldam\nhead: linear", "g.yaml:2: loss ldam cannot learn on head linear; say head: cosine"),
    (
        "loss: {name: ldam, scale: 20}\nhead: cosine",
        "g.yaml:1: loss.scale 20 is not the 30 by which head cosine multiplies its cosines; say head.scale: 20 too",
    ),
    (
        "loss: fbl\ntrain: {epochs: 11}",
        "g.yaml:2: loss fbl needs 12 epochs to grow in, and train.epochs is 11; say train.epochs: 12 or more",
    ),
    (
        "rule: {name: drw, defer_epoch: 160}\ntrain.epochs: 100",
        "g.yaml:1: rule drw is deferred to epoch 160 (from 0) of 100: it never begins; give a share of the epochs, "
        "such as 0.8, or a whole epoch below 100",
    ),
    ("loss: bsce\nrule: {name: deferred_loss, defer: 200}", "g.yaml:2: rule deferred_loss is deferred to epoch 200"),
    ("rule: {name: drs, defer: 1.5}", "g.yaml:1: rule.defer is 1.5; give a share of the epochs, such as 0.8, or a"),
    ("rule: {name: drw, defer: 0}", "g.yaml:1: rule.defer is 0; it must be more than 0"),
    (
        "train.epochs: 1\nrule: drw",
        "g.yaml:1: rule drw with defer 0.8 of 1 epochs holds from the start; say rule: effective_rw",
    ),
    (
        "loss: LaDe\nrule: dynamic_rw",
        "g.yaml:2: rule dynamic_rw cannot follow loss lade, which may be negative, class by class",
    ),
    (
        "loss: {name: fbl, curve: constant, late_epochs: 3}",
        "g.yaml:1: loss.late_epochs has no effect with loss.curve constant; leave it out, or say loss.curve: parabolic",
    ),
    (
        "rule: {name: BalancedRS, defer: 0.5}",
        "g.yaml:1: sampler balanced_rs has no 'defer'; say `when: [{if: {rule: drw}, set: {rule.defer: ...}}]`",
    ),
    (
        "rule: {name: drw, defer: 0.001, weights: inverse}",
        "g.yaml:1: rule drw with defer 0.001 of 200 epochs holds from the start; say rule: inverse_rw",
    ),
    (
        "rule: {name: drw, defer: 0.001, weights: sqrt_inverse}",
        "g.yaml:1: rule drw with defer 0.001 of 200 epochs holds from the start; defer it to epoch 1 or later",
    ),
    (
        "rule: {name: drs, sampler: sqrt_rs, defer: 0.001}",
        "g.yaml:1: rule drs with defer 0.001 of 200 epochs holds from the start; say sampler: sqrt_rs without the rule",
    ),
    (
        "loss: bsce\nrule: {name: deferred_loss, defer: 0.001}",
        "g.yaml:2: rule deferred_loss with defer 0.001 of 200 epochs holds from the start; say rule: none",
    ),
    (
        "loss: CB\nrule: DRW",
        "g.yaml:2: loss cb_ce weighs classes already; say loss: ce, or rule: none",
    ),
    ("loss: cb_focal\nrule: inverse_rw", "g.yaml:2: loss cb_focal weighs classes already; say loss: focal, or rule"),
    (
        "loss: brier\nrule: Reweight",
        "g.yaml:2: loss brier takes no class weights, as rule effective_rw gives them; say loss: ce, or rule: none",
    ),
    (
        "mixer: remix\nloss: gml",
        "g.yaml:1: mixer remix gives each image shares of two labels, and loss gml needs one label; use mixer: mixup, "
        "or loss: bsce",
    ),
    (
        "sampler: BalancedRS\nrule: DRS",
        "g.yaml:1: rule drs turns to sampler balanced_rs, by which the job is drawn from the start; say sampler: "
        "instance, or rule: none",
    ),
    ("rule: deferred_loss", "g.yaml:1: rule deferred_loss is cross entropy first and then the loss, which is ce too"),
    (
        "rule: deferred_loss\nloss: adafocal\nval: {per_class: 5}",
        "g.yaml:1: loss adafocal learns from the validation split from the start, so it cannot be deferred",
    ),
    (
        "rule: {name: dynamic_rw, max_weight: 0.5}",
        "g.yaml:1: rule.max_weight 0.5 is below rule.min_weight 1; give the larger one as max_weight",
    ),
    (
        "loss: fbl\nrule: dynamic_rw",
        "g.yaml:2: rule dynamic_rw cannot follow loss fbl class by class: it needs features; say rule.mode: recall",
    ),
    (
        "rule: {name: drw, weights: inverse, beta: 0.9}",
        "g.yaml:1: rule.beta has no effect with rule.weights inverse; leave it out, or say rule.weights: effective",
    ),
    ("loss: {name: las, power: 3}", "g.yaml:1: loss.power has no effect with loss.form concave; leave it out"),
    ("rule: BalancedRS\nsampler: sqrt", "g.yaml:1: rule says sampler balanced_rs, and sampler says sqrt_rs; keep one"),
    (
        "rule: {name: Resample, beta: 0.9}\nsampler: effective_rs",
        "g.yaml:1: rule says sampler effective_rs, and sampler says effective_rs with other parameters; keep one",
    ),
    ("rule: balanced_sr", "g.yaml:1: unknown rule 'balanced_sr'; use balanced_rs"),
    ("loss: {name: fbl, lambda: 1, lam: 2}", "g.yaml:1: loss.lam is given twice; keep one of its spellings"),
]


@pytest.mark.parametrize(("text", "line"), REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert refusal(tmp_path, text).startswith(line)


ALLOWED = [
    "rule: inverse_rw\nimbalance: none",
    "loss: fbl\ntrain: {epochs: 12}",
    "rule: {name: drw, defer: 199}",
    "loss: fbl\nrule: {name: dynamic_rw, mode: recall}",
    "loss: gml\nmixer: mixup",
    "loss: lade\nrule: effective_rw",
    "loss: cb_ce\nrule: deferred_loss",
    "loss: cb_ce\nrule: drs",
    "rule: drs\nsampler: sqrt_rs",
    "rule: {name: drs, sampler: effective_rs}\nsampler: {name: effective_rs, beta: 0.99}",
    "loss: ldam\nhead: cosine\nrule: drw",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_what_goes_together_is_planned_and_a_trainer_agrees(tmp_path: Path, text: str) -> None:
    assert clash_of(values_of(train_spec(the_job(tmp_path, text), "e"))) is None


def test_a_trainer_refuses_the_same_of_a_spec_that_was_written_by_hand(tmp_path: Path) -> None:
    spec = train_spec(the_job(tmp_path, "loss: bsce\nrule: drw"), "e")
    spec["loss"] = {"name": "brier"}
    clash = clash_of(values_of(spec))
    assert clash is not None
    assert clash.problem == "loss brier takes no class weights, as rule drw gives them"


def test_a_loss_of_features_is_refused_on_a_backbone_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalogue.BACKBONES, "opaque", Entry(gives_features=False))
    assert refusal(tmp_path, "backbone: opaque\nloss: fbl") == (
        "g.yaml:1: loss fbl looks at features, and backbone opaque gives none; use backbone: resnet32, or loss: ce"
    )
    assert the_job(tmp_path, "backbone: opaque").cell["backbone"] == "opaque"


def test_a_cell_that_could_not_be_does_no_harm_where_a_rule_mends_it(tmp_path: Path) -> None:
    text = "loss: [ce, ldam]\nrule: [none, drw]\nwhen: [{if: {loss: ldam}, set: {head: cosine}}]"
    assert cells(tmp_path, text, "loss", "rule", "head") == [
        ("ce", "none", "linear"),
        ("ce", "drw", "linear"),
        ("ldam", "none", "cosine"),
        ("ldam", "drw", "cosine"),
    ]
