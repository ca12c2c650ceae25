"""Mixed batches are those of torchvision for the same draws, and the draws are Beta(alpha, alpha)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2

from trainers.data.mixing import Box, Mix, box_about, remix_shares
from trainers.errors import SpecError

ROLLED = torch.arange(-1, 7) % 8  # the partners that torchvision takes


def draw(name: str, alpha: float = 1.0, *, count: int = 8, epoch: int = 0, step: int = 0) -> Mix:
    mix = Mix.of(name, alpha, count=count, size=32, seed=0, epoch=epoch, step=step)
    assert mix is not None
    return mix


def images(count: int = 8) -> Tensor:
    drawn = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))
    return drawn.contiguous(memory_format=torch.channels_last)


def torchvision(mixer: Any, params: dict[str, Any], batch: Tensor) -> tuple[Tensor, Tensor]:
    """Mixed images and mixed one-hot labels."""
    mixer.make_params = lambda _: params
    made: tuple[Tensor, Tensor] = mixer(batch, torch.arange(8))
    return made


@pytest.mark.parametrize("step", range(5))
def test_mixup_is_that_of_torchvision(step: int) -> None:
    drawn, batch = draw("mixup", step=step), images()
    mixed, labels = torchvision(v2.MixUp(num_classes=8), {"lam": drawn.weight}, batch)
    made = Mix(ROLLED, drawn.weight, drawn.box).mix(batch, batch[ROLLED])
    torch.testing.assert_close(made, mixed, rtol=0, atol=1e-6)  # the sum is rounded in another order
    assert labels[3, 3] == pytest.approx(drawn.weight)
    assert labels[3, 2] == pytest.approx(1 - drawn.weight)


@pytest.mark.parametrize("step", range(20))
def test_cutmix_is_that_of_torchvision(step: int) -> None:
    drawn, batch = draw("cutmix", step=step), images()
    box = drawn.box
    assert box is not None
    params = {"box": (box.left, box.top, box.right, box.bottom), "lam_adjusted": drawn.weight}
    mixed, labels = torchvision(v2.CutMix(num_classes=8), params, batch)
    assert torch.equal(Mix(ROLLED, drawn.weight, box).mix(batch, batch[ROLLED]), mixed)
    assert labels[3, 3] == pytest.approx(drawn.weight)


def test_boxes_are_those_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    mixer = v2.CutMix(num_classes=8)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        weight, column, row = float(rng.random(dtype=np.float32)), int(rng.integers(32)), int(rng.integers(32))
        centre = iter([torch.tensor([column]), torch.tensor([row])])
        with monkeypatch.context() as patch:
            patch.setattr(mixer._dist, "sample", lambda _, weight=weight: torch.tensor([weight]))
            patch.setattr(torch, "randint", lambda *_, centre=centre, **__: next(centre))
            expected = mixer.make_params([images()])
        box = box_about(row, column, weight, 32)
        assert (box.left, box.top, box.right, box.bottom) == expected["box"]


@pytest.mark.parametrize("step", range(50))
def test_the_share_of_the_labels_is_that_of_the_pixels(step: int) -> None:
    drawn = draw("cutmix", step=step)
    mixed = drawn.mix(torch.ones(8, 3, 32, 32), torch.zeros(8, 3, 32, 32))
    assert float(mixed.double().mean()) == pytest.approx(drawn.weight, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 2.0])
def test_lambda_is_beta_of_alpha_and_alpha(alpha: float) -> None:
    weights = [draw("mixup", alpha, epoch=epoch, step=step).weight for epoch in range(20) for step in range(100)]
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.001
    assert np.mean(weights) == pytest.approx(0.5, abs=0.03)
    assert np.var(weights) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)
    consecutive = np.corrcoef(weights[:-1], weights[1:])[0, 1]
    assert abs(consecutive) < 0.08


def test_boxes_have_the_area_that_lambda_leaves_before_they_are_cut_off() -> None:
    drawn = [draw("cutmix", step=step) for step in range(500)]
    centred = [box_about(16, 16, weight, 32) for weight in (0.0, 0.25, 0.5, 0.75, 0.99, 1.0)]
    assert [box.bottom - box.top for box in centred] == [32, 26, 22, 16, 2, 0]
    assert all(box.right - box.left == box.bottom - box.top for box in centred)
    tops = [mix.box.top for mix in drawn if mix.box is not None]
    assert min(tops) == 0
    assert max(tops) > 25
    assert {mix.box is not None and 0 <= mix.box.left <= mix.box.right <= 32 for mix in drawn} == {True}


def test_partners_are_a_permutation_of_the_global_batch() -> None:
    for name in ("mixup", "cutmix"):
        drawn = [draw(name, count=128, step=step) for step in range(200)]
        assert all(sorted(mix.partners.tolist()) == list(range(128)) for mix in drawn)
        assert {mix.partners.dtype for mix in drawn} == {torch.int64}
        firsts = torch.stack([mix.partners for mix in drawn]).double()
        assert float(firsts.mean(dim=0).sub(63.5).abs().max()) < 13  # five standard deviations


def test_a_step_is_drawn_the_same_each_time_and_another_one_is_another() -> None:
    first, again = draw("cutmix", epoch=1, step=2), draw("cutmix", epoch=1, step=2)
    assert (first.weight, first.box, first.partners.tolist()) == (again.weight, again.box, again.partners.tolist())
    other_seed = Mix.of("mixup", 1.0, count=8, size=32, seed=1, epoch=1, step=2)
    others = draw("mixup", epoch=2, step=1), draw("mixup", epoch=1, step=3), other_seed
    assert len({mix.weight for mix in others if mix} | {draw("mixup", epoch=1, step=2).weight}) == 4


@pytest.mark.parametrize("mix", [Mix(ROLLED, 0.3, None), Mix(ROLLED, 0.3, Box(2, 3, 20, 30))])
def test_what_is_given_stays_as_it_is_and_the_layout_too(mix: Mix) -> None:
    batch, partners = images(), images(16)[8:]
    before = batch.clone(), partners.clone()
    mixed = mix.mix(batch, partners)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, before[0])
    assert torch.equal(partners, before[1])


def test_a_rank_mixes_its_part_as_one_process_would() -> None:
    batch = images()
    for name in ("mixup", "cutmix"):
        mix = draw(name)
        whole = mix.mix(batch, batch[mix.partners])
        parts = [mix.mix(batch[part], batch[mix.partners[part]]) for part in (slice(0, 3), slice(3, 8))]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("own", "partner", "weight", "expected"),
    [
        (100, 10, 0.3, 0.0),
        (100, 10, 0.5, 0.5),
        (100, 10, 0.7, 0.7),
        (10, 100, 0.3, 0.3),
        (10, 100, 0.5, 0.5),
        (10, 100, 0.7, 1.0),
        (30, 10, 0.3, 0.0),  # three times as frequent is enough
        (10, 30, 0.7, 1.0),
        (29, 10, 0.3, 0.3),
        (10, 29, 0.7, 0.7),
        (10, 10, 0.3, 0.3),
    ],
)
def test_remix_gives_the_rare_label_what_the_reference_does(
    own: int, partner: int, weight: float, expected: float
) -> None:
    counts = torch.tensor([[own], [partner]], dtype=torch.float32)
    share = remix_shares(torch.tensor(weight), counts[0], counts[1], 3.0, 0.5)
    assert share.tolist() == pytest.approx([expected])


@pytest.mark.parametrize(("kappa", "tau"), [(3.0, 0.5), (1.0, 0.9), (1.5, 0.9), (10.0, 1.0), (2.0, 0.0)])
def test_remix_is_its_formula_image_by_image(kappa: float, tau: float) -> None:
    counts = torch.tensor([500, 250, 50, 15, 5])
    own, partner = counts.repeat_interleave(5), counts.repeat(5)
    for step in range(30):
        weight = draw("remix", step=step).weight
        expected = []
        for one, other in zip(own.tolist(), partner.tolist(), strict=True):
            if one / other >= kappa and weight < tau:
                expected.append(0.0)
            elif one / other <= 1 / kappa and 1 - weight < tau:
                expected.append(1.0)
            else:
                expected.append(weight)
        shares = remix_shares(torch.tensor(weight, dtype=torch.float64), own, partner, kappa, tau)
        assert shares.tolist() == expected


def test_remix_leaves_images_of_one_frequency_to_mixup() -> None:
    plain, remixed = draw("mixup", step=3), draw("remix", step=3)
    assert (plain.weight, plain.partners.tolist(), plain.box) == (remixed.weight, remixed.partners.tolist(), None)
    batch = images()
    assert torch.equal(plain.mix(batch, batch[ROLLED]), remixed.mix(batch, batch[ROLLED]))
    shares = remix_shares(torch.tensor(remixed.weight), torch.ones(4), torch.ones(4), 3.0, 0.5)
    torch.testing.assert_close(shares, torch.full((4,), remixed.weight))


def test_nothing_is_mixed_by_none() -> None:
    assert Mix.of("none", 1.0, count=8, size=32, seed=0, epoch=0, step=0) is None


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_an_alpha_that_is_no_positive_number_is_refused(alpha: float) -> None:
    with pytest.raises(SpecError, match="alpha is"):
        draw("mixup", alpha)


def test_an_unknown_mixer_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="unknown mixer 'mixupp'; did you mean 'mixup'"):
        draw("mixupp")
