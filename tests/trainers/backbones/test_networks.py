"""Every network: its size, its features, its gradients; and the same numbers as torchvision's, weight for weight."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from trainers import build_backbone
from trainers.catalogue import BACKBONES

# Trainable parameters with 10 and 100 classes and a linear head; (network, shortcut B).
PARAMETERS: dict[tuple[str, bool], tuple[int, int]] = {
    ("simple_cnn", False): (94_986, 106_596),
    ("resnet20", False): (269_722, 275_572),
    ("resnet20", True): (272_474, 278_324),
    ("resnet32", False): (464_154, 470_004),
    ("resnet32", True): (466_906, 472_756),
    ("resnet44", False): (658_586, 664_436),
    ("resnet56", False): (853_018, 858_868),
    ("resnet56", True): (855_770, 861_620),
    ("resnet110", False): (1_727_962, 1_733_812),
    ("resnet110", True): (1_730_714, 1_736_564),
    ("resnet32_bbn", False): (538_778, 550_388),
    ("resnet32x4", False): (7_386_186, 7_409_316),
    ("resnet10", False): (4_903_242, 4_949_412),
    ("resnet18", False): (11_173_962, 11_220_132),
    ("resnet34", False): (21_282_122, 21_328_292),
    ("resnet50", False): (23_520_842, 23_705_252),
    ("ictta_resnet10", False): (4_910_922, 4_957_092),
    ("ictta_resnet15", False): (10_812_234, 10_858_404),
    ("ictta_resnet20", False): (11_181_642, 11_227_812),
    ("wrn28x10", False): (36_479_194, 36_536_884),
    ("wrn32x8", False): (29_551_578, 29_597_748),
    ("densenet121", False): (6_956_298, 7_048_548),
}
FEATURES = {
    "simple_cnn": 128,
    "resnet32": 64,
    "resnet32_bbn": 128,
    "resnet32x4": 256,
    "resnet34": 512,
    "resnet50": 2048,
    "ictta_resnet20": 512,
    "wrn28x10": 640,
    "wrn32x8": 512,
    "densenet121": 1024,
}
BODIES = sorted({name for name, _ in PARAMETERS})


def build(name: str, **parameters: Any) -> Any:
    return build_backbone(name, **{"num_classes": 10} | parameters)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def images(count: int = 2, size: int = 32, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def stir(network: Any) -> Any:
    """Give batch norms the means, variances and weights of a trained network, so that none of them is a no-op."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            state = module.state_dict()
            for key in ("weight", "running_var"):
                state[key].uniform_(0.7, 1.3, generator=generator)
            for key in ("bias", "running_mean"):
                state[key].uniform_(-0.3, 0.3, generator=generator)
    return network


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(("name", "is_b"), PARAMETERS)
def test_each_network_has_as_many_parameters_as_published(name: str, is_b: bool) -> None:
    more = {"shortcut": "B"} if is_b else {}
    with torch.device("meta"):
        counts = tuple(count(build(name, num_classes=classes, **more)) for classes in (10, 100))
    sys.stdout.write(f"{name:16}{'B' if is_b else '':2}{counts[0]:>12,}{counts[1]:>12,}\n")  # pytest -s shows the table
    assert counts == PARAMETERS[name, is_b]


def test_the_table_holds_every_network_of_the_catalogue() -> None:
    assert {*BODIES, "torchvision"} == set(BACKBONES)


@pytest.mark.parametrize("name", FEATURES)
def test_images_become_features_of_the_published_width_then_logits(name: str) -> None:
    network = build(name, num_classes=7).eval()
    with torch.no_grad():
        logits, features = network(images(), with_features=True)
    assert features.shape == (2, FEATURES[name])
    assert logits.shape == (2, 7)
    torch.testing.assert_close(network.linear(features), logits)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_a_cosine_head_leaves_out_the_bias_and_nothing_else(name: str, head: str) -> None:
    with torch.device("meta"):
        difference = count(build(name, head="linear")) - count(build(name, head=head))
    assert difference == (10 if head == "cosine" else 0)


@pytest.mark.parametrize(
    "name", ["resnet32_bbn", "resnet32x4", "resnet10", "resnet50", "ictta_resnet15", "densenet121"]
)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    check_gradients(build(name))


@pytest.mark.parametrize("arguments", [{"name": "resnet20", "shortcut": "B"}, {"name": "resnet20", "head": "cosine"}])
def test_every_parameter_gets_a_gradient_with_other_parts(arguments: dict[str, Any]) -> None:
    check_gradients(build(**arguments))


@pytest.mark.parametrize("name", ["wrn28x10", "wrn32x8"])
def test_every_parameter_of_a_wide_network_gets_a_gradient(name: str) -> None:
    check_gradients(build(name), size=8)


def check_gradients(network: Any, size: int = 16) -> None:
    network = stir(network).to(memory_format=torch.channels_last)
    loss: Any = F.cross_entropy(network(images(3, size)), torch.tensor([0, 3, 9]))
    loss.backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("name", ["resnet20", "resnet32_bbn", "resnet18", "resnet50", "densenet121", "wrn28x10"])
def test_maps_stay_channels_last_from_the_stem_to_the_last_stage(name: str) -> None:
    network = build(name).to(memory_format=torch.channels_last).eval()
    found: list[bool] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _module, _inputs, out: found.append(out.is_contiguous(memory_format=torch.channels_last))
            )
    with torch.no_grad():
        network(images(2, 16).contiguous(memory_format=torch.channels_last))
    assert len(found) > 20
    assert all(found)


def residual_twin(name: str) -> Any:
    """torchvision's network of the same blocks, with our stem."""
    layers = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3], "resnet50": [3, 4, 6, 3], "resnet10": [1, 1, 1, 1]}
    layers |= {f"ictta_{key}": value for key, value in layers.items()}
    layers |= {"ictta_resnet15": [1, 1, 2, 2], "ictta_resnet20": [2, 2, 2, 2]}
    block: Any = models.resnet.Bottleneck if name == "resnet50" else models.resnet.BasicBlock
    twin = models.ResNet(block, layers[name], num_classes=10)
    if not name.startswith("ictta"):
        twin.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        twin.maxpool = nn.Identity()
    return twin


@pytest.mark.parametrize(
    "name",
    ["resnet10", "resnet18", "resnet34", "resnet50", "ictta_resnet10", "ictta_resnet15", "ictta_resnet20"],
)
def test_the_residual_networks_are_torchvisions(name: str) -> None:
    twin = stir(residual_twin(name)).eval()
    network = build(name).eval()
    ours = {key.replace("shortcut", "downsample").replace("linear", "fc"): key for key in network.state_dict()}
    network.load_state_dict({ours[key]: value for key, value in twin.state_dict().items()})
    with torch.no_grad():
        torch.testing.assert_close(network(images()), twin(images()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_residual_networks_start_as_torchvisions(name: str) -> None:
    network, twin = build(name), models.get_model(name, weights=None, num_classes=10)
    for key in ("layer1.0.conv2", "layer3.1.conv1", "layer4.0.conv1"):
        assert float(network.get_submodule(key).weight.std()) == pytest.approx(
            float(twin.get_submodule(key).weight.std()), rel=0.03
        )
    assert float(network.linear.weight.std()) == pytest.approx(float(twin.fc.weight.std()), rel=0.05)


def test_densenet_is_torchvisions_with_a_small_stem_and_its_channels_in_reverse_order() -> None:
    twin = stir(models.densenet121(weights=None, num_classes=10)).eval()
    twin.features.conv0 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    for absent in ("norm0", "relu0", "pool0"):
        setattr(twin.features, absent, nn.Identity())
    network = build("densenet121").eval()
    network.load_state_dict(dense_weights(twin))
    with torch.no_grad():
        torch.testing.assert_close(network(images()), twin(images()), rtol=1e-4, atol=1e-5)


def dense_weights(twin: Any) -> dict[str, Tensor]:
    """torchvision's weights under our names: a layer's new maps come first with us, last with them."""
    theirs = twin.state_dict()
    ours = {"conv1.weight": theirs["features.conv0.weight"]}
    order = torch.arange(64)  # our channel -> their channel

    def norm(key: str, source: str) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            ours[f"{key}.{part}"] = theirs[f"{source}.{part}"][order]
        ours[f"{key}.num_batches_tracked"] = theirs[f"{source}.num_batches_tracked"]

    for block, layers in enumerate((6, 12, 24, 16), 1):
        for layer in range(layers):
            source, key = f"features.denseblock{block}.denselayer{layer + 1}", f"dense{block}.{layer}"
            norm(f"{key}.bn1", f"{source}.norm1")
            ours[f"{key}.conv1.weight"] = theirs[f"{source}.conv1.weight"][:, order]
            whole = {name: value for name, value in theirs.items() if name.startswith(f"{source}.norm2.")}
            ours |= {name.replace(f"{source}.norm2", f"{key}.bn2"): value for name, value in whole.items()}
            ours[f"{key}.conv2.weight"] = theirs[f"{source}.conv2.weight"]
            order = torch.cat([len(order) + torch.arange(32), order])
        if block < 4:
            norm(f"trans{block}.bn", f"features.transition{block}.norm")
            ours[f"trans{block}.conv.weight"] = theirs[f"features.transition{block}.conv.weight"][:, order]
            order = torch.arange(len(order) // 2)
    norm("bn", "features.norm5")
    ours["linear.weight"], ours["linear.bias"] = theirs["classifier.weight"][:, order], theirs["classifier.bias"]
    return ours


def normed(module: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch norm in evaluation, from its definition."""
    mean, variance = module.running_mean, module.running_var
    assert mean is not None
    assert variance is not None
    scaled = (x - mean[:, None, None]) / (variance[:, None, None] + module.eps).sqrt()
    return scaled * module.weight[:, None, None] + module.bias[:, None, None]


def wide_formula(network: Any, x: Tensor, *, raw: bool) -> Tensor:
    """Zagoruyko and Komodakis: x + conv(relu(bn(conv(relu(bn x))))), the 1x1 convolution where the shape changes."""
    x = F.conv2d(x, network.conv1.weight, padding=1)
    for stage, stride in ((network.layer1, 1), (network.layer2, 2), (network.layer3, 2)):
        for number, block in enumerate(stage):
            step = 1 if number else stride
            active = normed(block.bn1, x).clamp(min=0)
            middle = normed(block.bn2, F.conv2d(active, block.conv1.weight, stride=step, padding=1)).clamp(min=0)
            beside = x if number else F.conv2d(x if raw else active, block.shortcut.weight, stride=step)
            x = beside + F.conv2d(middle, block.conv2.weight, padding=1)
    return normed(network.bn1, x).clamp(min=0).mean(dim=(2, 3))


@pytest.mark.parametrize(("name", "blocks", "factor", "raw"), [("wrn28x10", 4, 10, False), ("wrn32x8", 5, 8, True)])
def test_wide_networks_follow_the_published_formula(name: str, blocks: int, factor: int, raw: bool) -> None:
    network = stir(build(name)).eval().double()
    stages = [network.layer1, network.layer2, network.layer3]
    assert [len(stage) for stage in stages] == [blocks] * 3
    assert [stage[0].conv2.out_channels for stage in stages] == [16 * factor, 32 * factor, 64 * factor]
    with torch.no_grad():
        expected = wide_formula(network, images(2, 8).double(), raw=raw)
        torch.testing.assert_close(network.features(images(2, 8).double()), expected)
    assert not network.linear.bias.any()
    assert float(network.layer2[1].conv1.weight.std()) == pytest.approx((2 / (9 * 32 * factor)) ** 0.5, rel=0.01)


def test_shortcut_b_is_a_convolution_of_the_input_with_batch_norm() -> None:
    network = stir(build("resnet20", shortcut="B")).eval()
    assert network.layer1[0].shortcut is None
    block = network.layer2[0]
    nn.init.zeros_(block.bn2.weight)
    nn.init.zeros_(block.bn2.bias)  # what is left of the other branch is minus its running mean, scaled by 0
    x = images(2, 8, seed=2).repeat(1, 6, 1, 1)[:, :16]
    convolution, norm = block.shortcut
    expected = torch.einsum("oi,nihw->nohw", convolution.weight[:, :, 0, 0], x[:, :, ::2, ::2])
    with torch.no_grad():
        torch.testing.assert_close(block(x), normed(norm, expected).clamp(min=0), rtol=1e-4, atol=1e-5)


def test_shortcut_a_starts_with_the_weights_it_always_had() -> None:
    torch.manual_seed(7)
    network = build("resnet20")
    assert not [key for key in network.state_dict() if "shortcut" in key]
    assert {key for key in network.state_dict() if key.startswith("linear")} == {"linear.weight", "linear.bias"}
    drawn = [network.conv1.weight.detach().flatten()[0], network.linear.weight.detach().flatten()[-1]]
    assert [float(value) for value in drawn] == pytest.approx([0.13966541, 0.23520555])  # before there was a B


def test_the_two_last_blocks_of_the_bilateral_network_are_joined() -> None:
    network = stir(build("resnet32_bbn")).eval()
    assert [len(network.layer1), len(network.layer2), len(network.layer3)] == [5, 5, 4]
    with torch.no_grad():
        features = network.features(images())
        nn.init.zeros_(network.rb_block.bn2.weight)
        changed = network.features(images())
    torch.testing.assert_close(features[:, :64], changed[:, :64])
    assert not torch.allclose(features[:, 64:], changed[:, 64:])
    bound = 1 / 128**0.5  # torch's default start of a linear layer, as LADE leaves it
    assert float(network.linear.weight.abs().max()) <= bound


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("WRN32x8", "wrn32x8"),
        ("wideresnet28x10", "wrn28x10"),
        ("resnet34_cifar", "resnet34"),
        ("resnet32_fe", "resnet32"),
    ],
)
def test_the_spellings_of_the_seeds_are_the_same_networks(alias: str, name: str) -> None:
    with torch.device("meta"):
        assert count(build(alias)) == count(build(name))


def test_a_shortcut_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown shortcut of backbone resnet110 'C'; there is A, B"):
        build("resnet110", shortcut="C")
