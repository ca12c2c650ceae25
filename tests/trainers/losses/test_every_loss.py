"""What holds for each loss: finite everywhere, right in half precision, whole in a checkpoint, quick to refuse."""

from __future__ import annotations

import copy
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers.catalogue import LOSSES
from trainers.losses import build_loss
from trainers.losses.base import Loss

Case = tuple[str, dict[str, Any]]

CASES: list[Case] = [
    *((name, {}) for name in LOSSES),
    *(("focal", {"gamma": gamma}) for gamma in (0.0, 0.1, 5.0)),
    *((name, {"form": "sigmoid"}) for name in ("focal", "cb_focal")),
    ("cb_focal", {"beta": 0.0, "gamma": 0.0}),
    ("ldam", {"max_m": 0.2, "scale": 1.0}),
    ("vs", {"gamma": 0.0, "tau": -1.0}),
    ("lade", {"alpha": 1.0, "remine_lambda": 0.1}),
    *(("fbl", {"curve": curve}) for curve in ("linear", "constant")),
    *(("gml", {"power": power}) for power in (0.5, 3.0)),
    *(("las", {"form": form}) for form in ("linear", "convex", "exp")),
    ("label_smoothing", {"convention": "exclusive"}),
    ("adaptive_focal", {"thresholds": [0.1, 0.6], "gammas": [0.3, 4.0, 0.0]}),
    *(("dual_focal", {"gamma": gamma}) for gamma in (0.0, 0.3)),
    *(("adafocal", {"gamma_initial": gamma, "dual": dual}) for gamma in (-8.0, 0.25) for dual in (False, True)),
    ("fcl_meta_lambda", {"gamma": 0.2}),
    *(("mmce", {"variant": variant}) for variant in ("plain", "reference_quirk")),
    ("mdca", {"gamma": 1.0}),
    ("mbls", {"margin": 0.5}),
    ("logit_norm", {"tau": 1.0}),
]
EXTREMES = (1e4, -1e4, 0.0, 40.0, -40.0, 9999.0, 1e-4)


COUNTS = (1, 2, 3, 4)


def built(case: Case, num_classes: int = 4, counts: Sequence[int] = COUNTS) -> Loss:
    name, parameters = case
    return build_loss(name, num_classes=num_classes, class_counts=counts[:num_classes], epochs=20, **parameters)


def told(loss: Loss, logits: Tensor) -> dict[str, Any]:
    """What a loss has to be called with beside logits and labels."""
    seen: dict[str, Any] = {"epoch": 7} if loss.needs_epoch else {}
    if loss.needs_features:
        seen["features"] = torch.full((len(logits), 3), 2.0, dtype=logits.dtype, device=logits.device)
    return seen


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].values())]))


@pytest.fixture(autouse=True, scope="module")
def _repeatable() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def normal(count: int = 16, num_classes: int = 4) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    return 3 * torch.randn(count, num_classes, generator=draw), torch.randint(num_classes, (count,), generator=draw)


def graded(loss: Loss, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf, targets, **told(loss, leaf))
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


@each_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_value_and_gradient_are_finite_at_extreme_logits(case: Case, dtype: torch.dtype) -> None:
    grid = torch.cartesian_prod(*[torch.tensor(EXTREMES)] * 3).to(dtype)  # every combination, ties among them
    for label in range(3):
        targets = torch.full((len(grid),), label)
        value, gradient = graded(built(case, 3), grid, targets)
        assert value.isfinite()
        # logit_norm's gradient is beyond fp16 where all logits are 1e-4: infinite there, and no NaN.
        is_beyond = graded(built(case, 3), grid.float(), targets)[1].abs() > torch.finfo(dtype).max
        assert (gradient.isfinite() | (gradient.isinf() & is_beyond)).all()


@each_case
def test_a_batch_of_one_is_finite(case: Case) -> None:
    for row in ([1e4, -1e4, 0.0, 3.0], [0.1, 0.2, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0]):
        for label in range(4):
            value, gradient = graded(built(case), torch.tensor([row]), torch.tensor([label]))
            assert value.shape == ()
            assert value.isfinite()
            assert gradient.isfinite().all()


@each_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(case: Case, dtype: torch.dtype) -> None:
    logits, targets = normal()
    halved = logits.to(dtype)
    value, gradient = graded(built(case), halved, targets)
    expected, wide = graded(built(case), halved.float(), targets)
    assert (value.dtype, gradient.dtype) == (torch.float32, dtype)
    assert torch.equal(value, expected)
    assert torch.equal(gradient, wide.to(dtype))


@each_case
def test_float32_is_float64_to_its_precision(case: Case) -> None:
    logits, targets = normal(64)
    value, gradient = graded(built(case), logits, targets)
    exact, exact_gradient = graded(built(case), logits.double(), targets)
    torch.testing.assert_close(value, exact.float(), rtol=2e-5, atol=1e-6)
    torch.testing.assert_close(gradient, exact_gradient.float(), rtol=1e-3, atol=2e-5)


@each_case
def test_it_needs_a_validation_split_where_it_looks_at_one(case: Case) -> None:
    target = pkgutil.resolve_name(LOSSES[case[0]].target)
    loss = built(case)
    assert LOSSES[case[0]].needs_val == (target.watches_val or loss.meta_every > 0)
    assert bool(target.table_name) <= target.watches_val


@each_case
def test_a_copy_of_its_state_is_all_that_it_is(case: Case) -> None:
    logits, targets = normal()
    loss = built(case)
    seen = told(loss, logits)
    loss(logits, targets, **seen)
    other = built(case)
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    assert torch.equal(loss(logits, targets, **seen), other(logits, targets, **seen))
    assert not list(loss.parameters())


@each_case
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_step_makes_the_host_wait(case: Case) -> None:
    logits, targets = (part.cuda() for part in normal())
    loss = built(case).cuda()
    expected = built(case)(logits.cpu(), targets.cpu(), **told(loss, logits.cpu()))
    leaf, seen = logits.requires_grad_(), told(loss, logits)
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = loss(leaf, targets, **seen)
        value.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(value.detach().cpu(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_preset_says_only_what_the_loss_takes(name: str) -> None:
    for values in LOSSES[name].presets.values():
        assert set(values) <= set(LOSSES[name].params)
        built((name, dict(values)), 2)


@pytest.mark.parametrize("name", LOSSES)
def test_the_catalogue_says_what_the_loss_says_of_itself(name: str) -> None:
    entry, loss = LOSSES[name], built((name, {}))
    for flag in ("takes_weights", "needs_one_label", "may_be_negative", "needs_features"):
        assert getattr(entry, flag) == getattr(loss, flag), flag
    assert ("late_epochs" in entry.params) <= loss.needs_epoch


@pytest.mark.parametrize("name", LOSSES)
def test_an_alias_is_the_same_loss(name: str) -> None:
    logits, targets = normal()
    loss = built((name, {}))
    for alias in LOSSES[name].aliases:
        other = built((alias, {}))
        assert type(other) is type(loss)
        seen = told(loss, logits)
        assert torch.equal(other(logits, targets, **seen), loss(logits, targets, **seen))


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two classes; num_classes is 1"):
        build_loss("ce", num_classes=1)


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("ce_brier", {"weight": -0.1}, "loss ce_brier's weight is -0.1; it must be at least 0"),
        ("label_smoothing", {"eps": 1.0}, "eps is 1.0; it must be less than 1"),
        ("label_smoothing", {"convention": "uniforme"}, "did you mean 'uniform'"),
        ("dual_focal", {"gamma": -1.0}, "at least 0"),
        ("dual_focal", {"gamma": float("nan")}, "at least 0"),
        ("mmce", {"variant": "paper"}, "there is weighted, plain, reference_quirk"),
        ("mmce", {"lambda": -1.0}, "lam is -1.0"),
        ("cb_ce", {"beta": 1.0}, "beta is 1.0; it must be less than 1"),
        ("focal", {"form": "sigmiod"}, "did you mean 'sigmoid'"),
        ("gml", {"clamp": 0.0}, "clamp is 0.0; it must be more than 0"),
        ("las", {"smooth_head": 1.0}, "smooth_head is 1.0; it must be less than 1"),
        ("las", {"form": "concav"}, "did you mean 'concave'"),
        ("ldam", {"scale": 0.0}, "scale is 0.0; it must be more than 0"),
        ("mbls", {"margin": -1.0}, "margin is -1.0"),
        ("logit_norm", {"tau": 0.0}, "tau is 0.0; it must be more than 0"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_loss(name, num_classes=3, **parameters)


def test_lambda_is_lam() -> None:
    logits, targets = normal()
    for name in ("mmce", "fcl_meta_lambda", "fbl"):
        spelled, plain = built((name, {"lambda": 0.7})), built((name, {"lam": 0.7}))
        seen = told(plain, logits)
        assert torch.equal(spelled(logits, targets, **seen), plain(logits, targets, **seen))
    assert LOSSES["adafocal"].param_aliases["lambda"] == "lam"
