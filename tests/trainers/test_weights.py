"""Weights that others saved load into our networks, whatever they are called; what cannot be loaded says why."""

from __future__ import annotations

import argparse
import io
import os
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models

from trainers import build_backbone
from trainers.checkpoint import NAME, save
from trainers.errors import SpecError
from trainers.weights import load_weights, main, read_weights

State = dict[str, Tensor]


def build(name: str = "resnet20", **parameters: Any) -> Any:
    return build_backbone(name, **{"num_classes": 10} | parameters)


def trained(name: str = "resnet20", **parameters: Any) -> Any:
    """A network that has seen some images, so that no weight, mean or counter is where it started."""
    network = build(name, **parameters).train()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        network(torch.randn(4, 3, 16, 16, generator=generator))
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def renamed(state: State, rename: Callable[[str], str]) -> State:
    return OrderedDict((rename(key), value) for key, value in state.items())


def same(network: Any, expected: Any, size: int = 16) -> bool:
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return torch.equal(network.eval()(images), expected.eval()(images))


def error_of(source: Any, network: Any = None, **options: Any) -> str:
    """The line that refuses a source; it leaves the network as it was."""
    network = network or build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(SpecError) as raised:
        load_weights(network, source, **options)
    assert "\n" not in str(raised.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def test_a_published_file_with_module_and_fc_loads_with_no_key_left(file: Path) -> None:
    source = trained()
    state = renamed(source.state_dict(), lambda key: "module." + key.replace("linear.", "fc."))
    torch.save({"epoch": 200, "arch": "resnet20", "state_dict": state, "best_acc1": torch.tensor(71.0)}, file)
    network = build()
    mapped = load_weights(network, file)
    assert same(network, source)
    assert mapped.is_whole
    assert mapped.kept == mapped.skipped == ()
    assert len(mapped.mapped) == len(network.state_dict())
    assert ("module.fc.weight", "linear.weight") in mapped.mapped


def test_a_published_file_with_linear_and_a_normed_head_loads_with_no_key_left(file: Path) -> None:
    source = trained(head="cosine")
    torch.save(source.state_dict(), file)  # weight (64, C), no bias, as NormedLinear
    network = build(head="cosine")
    mapped = load_weights(network, str(file))
    assert same(network, source)
    assert mapped.is_whole
    assert [old for old, _ in mapped.mapped] == [new for _, new in mapped.mapped] == list(network.state_dict())


def test_body_and_head_saved_apart_load_as_one(file: Path) -> None:
    source = trained()
    state = source.state_dict()
    body = {f"module.{key}": value for key, value in state.items() if not key.startswith("linear")}
    head = {f"module.fc.{key}": state[f"linear.{key}"] for key in ("weight", "bias")}
    torch.save(
        {"state_dict_model": body, "state_dict_classifier": head, "its_ece": np.float64(4.8), "acc": np.ones(3)}, file
    )
    network = build()
    assert load_weights(network, file).is_whole
    assert same(network, source)
    scaled = {"state_dict_model": body, "state_dict_classifier": head, "state_dict_lws_model": {"scale": torch.ones(1)}}
    assert "has weights that this network lacks: scale" in error_of(scaled)
    nested = {"state_dict_best": {"feat_model": body, "classifier": head}}
    assert load_weights(build(), nested).is_whole


def test_torchvisions_names_load_into_our_networks_of_its_kind() -> None:
    twin = models.resnet18(weights=None, num_classes=10).eval()
    network = build("ictta_resnet20")
    mapped = load_weights(network, twin.state_dict())
    assert ("layer2.0.downsample.0.weight", "layer2.0.shortcut.0.weight") in mapped.mapped
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), twin(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_a_file_of_torchvision_loads_into_its_network_by_name(name: str) -> None:
    twin = models.get_model(name, weights=None, num_classes=10).eval()
    network = build("torchvision", network=name, stem="imagenet")
    assert load_weights(network, twin.state_dict()).is_whole
    assert same(network, twin, 64)


def test_the_names_of_the_first_wide_networks_load() -> None:
    source = build("wrn28x10")

    def rename(key: str) -> str:
        key = re.sub(r"^layer(\d)\.", r"block\1.layer.", key).replace("shortcut.weight", "convShortcut.weight")
        return key.replace("linear.", "fc.")

    network = build("wrn28x10")
    assert load_weights(network, renamed(source.state_dict(), rename)).is_whole
    assert torch.equal(network.layer3[0].shortcut.weight, source.layer3[0].shortcut.weight)


def test_our_own_checkpoint_loads(tmp_path: Path) -> None:
    source = trained()
    description = {"backbone": {"name": "resnet20"}, "head": {"name": "linear"}}
    save(tmp_path, {"digest": "d", "network": description, "model": source.state_dict(), "optimizer": {"state": {}}})
    network = build()
    assert load_weights(network, tmp_path / NAME).is_whole
    assert same(network, source)


def test_counters_that_an_old_file_lacks_keep_their_start() -> None:
    source = trained()
    state = {key: value for key, value in source.state_dict().items() if "num_batches" not in key}
    network = build()
    mapped = load_weights(network, state)
    assert mapped.is_whole
    assert {key.rpartition(".")[2] for key in mapped.kept} == {"num_batches_tracked"}
    assert same(network, source)


def test_half_precision_is_cast_to_the_networks_own() -> None:
    network = build()
    load_weights(network, {key: value.half() for key, value in trained().state_dict().items()})
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32, torch.int64}


def test_a_head_of_other_classes_may_be_skipped() -> None:
    source, network = trained(num_classes=100), build()
    start = network.linear.weight.clone()
    mapped = load_weights(network, source.state_dict(), head="skip")
    assert mapped.is_whole
    assert mapped.kept == ("linear.weight", "linear.bias")
    assert mapped.skipped == ("linear.weight", "linear.bias")
    assert torch.equal(network.linear.weight, start)
    assert torch.equal(network.layer3[2].conv2.weight, source.layer3[2].conv2.weight)


def test_not_strict_loads_what_fits_and_says_what_does_not() -> None:
    source, network = trained("resnet20", num_classes=100), build("resnet32")
    state = source.state_dict() | {"projector.weight": torch.ones(2)}
    mapped = load_weights(network, state, strict=False)
    assert mapped.left_over == ("projector.weight",)
    assert [new for _, new in mapped.misshapen] == ["linear.weight", "linear.bias"]
    assert {key.rsplit(".", 2)[0] for key in mapped.missed} == {
        f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (3, 4)
    }
    assert torch.equal(network.layer1[2].conv1.weight, source.layer1[2].conv1.weight)


@pytest.mark.parametrize(
    ("of", "into", "says"),
    [
        (
            {"name": "ictta_resnet20"},
            {"name": "resnet32"},
            r"^conv1.weight is \(64, 3, 7, 7\) in the state dict and \(16, 3, 3, 3\) in this network \(and \d+ more "
            r"of other shapes\); load it into ictta_resnet20$",
        ),
        (
            {"name": "resnet32", "shortcut": "B"},
            {"name": "resnet20"},
            r"has weights that this network lacks: layer1.3.conv1.weight, .* and \d+ more; load it into "
            r"\{name: resnet32, shortcut: B\}$",
        ),
        ({"name": "resnet20"}, {"name": "resnet32"}, r"^the state dict lacks layer1.3.conv1.weight, .* into resnet20$"),
        (
            {"num_classes": 100},
            {},
            r"^linear.weight is \(100, 64\) in .* \(and 1 more of other shapes\); build the network for 100 classes",
        ),
        (
            {"head": "cosine"},
            {},
            r"linear.weight is \(64, 10\) .*; build the network with head cosine, or skip the head",
        ),
        ({}, {"head": "cosine", "num_classes": 64}, r"build the network with head linear, or skip the head"),
    ],
)
def test_weights_of_another_network_are_refused_in_a_line_that_names_it(
    of: dict[str, Any], into: dict[str, Any], says: str
) -> None:
    assert re.search(says, error_of(build(**of).state_dict(), build(**into)))


def test_a_file_without_a_head_says_that_it_may_be_skipped() -> None:
    state = {key: value for key, value in trained().state_dict().items() if not key.startswith("linear")}
    assert re.search("lacks linear.weight, linear.bias; skip the head, which then starts afresh", error_of(state))
    assert load_weights(build(), state, head="skip").is_whole


def test_unknown_weights_are_refused() -> None:
    says = error_of({"weight": torch.ones(3)})
    assert "lacks conv1.weight, bn1.weight, bn1.bias and 94 more; name the backbone that it was made with" in says


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_file_cut_short_anywhere_is_refused_in_one_line(file: Path, is_zip: bool) -> None:
    buffer = io.BytesIO()
    torch.save(trained().state_dict(), buffer, _use_new_zipfile_serialization=is_zip)
    whole = buffer.getvalue()
    for size in (0, 1, 10, 30, 100, 1_000, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        file.write_bytes(whole[:size])
        says = error_of(file, NETWORK)
        assert says == f"{file} ({size:,} bytes) is cut short or was not written by torch.save; copy it again"


NETWORK = build()


@pytest.mark.parametrize("noise", [b"no weights\n" * 50, b"\x80\x02noise", b"PK\x03\x04" + bytes(500)])
def test_what_is_no_file_of_weights_is_refused(file: Path, noise: bytes) -> None:
    file.write_bytes(noise)
    assert "is cut short or was not written by torch.save" in error_of(file, NETWORK)


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def test_code_in_a_file_never_runs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    for content in (Payload(), argparse.Namespace(lr=1), nn.Linear(2, 2)):
        torch.save({"state_dict": build().state_dict(), "args": content}, file)
        assert "holds more than weights" in error_of(file, NETWORK)
    assert not (file.parent / "ran").exists()


def test_a_file_that_is_not_there_or_holds_no_weights_says_so(file: Path) -> None:
    assert error_of(file, NETWORK) == f"{file} cannot be read (No such file or directory); name a file of weights"
    torch.save({"epoch": 3, "model": {}}, file)
    assert f"{file} holds no weights but epoch, model" in error_of(file, NETWORK)
    torch.save([1, 2], file)
    assert f"{file} holds no weights but list" in error_of(file, NETWORK)


PREFIXES = st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net.", "backbone."]), max_size=3).map("".join)
WRAPPERS = st.lists(st.sampled_from(["state_dict", "model", "net", "model_state_dict"]), max_size=3)


@settings(deadline=None, max_examples=60)
@given(
    prefix=PREFIXES,
    wrappers=WRAPPERS,
    names=st.tuples(
        st.sampled_from(["fc", "linear", "classifier", "output"]), st.sampled_from(["shortcut", "downsample"])
    ),
    has_counters=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_any_wrapping_and_spelling_loads_the_same_weights(
    prefix: str, wrappers: list[str], names: tuple[str, str], has_counters: bool, order: Any
) -> None:
    source = SOURCE.state_dict()
    head, shortcut = names
    state = renamed(source, lambda key: prefix + key.replace("linear.", f"{head}.").replace("shortcut", shortcut))
    items = [(key, value) for key, value in state.items() if has_counters or "num_batches" not in key]
    order.shuffle(items)
    content: dict[str, Any] = dict(items)
    for wrapper in wrappers:
        content = {"epoch": 3, wrapper: content, "optimizer": {"state": {0: torch.ones(2)}}}
    for parameter in TARGET.state_dict().values():
        parameter.zero_()
    mapped = load_weights(TARGET, content)
    assert mapped.is_whole
    assert len(mapped.mapped) == len(items)
    assert dict(mapped.mapped).keys() == dict(items).keys()
    for key, value in TARGET.state_dict().items():
        assert torch.equal(value, source[key]) or (not has_counters and "num_batches" in key)


SOURCE, TARGET = trained(shortcut="B"), build(shortcut="B")


def test_the_command_prints_what_goes_where(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = renamed(trained(shortcut="B").state_dict(), lambda key: "module." + key.replace("linear.", "fc."))
    torch.save({"state_dict": state}, file)
    arguments = [str(file), "--backbone", "resnet20", "--num-classes", "10", "--set", "shortcut=B"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"module.conv1.weight +-> conv1.weight  16x3x3x3", lines[0])
    assert any(re.fullmatch(r"module.fc.bias +-> linear.bias  10", line) for line in lines)
    assert lines[-1] == f"{len(state)} mapped, 0 wrong shape, 0 missed, 0 left over, 0 skipped, 0 kept"


def test_the_command_shows_what_is_wrong_and_ends_with_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(trained(num_classes=100).state_dict() | {"extra": torch.ones(2)}, file)
    assert main([str(file), "--backbone", "resnet20", "--num-classes", "10"]) == 2
    shown = capsys.readouterr()
    assert re.search(r"linear.weight +-> linear.weight  wrong shape: 100x64 for 10x64", shown.out)
    assert "left over: extra" in shown.out
    assert shown.err.startswith("error: linear.weight is (100, 64) in ")
    assert main([str(file), "--backbone", "resnte20", "--num-classes", "10"]) == 2
    assert "did you mean 'resnet20'?" in capsys.readouterr().err
    assert main([str(file), "--backbone", "resnet20", "--num-classes", "10", "--set", "shortcut"]) == 2


def test_reading_alone_gives_the_tensors_under_their_own_names(file: Path) -> None:
    torch.save({"net": {"module.a": torch.ones(2), "epoch": 3}}, file)
    name, state = read_weights(file)
    assert name == str(file)
    assert list(state) == ["module.a"]
