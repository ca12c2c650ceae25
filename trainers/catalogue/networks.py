"""Backbones and heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainers.catalogue.entry import Entry

_RESNET_SOURCE: Final = "He et al., CVPR 2016, section 4.2; initialised as in kaidic/LDAM-DRW"
_IMAGENET_RESNET: Final = "trainers.backbones.imagenet_resnet:"
# Those whose classifier is one linear layer and which take images of any size; a test holds them against torchvision.
_TORCHVISION: Final = (
    *("alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny"),
    *(f"densenet{layers}" for layers in (121, 161, 169, 201)),
    *(f"efficientnet_{size}" for size in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_l", "v2_m", "v2_s")),
    *(f"mnasnet{width}" for width in ("0_5", "0_75", "1_0", "1_3")),
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *(f"regnet_x_{size}" for size in ("16gf", "1_6gf", "32gf", "3_2gf", "400mf", "800mf", "8gf")),
    *(f"regnet_y_{size}" for size in ("128gf", "16gf", "1_6gf", "32gf", "3_2gf", "400mf", "800mf", "8gf")),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")),
    *("swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t"),
    *(f"vgg{layers}{norm}" for layers in (11, 13, 16, 19) for norm in ("", "_bn")),
)
BACKBONES: Final[Mapping[str, Entry]] = {
    "simple_cnn": Entry(
        target="trainers.backbones.simple_cnn:SimpleCNN", aliases=("simplecnn",), source="seed 001 (ICTTA)"
    ),
    **{
        f"resnet{6 * n + 2}": Entry(
            target=f"trainers.backbones.resnet:resnet{6 * n + 2}",
            params={"shortcut": "A"},
            choices={"shortcut": ("A", "B")},
            aliases=("resnet32_fe",) if n == 5 else (),
            source=_RESNET_SOURCE,
        )
        for n in (3, 5, 7, 9, 18)
    },
    "resnet32_bbn": Entry(
        target="trainers.backbones.resnet:BilateralResNet", source="Zhou et al., CVPR 2020, as in hyperconnect/LADE"
    ),
    "resnet32x4": Entry(target="trainers.backbones.resnet:resnet32x4", source="Du et al., CVPR 2023 (GLMC)"),
    **{
        f"resnet{layers}": Entry(
            target=f"{_IMAGENET_RESNET}resnet{layers}",
            aliases=(f"resnet{layers}_cifar",),
            source="He et al., CVPR 2016, table 1, with a 3x3 stem and no max-pool; initialised as in torchvision",
        )
        for layers in (10, 18, 34, 50)
    },
    **{
        f"ictta_resnet{layers}": Entry(target=f"{_IMAGENET_RESNET}ictta_resnet{layers}", source="seed 001 (ICTTA)")
        for layers in (10, 15, 20)
    },
    "wrn28x10": Entry(
        target="trainers.backbones.wide_resnet:wrn28x10",
        aliases=("WRN28x10", "wideresnet", "wideresnet28x10"),
        source="Zagoruyko and Komodakis, BMVC 2016",
    ),
    "wrn32x8": Entry(
        target="trainers.backbones.wide_resnet:wrn32x8", aliases=("WRN32x8", "wrn34x8"), source="seed 000 (Fog)"
    ),
    "densenet121": Entry(
        target="trainers.backbones.densenet:densenet121",
        source="Huang et al., CVPR 2017, as in torrvision/focal_calibration",
    ),
    "torchvision": Entry(
        target="trainers.backbones.torchvision:TorchvisionNetwork",
        params={"stem": "cifar"},
        required={"network": str},
        choices={"stem": ("cifar", "imagenet"), "network": _TORCHVISION},
        source="torchvision.models, without its weights",
    ),
}

HEADS: Final[Mapping[str, Entry]] = {
    "linear": Entry(
        target="trainers.backbones.heads:LinearHead",
        params={"init": "network"},
        choices={"init": ("network", "torch")},  # as the network does it with its other layers, or torch's default
    ),
    "cosine": Entry(
        target="trainers.backbones.heads:CosineHead",
        params={"scale": 30.0},
        limits={"scale": {"gt": 0}},
        source="Cao et al., NeurIPS 2019 (NormedLinear), with the scale in the head",
    ),
}
