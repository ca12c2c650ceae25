"""Every name that a grid may use, with its parameters and their defaults; data only, never torch.

A default never changes: a parameter at its default is left out of a job's identity, so new behaviour is a new key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Value = bool | int | float | str | None | list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One name of the catalogue.

    Attributes:
        target: `module:object`, imported inside an attempt and nowhere else; empty for what has no code of its own.
        params: parameter -> default; the default's type is the parameter's type (an int is accepted for a float).
        required: parameters without a default -> their type.
        aliases: other spellings, mapped at plan time, so that two spellings are one job.
        param_aliases: other spellings of parameters.
        limits: parameter -> its range, as any of ge, gt, le, lt.
        choices: parameter -> the words that it may be.
        presets: word -> the values that `preset: word` stands for, expanded at plan time; others given go over them.
        needs_val: whether it learns from a validation split, so that there must be one.
        source: whose numbers it owes.
    """

    target: str = ""
    params: Mapping[str, Value] = field(default_factory=dict)
    required: Mapping[str, type] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    param_aliases: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    needs_val: bool = False
    source: str = ""


_AT_LEAST_0: Final[Mapping[str, float]] = {"ge": 0}
LOSSES: Final[Mapping[str, Entry]] = {
    "ce": Entry(target="trainers.losses.ce:CrossEntropy", aliases=("CE", "erm"), source="-"),
    "focal": Entry(
        target="trainers.losses.focal:Focal",
        params={"gamma": 2.0},
        limits={"gamma": {"ge": 0}},
        aliases=("Focal",),
        source="Lin et al., ICCV 2017, eq. 4, without alpha",
    ),
    "bsce": Entry(
        target="trainers.losses.bsce:BalancedSoftmax",
        aliases=("BSCE", "balanced_softmax"),
        source="Ren et al., NeurIPS 2020, eq. 4",
    ),
    "brier": Entry(target="trainers.losses.brier:Brier", aliases=("Brier",), source="Brier 1950"),
    "ce_brier": Entry(
        target="trainers.losses.brier:CrossEntropyBrier",
        params={"weight": 0.1},
        limits={"weight": _AT_LEAST_0},
        aliases=("CE+0.1Brier",),
        source="seed 002",
    ),
    "label_smoothing": Entry(
        target="trainers.losses.label_smoothing:LabelSmoothing",
        params={"eps": 0.05, "convention": "uniform"},
        limits={"eps": {"ge": 0, "lt": 1}},
        choices={"convention": ("uniform", "exclusive")},
        aliases=("LS", "LS-0.05"),
        source="Szegedy et al., CVPR 2016, section 7",
    ),
    "adaptive_focal": Entry(
        target="trainers.losses.adaptive_focal:AdaptiveFocal",
        params={"thresholds": [0.2], "gammas": [5.0, 3.0]},
        limits={"thresholds": {"gt": 0, "lt": 1}, "gammas": _AT_LEAST_0},
        aliases=("FLSD-53", "flsd53"),
        source="Mukhoti et al., NeurIPS 2020",
    ),
    "dual_focal": Entry(
        target="trainers.losses.dual_focal:DualFocal",
        params={"gamma": 5.0},
        limits={"gamma": _AT_LEAST_0},
        aliases=("DualFocal", "dfl"),
        source="Tao et al., ICML 2023",
    ),
    "adafocal": Entry(
        target="trainers.losses.adafocal:AdaFocal",
        params={
            "num_bins": 15,
            "lam": 2.0,
            "gamma_initial": 5.0,
            "switch_pt": 0.25,
            "gamma_max": 8.0,
            "gamma_min": -8.0,
            "update_every": 1,
            "edges": "reference",
            "dual": False,
        },
        limits={"num_bins": {"ge": 1}, "lam": _AT_LEAST_0, "switch_pt": _AT_LEAST_0, "update_every": {"ge": 1}},
        choices={"edges": ("reference", "equal_mass")},
        presets={
            "official": {"lam": 1.0, "gamma_initial": 1.0, "switch_pt": 0.2, "gamma_max": 20.0, "gamma_min": -2.0}
        },
        needs_val=True,
        aliases=("AdaFocal",),
        param_aliases={"lambda": "lam"},
        source="Ghosh et al., NeurIPS 2022; defaults of seed 002, preset official of 3mcloud/adafocal",
    ),
    "fcl_meta_lambda": Entry(
        target="trainers.losses.fcl_meta_lambda:FocalCalibrationMeta",
        params={
            "gamma": 2.0,
            "lam": 1.0,
            "meta_every": 10,
            "meta_params": "head",
            "meta_ce_weight": 0.0,
            "meta_lr": 0.01,
        },
        choices={"meta_params": ("head", "all")},
        limits={
            "gamma": _AT_LEAST_0,
            "lam": {"gt": 0, "le": 10},
            "meta_every": {"ge": 1},
            "meta_ce_weight": _AT_LEAST_0,
            "meta_lr": {"gt": 0},
        },
        needs_val=True,
        aliases=("FCL-MetaLambda",),
        param_aliases={"lambda": "lam"},
        source="this project; FCL is arXiv 2410.18321",
    ),
    "mmce": Entry(
        target="trainers.losses.mmce:MMCE",
        params={"variant": "weighted", "lam": 2.0},
        limits={"lam": _AT_LEAST_0},
        choices={"variant": ("weighted", "plain", "reference_quirk")},
        aliases=("MMCE",),
        param_aliases={"lambda": "lam", "mmce_variant": "variant"},
        source="Kumar et al., ICML 2018",
    ),
    "mdca": Entry(
        target="trainers.losses.mdca:MDCA",
        params={"beta": 1.0, "gamma": 0.0},
        limits={"beta": _AT_LEAST_0, "gamma": _AT_LEAST_0},
        aliases=("MDCA",),
        source="Hebbalaguppe et al., CVPR 2022",
    ),
    "mbls": Entry(
        target="trainers.losses.mbls:MarginLabelSmoothing",
        params={"alpha": 0.1, "margin": 10.0},
        limits={"alpha": _AT_LEAST_0, "margin": _AT_LEAST_0},
        aliases=("MBLS", "MbLS"),
        source="Liu et al., CVPR 2022",
    ),
    "logit_norm": Entry(
        target="trainers.losses.logit_norm:LogitNorm",
        params={"tau": 0.01},
        limits={"tau": {"gt": 0}},
        aliases=("LOGIT_NORM", "LogitNorm"),
        source="Wei et al., ICML 2022",
    ),
}

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
    "linear": Entry(target="trainers.backbones.heads:LinearHead"),
    "cosine": Entry(
        target="trainers.backbones.heads:CosineHead",
        params={"scale": 30.0},
        limits={"scale": {"gt": 0}},
        source="Cao et al., NeurIPS 2019 (NormedLinear), with the scale in the head",
    ),
}

DATASETS: Final[Mapping[str, Entry]] = {
    "digits": Entry(target="trainers.data.digits:load", source="scikit-learn's digits (UCI), 10 classes of 8x8 images"),
    "cifar10": Entry(target="trainers.data.cifar:load_cifar10", aliases=("CIFAR10",), source="Krizhevsky 2009"),
    "cifar100": Entry(target="trainers.data.cifar:load_cifar100", aliases=("CIFAR100",), source="Krizhevsky 2009"),
    "folder": Entry(
        target="trainers.data.folder:load",
        params={"size": 32},
        limits={"size": {"ge": 1}},
        required={"path": str},
        source="a tree with train/<class>/ and test/<class>/",
    ),
}

# `ratio` (n_max / n_min) or `factor` (its inverse): exactly one; kept as the exact fraction mu = n_min / n_max.
_N_MAX_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {"n_max": {"ge": 1}}
IMBALANCES: Final[Mapping[str, Entry]] = {
    "none": Entry(aliases=("balanced",)),
    "exp": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="Cao et al., NeurIPS 2019"),
    "step": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="Cao et al., NeurIPS 2019"),
    "head_tail": Entry(params={"n_max": None}, limits=_N_MAX_LIMITS, source="seed 001 (ICTTA)"),
}

RULES: Final[Mapping[str, Entry]] = {"none": Entry(aliases=("None",))}
SAMPLERS: Final[Mapping[str, Entry]] = {"instance": Entry()}
_ALPHA: Final[Mapping[str, Mapping[str, float]]] = {"alpha": {"gt": 0}}
MIXERS: Final[Mapping[str, Entry]] = {
    "none": Entry(),
    "mixup": Entry(params={"alpha": 1.0}, limits=_ALPHA, source="Zhang et al., ICLR 2018"),
    "cutmix": Entry(params={"alpha": 1.0}, limits=_ALPHA, source="Yun et al., ICCV 2019, at every step"),
}
RECIPES: Final[Mapping[str, Entry]] = {"single": Entry()}

# The keys of a train job that take a catalogue name, with what stands there when a grid is silent.
NAMED: Final[Mapping[str, tuple[Mapping[str, Entry], str]]] = {
    "dataset": (DATASETS, "digits"),
    "imbalance": (IMBALANCES, "none"),
    "backbone": (BACKBONES, "resnet32"),
    "head": (HEADS, "linear"),
    "loss": (LOSSES, "ce"),
    "rule": (RULES, "none"),
    "sampler": (SAMPLERS, "instance"),
    "mixer": (MIXERS, "none"),
    "recipe": (RECIPES, "single"),
}

# The plain keys of a train job. `val` is "none", {"per_class": k} or {"fraction": f}.
PLAIN: Final[Mapping[str, Value]] = {
    "val": "none",
    "data_seed": 0,
    "seed": 0,
    "select": "last",
    "eval_every": 1,
    "ts_every": 1,
}
# numpy's legacy generator, which draws the kept images, takes 32 bits.
PLAIN_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {
    "data_seed": {"ge": 0, "lt": 2**32},
    "seed": {"ge": 0, "lt": 2**32},
    "eval_every": {"ge": 1},
    "ts_every": {"ge": 1},  # epochs between temperatures, of those that are evaluated; the reported one always has one
}
SELECTIONS: Final = ("last", "best_val", "best_test")

TRAIN: Final[Mapping[str, Value]] = {
    "epochs": 200,
    "batch_size": 128,
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 2e-4,
    "schedule": "cosine",
    "milestones": [160, 180],  # of `multistep`: epochs done before the rate is multiplied by `decay`
    "decay": 0.1,
    "warmup_epochs": 0,
    "warmup_start": 0.0,  # share of lr that the warm-up starts from: at epoch e (from 1), start*(1 - e/w) + e/w
    "drop_last": False,
    "augment": "weak",
    "ranks": 1,
    "threads": 1,
    "precision": "auto",
    "compile": False,
    "graph": False,  # on one GPU: record the step as a CUDA graph and replay it
    "accumulate": 1,  # parts of a rank's batch, computed one after another; batch norm sees one at a time
}
TRAIN_LIMITS: Final[Mapping[str, Mapping[str, float]]] = {
    "epochs": {"ge": 1},
    "batch_size": {"ge": 1},
    "lr": {"gt": 0},
    "momentum": {"ge": 0, "lt": 1},
    "weight_decay": {"ge": 0},
    "milestones": {"ge": 1},
    "decay": {"gt": 0, "le": 1},
    "warmup_epochs": {"ge": 0},
    "warmup_start": {"ge": 0, "le": 1},
    "ranks": {"ge": 1},
    "threads": {"ge": 1},
    "accumulate": {"ge": 1},
}
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "schedule": ("cosine", "multistep", "constant", "one_cycle"),
    "augment": ("weak", "none", "autoaugment", "cutout", "strong"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
}

# `long-tail` presets (Cao et al. 2019; Zhong et al. 2021; Li et al. 2022; Hong et al. 2021; Zhang et al. 2021;
# Cui et al. 2021): values for `train`, expanded before hashing, so that a preset and its values are one job.
_LDAM200: Final[Mapping[str, Value]] = {
    "schedule": "multistep",
    "milestones": [160, 180],
    "decay": 0.01,
    "warmup_epochs": 5,
}
PRESETS: Final[Mapping[str, Mapping[str, Value]]] = {
    "ldam200": _LDAM200,
    "mislas200": {**_LDAM200, "decay": 0.1},
    "fbl200": {**_LDAM200, "batch_size": 64},
    "lade200": {
        **_LDAM200,
        "batch_size": 256,
        "lr": 0.2,
        "weight_decay": 5e-4,
        "milestones": [119, 159],
        "warmup_start": 1 / 3,
    },
    "bot200": {
        **_LDAM200,
        "milestones": [159, 179],
        "warmup_start": 1 / 3,
        "nesterov": True,
        "drop_last": True,
    },
}

# What an epoch's row holds, in this order; further columns come after. Fractions, not percent.
METRIC_COLUMNS: Final[tuple[str, ...]] = (
    "stage",
    "epoch",
    "model",
    "method",
    "lr",
    "seconds",
    "train_loss",
    "train_acc",
    "val_acc",
    "val_nll",
    "temperature",
    "test_acc",
    "test_top5",
    "test_macro_f1",
    "test_tail_macro_f1",
    "test_acc_many",
    "test_acc_medium",
    "test_acc_few",
    "test_gm",
    "test_hm",
    "test_lowest_recall",
    "test_nll",
    "test_ece",
    "test_adaece",
    "test_classwise_ece",
    "test_nll_ts",
    "test_ece_ts",
    "test_adaece_ts",
    "test_classwise_ece_ts",
)
