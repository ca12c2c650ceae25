"""What a spec may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.attempts import document
from trainers.errors import SpecError
from trainers.spec import parse_spec, read_spec


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in document().items() if name != key}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (document({"batch_size": 30, "ranks": 4}), "batch_size 30 cannot be shared by 4 ranks"),
        (document({"schedule": "one_cycle", "warmup_epochs": 3}), "one_cycle has its own warm-up"),
        (document({"schedule": "cosin"}), r"unknown train.schedule 'cosin'; did you mean 'cosine'\?"),
        (document({"batchsize": 3}), r"unknown key of train 'batchsize'; did you mean 'batch_size'\?"),
        (document(select="best_val"), "best_val needs a validation split"),
        (document(select="best"), "unknown select 'best'; did you mean"),
        (document(sampler={"name": "class_awar"}), "unknown sampler 'class_awar'; did you mean 'class_aware'"),
        (document(loss={"name": "ldam"}), "loss ldam cannot learn on head linear; say head: cosine"),
        (document(loss={"name": "fbl"}), "loss fbl needs 12 epochs to grow in, and train.epochs is 2"),
        (document(rule={"name": "drw", "defer": 160}), "deferred to epoch 160 .* of 2: it never begins"),
        (document(mixer={"name": "mixpu"}), "unknown mixer 'mixpu'; did you mean 'mixup'"),
        (document(mixer={"name": "mixup", "alhpa": 1}), "parameter of mixer mixup 'alhpa'; did you mean 'alpha'"),
        (document({"ranks": 3}), "train.batch_size 32 cannot be shared by 3 ranks"),
        (document({"ranks": 2, "accumulate": 3}), "train.accumulate 3 cannot cut 16 images, a rank's batch"),
        (document({"graph": True, "compile": True}), "train.graph records the step of one rank, not compiled"),
        (document(recipe={"name": "crt"}), "unknown recipe 'crt'; there is single"),
        (without("seed"), "lacks 'seed'"),
        (without("train"), "lacks 'train.epochs'"),
    ],
)
def test_what_cannot_be_done_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        parse_spec(asked)


def test_a_parameter_at_its_default_leaves_the_digest_of_before_it_was_there() -> None:
    digest = parse_spec(document()).digest
    assert parse_spec(document(head={"name": "linear", "init": "network"})).digest == digest
    assert parse_spec(document(head={"name": "linear", "init": "torch"})).digest != digest
    mixed = [parse_spec(document(mixer=mixer)).digest for mixer in ({"name": "mixup"}, {"name": "mixup", "alpha": 1.0})]
    assert mixed[0] == mixed[1] != digest


def test_the_digest_is_of_what_can_change_the_result() -> None:
    digest = parse_spec(document()).digest
    assert parse_spec(document(job="another", experiment="elsewhere")).digest == digest
    assert parse_spec(document({"lr": 0.06})).digest != digest
    folder = {"name": "folder", "path": "a", "size": 32, "fingerprint": "f"}
    assert parse_spec(document(dataset=folder)).digest == parse_spec(document(dataset={**folder, "path": "b"})).digest


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_file_that_is_no_spec_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "spec.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match=r"spec.json is not a spec"):
        read_spec(path)
