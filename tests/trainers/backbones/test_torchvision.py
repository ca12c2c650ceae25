"""torchvision's networks by name: the stem of small images, our heads, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from trainers import build_backbone
from trainers.backbones.torchvision import AverageTo
from trainers.catalogue import BACKBONES

# The smallest of each family that has a small stem; what its maps shrink by behind it.
FAMILIES = {
    "resnet18": 8,
    "resnext50_32x4d": 8,
    "densenet121": 8,
    "shufflenet_v2_x0_5": 8,
    "vgg11_bn": 32,
    "mobilenet_v3_small": 16,
    "efficientnet_b0": 16,
    "convnext_tiny": 8,
    "mnasnet0_5": 16,
    "regnet_y_400mf": 16,
}
OF_CATALOGUE = BACKBONES["torchvision"].choices["network"]


def build(network: str, **parameters: Any) -> Any:
    return build_backbone("torchvision", **{"num_classes": 10, "network": network} | parameters)


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("name", FAMILIES)
def test_a_small_stem_keeps_the_size_of_the_image(name: str) -> None:
    network = build(name, num_classes=7, head="cosine").eval()
    sizes: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, out: sizes.append(out.shape[-1]))
    with torch.no_grad():
        logits, features = network(torch.randn(2, 3, 32, 32), with_features=True)
    assert logits.shape == (2, 7)
    assert features.shape == (2, network.linear.weight.shape[0])
    assert sizes[0] == 32
    assert min(size for size in sizes if size > 1) >= 32 // FAMILIES[name]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"network": "resnet18"}, 11_173_962),
        ({"network": "densenet121"}, 6_956_426),  # with a batch norm behind the stem that `densenet121` lacks
        ({"network": "resnet18", "stem": "imagenet"}, 11_181_642),
        ({"network": "vgg11_bn", "stem": "imagenet"}, 128_812_810),
    ],
)
def test_parameters_are_those_of_the_network_with_its_stem_and_head(arguments: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        network = build(**arguments)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "swin_t"])
def test_with_its_own_stem_it_is_torchvisions(name: str) -> None:
    network, twin = build(name, num_classes=1000, stem="imagenet").eval(), models.get_model(name, weights=None).eval()
    theirs = twin.state_dict()
    last = network.published_head
    state = {key: theirs[key.removeprefix("body.").replace("linear.", f"{last}.")] for key in network.state_dict()}
    network.load_state_dict(state)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), twin(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 9), (7, 7), (20, 13)])
def test_its_average_pool_is_torchs(size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    out, expected = AverageTo((7, 6))(images), nn.AdaptiveAvgPool2d((7, 6))(images)
    torch.testing.assert_close(out, expected)
    weights = torch.randn_like(out)
    gradients = [torch.autograd.grad(one, images, weights)[0] for one in (out, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("name", "draws"), [("resnet18", False), ("densenet121", False), ("vgg11", True)])
def test_a_network_with_dropout_says_that_it_draws(name: str, draws: bool) -> None:
    with torch.device("meta"):
        assert build(name).draws == draws


def test_every_name_of_the_catalogue_is_torchvisions() -> None:
    assert set(OF_CATALOGUE) <= set(models.list_models(module=models))
    assert len(set(OF_CATALOGUE)) == len(OF_CATALOGUE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"network": "resnet81"}, r"unknown network of backbone torchvision 'resnet81'; did you mean 'resnet18'\?"),
        ({"network": "swin_t"}, r"torchvision's swin_t has no stem for small images; say stem: imagenet, or .* resnet"),
        ({"network": "resnet18", "stem": "tiny"}, r"unknown stem of backbone torchvision 'tiny'"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        build(**arguments)
    assert "\n" not in str(raised.value)


def test_other_networks_do_not_import_torchvision() -> None:
    code = (
        "import sys; from trainers import build_backbone; "
        "[build_backbone(name, num_classes=2) for name in ('resnet18', 'densenet121', 'wrn32x8')]; "
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
