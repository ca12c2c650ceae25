"""Names of weights: one name for each spelling, and never one name for two weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainers import build_backbone
from trainers.catalogue import BACKBONES
from trainers.weight_keys import canonical, head_of, match, table

EVERY: list[dict[str, Any]] = [{"name": name} for name in BACKBONES if name != "torchvision"]
EVERY += [{"name": "resnet20", "shortcut": "B"}]
EVERY += [
    {"name": "torchvision", "network": network, "stem": "imagenet"}
    for network in ("vgg11", "densenet121", "mobilenet_v3_small", "swin_t", "shufflenet_v2_x0_5", "alexnet")
]


@pytest.mark.parametrize("arguments", EVERY, ids=lambda arguments: "-".join(map(str, arguments.values())))
def test_no_two_weights_of_a_network_have_one_name(arguments: dict[str, Any]) -> None:
    with torch.device("meta"):
        network: Any = build_backbone(num_classes=2, **arguments)
    keys = list(network.state_dict())
    names = {canonical(key, network.published_head) for key in keys}
    assert len(names) == len(keys)
    assert {"linear.weight", "linear.bias"} <= names


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("module.conv1.weight", "conv1.weight"),
        ("module._orig_mod.model.backbone.fc.bias", "linear.bias"),
        ("classifier.fc.weight", "linear.weight"),
        ("layer2.0.downsample.1.running_mean", "layer2.0.shortcut.1.running_mean"),
        ("block2.layer.0.convShortcut.weight", "layer2.0.shortcut.0.weight"),
        ("classifier.0.weight", "classifier.0.weight"),  # no head: a vgg has three linear layers
        ("model", "model"),
    ],
)
def test_spellings_share_a_name(key: str, name: str) -> None:
    assert canonical(key) == name


def test_the_published_head_of_a_network_is_its_head() -> None:
    assert canonical("module.classifier.6.weight", "classifier.6") == "linear.weight"


def test_of_two_weights_with_one_name_the_one_spelled_alike_counts() -> None:
    given = {"encoder.conv1.weight": (1,), "conv1.weight": (1,), "module.conv1.weight": (1,)}
    mapped = match({"conv1.weight": (1,)}, given)
    assert mapped.mapped == (("conv1.weight", "conv1.weight"),)
    assert mapped.left_over == ("encoder.conv1.weight", "module.conv1.weight")
    assert not mapped.is_whole


def test_a_head_tells_its_kind_and_its_classes() -> None:
    assert head_of({"fc.weight": (10, 64), "fc.bias": (10,)}) == ("linear", 10)
    assert head_of({"linear.weight": (64, 10)}) == ("cosine", 10)
    assert head_of({"conv1.weight": (16, 3, 3, 3)}) is None


def test_the_table_names_every_weight_once() -> None:
    wanted = {"conv1.weight": (2, 3), "bn1.num_batches_tracked": (), "linear.weight": (5, 2), "bn1.weight": (2,)}
    given = {"module.conv1.weight": (2, 3), "module.fc.weight": (7, 2), "module.more": (1,)}
    assert table(match(wanted, given), wanted, given).splitlines() == [
        "module.conv1.weight -> conv1.weight  2x3",
        "module.fc.weight    -> linear.weight  wrong shape: 7x2 for 5x2",
        "missed: bn1.weight",
        "left over: module.more",
        "keeps its start: bn1.num_batches_tracked",
        "1 mapped, 1 wrong shape, 1 missed, 1 left over, 0 skipped, 1 kept",
    ]
    assert table(match(wanted, given, skips_head=True), wanted, given).splitlines()[3:5] == [
        "skipped: module.fc.weight",
        "keeps its start: bn1.num_batches_tracked",
    ]
