from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.canonical import canonical_json
from jobs.errors import InputError
from jobs.identity import is_job_id, job_id, slug
from tests.jobs.grid.planning import plan, the_job
from trainers import catalogue
from trainers.catalogue import Entry

# Frozen for ever: a change here would train every planned job again.
GOLDEN = [
    ("train", {}, "digits-balanced-resnet32-ce-s0-7d9fd958406472ca"),
    (
        "train",
        {
            "dataset": {"name": "cifar10"},
            "imbalance": {"type": "exp", "mu": "1/100"},
            "loss": {"name": "focal", "gamma": 1.0},
            "val": {"per_class": 50},
            "seed": 2,
            "train": {"epochs": 10, "lr": 0.05, "milestones": [6, 8], "nesterov": True, "schedule": "multistep"},
        },
        "cifar10-exp100-resnet32-focal-gamma1-s2-val50-e10-lr0p05-n-30394737d97f2dd1",
    ),
    (
        "train",
        {"dataset": {"name": "folder", "fingerprint": "00ff"}, "imbalance": {"type": "step", "mu": "10/333"}},
        "folder-step33p3-resnet32-ce-s0-03c9b19eca608428",
    ),
    ("command", {"argv": ["python", "-m", "pkg.train", "--lr", "0.1"], "seed": 3}, "train-lr-0p1-s3-de41b0f8aee3fa56"),
    (
        "call",
        {"target": "queue_job:run_job", "params": {"i": 7, "out": "/a/very/long/path", "sleep": 0.0}},
        "run-job-i7-sleep0-33a1222790624d0d",
    ),
    ("call", {"target": "a:b", "needs": ["x-1"]}, "b-4ce8f5b9ae137a4a"),
]


@pytest.mark.parametrize(("kind", "content", "expected"), GOLDEN)
def test_an_id_never_changes(kind: str, content: dict[str, Any], expected: str) -> None:
    assert job_id(kind, content) == expected


def test_a_whole_grid_keeps_its_ids(tmp_path: Path) -> None:
    text = """
        dataset: cifar100
        imbalance: {type: exp, factor: 0.01}
        backbone: resnet20
        head: {name: cosine, scale: 16}
        loss: {name: Focal, gamma: 1}
        val: {fraction: 0.1}
        seed: 4
        train: {preset: lade200, threads: 2}
        priority: 3
    """
    job = the_job(tmp_path, text)
    assert job.content == {
        "backbone": {"name": "resnet20"},
        "dataset": {"name": "cifar100"},
        "head": {"name": "cosine", "scale": 16.0},
        "imbalance": {"mu": "1/100", "type": "exp"},
        "loss": {"gamma": 1.0, "name": "focal"},
        "seed": 4,
        "train": {
            "batch_size": 256,
            "decay": 0.01,
            "lr": 0.2,
            "milestones": [119, 159],
            "schedule": "multistep",
            "threads": 2,
            "warmup_epochs": 5,
            "warmup_start": 1 / 3,
            "weight_decay": 0.0005,
        },
        "val": {"fraction": 0.1},
    }
    assert job.id == "cifar100-exp100-resnet20-focal-gamma1-s4-cosine-scale16-c01283010ab15df4"


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical_json({"b": [1, 1.0, True, None, "é"], "a": {}}) == '{"a":{},"b":[1,1.0,true,null,"\\u00e9"]}'


def test_a_new_key_with_a_default_leaves_old_ids_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "loss: {name: focal, gamma: 1}\nhead: cosine\nimbalance: {type: exp, ratio: 9}\ntrain: {preset: bot200}"
    before = the_job(tmp_path, text).id
    extended = dataclasses.replace(catalogue.LOSSES["focal"], params={"gamma": 2.0, "smoothing": 0.0})
    monkeypatch.setitem(catalogue.LOSSES, "focal", extended)
    monkeypatch.setitem(catalogue.TRAIN, "ema", False)
    monkeypatch.setitem(catalogue.PLAIN, "groups", 3)
    monkeypatch.setitem(catalogue.NAMED, "teacher", ({"none": Entry(), "big": Entry()}, "none"))
    assert the_job(tmp_path, text).id == before
    for more in ("train.ema: true", "groups: 4", "teacher: big"):
        assert the_job(tmp_path, f"{text}\n{more}").id != before
    assert the_job(tmp_path, f"{text}\ntrain.ema: false\ngroups: 3\nteacher: none\nloss.smoothing: 0").id == before


_KEYS = st.permutations(
    [
        "dataset: digits",
        "loss: {name: focal, gamma: 3}",
        "imbalance: {type: exp, ratio: 20}",
        "backbone: [simple_cnn]",
        "train: {epochs: 3, lr: 0.5}",
        "val.per_class: 4",
        "seed: [2]",
        "priority: 1",
    ]
)


@given(lines=_KEYS)
def test_the_order_of_keys_changes_nothing(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    ordered = the_job(folder, "\n".join(sorted(lines)))
    assert the_job(folder, "\n".join(lines)).id == ordered.id


_NAMES = [
    (head, name, alias)
    for head, (table, _) in catalogue.NAMED.items()
    for name, entry in table.items()
    for alias in entry.aliases
]


@pytest.mark.parametrize(("head", "name", "alias"), _NAMES)
def test_every_alias_is_the_job_of_its_name(head: str, name: str, alias: str, tmp_path: Path) -> None:
    val = "val: {per_class: 10}\n"  # some losses learn from it
    if head == "loss" and catalogue.LOSSES[name].needs_head:
        val += f"head: {catalogue.LOSSES[name].needs_head}\n"
    assert the_job(tmp_path, f"{val}{head}: {alias}").id == the_job(tmp_path, f"{val}{head}: {name}").id


def test_a_preset_of_a_loss_and_its_values_spelled_out_are_one_job(tmp_path: Path) -> None:
    values = "lam: 1.0, gamma_initial: 1.0, gamma_max: 20.0, gamma_min: -2.0, switch_pt: 0.2"
    preset, spelled, over = (
        the_job(tmp_path, f"val: {{per_class: 10}}\nloss: {{name: adafocal, {words}}}")
        for words in ("preset: official", values, "preset: official, lam: 2.0")
    )
    assert preset.id == spelled.id != over.id
    assert over.content["loss"]["gamma_max"] == 20.0
    with pytest.raises(InputError, match=r"loss\.preset cannot be 'mine'; use official"):
        the_job(tmp_path, "val: {per_class: 10}\nloss: {name: adafocal, preset: mine}")


def test_another_spelling_of_a_parameter_is_the_same_job(tmp_path: Path) -> None:
    one = the_job(tmp_path, "loss: {name: fbl, lambda: 30}")
    assert one.id == the_job(tmp_path, "loss: fbl\nloss.lam: [30]").id
    assert one.content == {"loss": {"name": "fbl", "lam": 30.0}}
    assert plan(tmp_path, "loss: [fbl, ce]\nexclude: [{loss.lambda: 60}]")[0].cell["loss"] == "ce"
    with pytest.raises(InputError, match=r"loss\.lam is given twice"):
        the_job(tmp_path, "loss: {name: fbl, lambda: 30, lam: 3}")


@pytest.mark.parametrize("preset", catalogue.PRESETS)
def test_a_preset_and_its_values_spelled_out_are_one_job(preset: str, tmp_path: Path) -> None:
    values = json.dumps(dict(catalogue.PRESETS[preset]))
    assert the_job(tmp_path, f"train: {values}").id == the_job(tmp_path, f"train: {{preset: {preset}}}").id


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_CONTENTS = st.one_of(
    st.builds(
        lambda target, params: ("call", {"target": f"m:{target}", "params": params}),
        st.text(min_size=1),
        st.dictionaries(st.text(), _SCALARS | st.lists(_SCALARS)),
    ),
    st.builds(lambda argv, seed: ("command", {"argv": argv, "seed": seed}), st.lists(st.text(), min_size=1), _SCALARS),
)


@given(made=_CONTENTS)
def test_every_id_is_short_and_plain(made: tuple[str, dict[str, Any]]) -> None:
    kind, content = made
    found = job_id(kind, content)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{16}", found)
    assert len(found) <= 120
    assert is_job_id(found)
    assert 0 < len(slug(kind, content)) <= 60


def test_a_hash_is_of_the_content_and_the_kind() -> None:
    assert job_id("call", {"target": "a:b"})[-16:] != job_id("command", {"target": "a:b", "argv": ["b"]})[-16:]
    with pytest.raises(ValueError, match="not JSON compliant"):
        job_id("call", {"target": "a:b", "params": {"x": float("nan")}})


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "../a", "a" * 121, "a\n"])
def test_what_is_no_id(text: str) -> None:
    assert not is_job_id(text)
