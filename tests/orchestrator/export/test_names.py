from __future__ import annotations

from typing import Any

import pytest

from orchestrator.export.names import backbone_name, file_safe, method_label, name_jobs
from orchestrator.export.source import Job
from tests.trainers.attempts import document
from trainers.catalogue import LOSSES, TRAIN


def loss(name: str, **params: Any) -> dict[str, Any]:
    return {"name": name, **LOSSES[name].params, **params}


def job(number: int, **sections: Any) -> Job:
    return Job(f"job-{number:06}", document(**sections))


@pytest.mark.parametrize(
    ("named", "label"),
    [
        (loss("ce"), "CE+WD"),
        (loss("brier"), "Brier"),
        (loss("ce_brier"), "CE+0.1Brier"),
        (loss("ce_brier", weight=1.0), "CE+1Brier"),
        (loss("label_smoothing"), "LS-0.05"),
        (loss("label_smoothing", eps=0.1, convention="exclusive"), "LS-0.1-exclusive"),
        (loss("focal", gamma=3), "FL-3"),
        (loss("focal"), "FL-2"),
        (loss("adaptive_focal"), "FLSD-53"),
        (loss("adaptive_focal", thresholds=[0.2, 0.5], gammas=[5.0, 3.0, 2.0]), "FLSD-532-thresholds0.2_0.5"),
        (loss("dual_focal"), "DualFocal"),
        (loss("dual_focal", gamma=6.1), "DualFocal-gamma6.1"),
        (loss("adafocal"), "AdaFocal"),
        (loss("adafocal", num_bins=20, dual=True), "AdaFocal-num_bins20-dual"),
        (loss("adafocal", **LOSSES["adafocal"].presets["official"]), "AdaFocal-official"),
        (loss("fcl_meta_lambda"), "FCL-MetaLambda"),
        (loss("mmce"), "MMCE"),
        (loss("mmce", variant="reference_quirk"), "MMCE-reference_quirk"),
        (loss("mdca"), "MDCA"),
        (loss("mbls"), "MBLS"),
        (loss("logit_norm"), "LOGIT_NORM"),
        (loss("bsce"), "BSCE"),
        ({"name": "of_tomorrow", "tau": 2.0}, "OF_TOMORROW-tau2"),
    ],
)
def test_a_loss_has_the_label_of_the_seed_and_other_parameters_show(named: dict[str, Any], label: str) -> None:
    assert method_label(named, TRAIN) == label


def test_cross_entropy_without_weight_decay_is_not_called_so() -> None:
    assert method_label(loss("ce"), {"weight_decay": 0.0}) == "CE"


def test_every_loss_of_the_catalogue_has_a_label_of_its_own() -> None:
    labels = [method_label(loss(name), TRAIN) for name in LOSSES]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ({"name": "wrn28x10"}, "wideresnet28x10"),
        ({"name": "resnet50"}, "resnet50"),
        ({"name": "densenet121"}, "densenet121"),
        ({"name": "resnet110", "shortcut": "B"}, "resnet110"),
        ({"name": "resnet110", "shortcut": "A"}, "resnet110-A"),
        ({"name": "resnet32", "shortcut": "A"}, "resnet32"),
        ({"name": "resnet32", "shortcut": "B"}, "resnet32-B"),
        ({"name": "torchvision", "network": "efficientnet_b0", "stem": "cifar"}, "efficientnet_b0"),
        ({"name": "torchvision", "network": "swin_t", "stem": "imagenet"}, "swin_t-imagenet"),
    ],
)
def test_a_backbone_has_the_name_of_the_seed(backbone: dict[str, Any], name: str) -> None:
    assert backbone_name(backbone) == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("cifar10|resnet50|CE+0.1Brier", "cifar10_resnet50_CE+0.1Brier"),
        ("a/b|c d|e", "a-b_c_d_e"),
        ("../..|x|y", "_x_y"),
        (".hidden", "hidden"),
        ("", "run"),
    ],
)
def test_a_file_name_is_the_key_without_what_no_file_should_be_called(key: str, name: str) -> None:
    assert file_safe(key) == name


def test_the_first_seed_has_the_plain_names_and_the_others_a_suffix() -> None:
    names = name_jobs([job(number, seed=seed) for number, seed in enumerate((4, 0, 7))])
    assert [name.stem for name in names.values()] == [
        f"folder_simple_cnn_CE+WD{suffix}" for suffix in ("", "_seed0", "_seed7")
    ]


def test_what_else_differs_stands_behind_the_method_but_for_the_first() -> None:
    jobs = [
        job(0, imbalance={"type": "exp", "mu": "1/10", "n_max": None}),
        job(1, imbalance={"type": "exp", "mu": "1/100", "n_max": None}),
        job(2, imbalance={"type": "exp", "mu": "1/100", "n_max": None}, seed=1),
        job(3, imbalance={"type": "exp", "mu": "1/10", "n_max": None}, seed=1, train={"lr": 0.5, "nesterov": True}),
    ]
    names = name_jobs(jobs)
    assert [name.method + name.suffix for name in names.values()] == [
        "CE+WD",
        "CE+WD-ratio100",
        "CE+WD-ratio100_seed1",
        "CE+WD-lr0.5-nesterov",
    ]
    assert names["job-000003"].behind == ("train.lr", "train.nesterov")
    assert [name.stem for name in name_jobs(jobs[:2]).values()] == [names[one.id].stem for one in jobs[:2]]


def test_no_two_jobs_write_the_same_file() -> None:
    jobs = [
        job(number, data_seed=data_seed, select=select, loss=loss("focal", gamma=gamma))
        for number, (data_seed, select, gamma) in enumerate(
            [
                (0, "last", 1.0),
                (1, "last", 1.0),
                (0, "best_test", 1.0),
                (0, "last", 1.0000001),
                (0, "last", 1.0000002),
                (0, "last", 1.0000003),
            ]
        )
    ]
    stems = [name.stem.lower() for name in name_jobs(jobs).values()]
    assert len(set(stems)) == len(stems)
