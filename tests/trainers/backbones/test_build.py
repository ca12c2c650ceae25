"""Networks by name: their parts, their start and their heads."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from trainers import build_backbone as build


def new(name: str, **parameters: Any) -> Any:
    """A network whose parts a test may look into."""
    return build(name, **parameters)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_a_cosine_head_has_no_bias() -> None:
    assert count(new("resnet32", num_classes=10, head="cosine")) == 464_144
    assert count(new("resnet32", num_classes=100, head="cosine")) == 469_904


@pytest.mark.parametrize("name", ["simple_cnn", "resnet20"])
def test_images_become_logits_and_features_on_request(name: str) -> None:
    network = new(name, num_classes=7).eval()
    images = torch.randn(2, 3, 32, 32)
    logits, features = network(images, with_features=True)
    assert logits.shape == (2, 7)
    torch.testing.assert_close(network.linear(features), logits)
    torch.testing.assert_close(network(images), logits)


def test_cosine_logits_are_scaled_cosines() -> None:
    network = new("simple_cnn", num_classes=5, head={"name": "cosine", "scale": 8.0}).eval()
    logits, features = network(torch.randn(4, 3, 32, 32), with_features=True)
    weight = network.linear.weight
    assert weight.norm(dim=0).tolist() == pytest.approx([1] * 5, abs=1e-6)
    cosine = nn.functional.cosine_similarity(features[:, :, None], weight[None], dim=1)
    torch.testing.assert_close(logits, 8 * cosine)
    assert float(logits.detach().abs().max()) <= 8


def test_the_shortcut_of_a_wider_stage_subsamples_and_pads_channels_on_both_sides() -> None:
    network = new("resnet20", num_classes=10)
    block = network.layer2[0]
    nn.init.zeros_(block.bn2.weight)  # what is left is the shortcut
    images = torch.rand(1, 16, 8, 8)
    out = block.eval()(images)
    assert out.shape == (1, 32, 4, 4)
    torch.testing.assert_close(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_weights_start_kaiming_normal() -> None:
    torch.manual_seed(0)
    network = new("resnet110", num_classes=100)
    weight = network.layer3[5].conv1.weight
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
    assert float(network.linear.weight.std()) == pytest.approx(math.sqrt(2 / 64), rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "resnte32"}, r"unknown backbone 'resnte32'; did you mean 'resnet32'\?"),
        ({"name": "resnet20", "head": "linaer"}, r"unknown head 'linaer'; did you mean 'linear'\?"),
        ({"name": "resnet20", "head": {"name": "linear", "scale": 3}}, r"unknown parameter of head linear 'scale'"),
        ({"name": "resnet20", "width": 2}, r"unknown parameter of backbone resnet20 'width'"),
    ],
)
def test_a_wrong_name_is_a_value_error(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        new(num_classes=10, **arguments)


def test_an_alias_is_the_same_network() -> None:
    assert type(new("simplecnn", num_classes=2)) is type(new("simple_cnn", num_classes=2))
