"""What a sampler draws has its probabilities, and follows from seed and epoch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from trainers.data.order import epoch_order
from trainers.data.sampling import class_probabilities, independent, sampled_order
from trainers.draws import generator
from trainers.errors import DataError, SpecError

COUNTS = [2000, 737, 271, 100, 37, 13, 5]
EPOCHS = 10
RANDOM = ("balanced_rs", "effective_rs", "sqrt_rs", "progressive_rs")
ALL = ("instance", "class_aware", *RANDOM)


def labels(counts: list[int] = COUNTS) -> Tensor:
    """Images of these counts in no order."""
    lying = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return lying[torch.randperm(len(lying), generator=torch.Generator().manual_seed(1))]


def order(name: str, given: Tensor, *, seed: int = 0, epoch: int = 4, **parameters: Any) -> Tensor:
    sampler = {"name": name, **parameters}
    return sampled_order(sampler, given, int(given.max()) + 1, seed=seed, epoch=epoch, epochs=EPOCHS)


def of_images(name: str, counts: list[int], epoch: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How likely a draw is of each class, summed up over its images."""
    n, total = np.array(counts, dtype=float), sum(counts)
    done = (epoch + 1) / EPOCHS
    each = {
        "balanced_rs": 1 / n,
        "effective_rs": (1 - 0.9999) / (1 - 0.9999**n),
        "sqrt_rs": n**-0.5,
        "progressive_rs": ((1 - done) * n / total + done / len(n)) / n,
    }[name]
    per_image = np.repeat(each, counts)
    per_image /= per_image.sum()
    return np.array([part.sum() for part in np.split(per_image, np.cumsum(counts)[:-1])])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("instance", [0.900901, 0.090090, 0.009009]),
        ("balanced_rs", [1 / 3, 1 / 3, 1 / 3]),
        ("class_aware", [1 / 3, 1 / 3, 1 / 3]),
        ("sqrt_rs", [0.706101, 0.223289, 0.070610]),
        ("effective_rs", [0.334383, 0.332883, 0.332733]),
        ("progressive_rs", [0.617117, 0.211712, 0.171171]),
    ],
)
def test_class_probabilities_are_the_reference_ones(name: str, expected: list[float]) -> None:
    found = class_probabilities({"name": name}, [100, 10, 1], epoch=4, epochs=10)  # half of the epochs with this one
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_progressive_goes_from_the_images_share_to_the_classes() -> None:
    def rare(epoch: int) -> float:
        return float(class_probabilities({"name": "progressive_rs"}, [90, 10], epoch=epoch, epochs=10)[1])

    assert rare(0) == pytest.approx(0.14)
    assert rare(9) == pytest.approx(0.5)
    assert all(rare(epoch) < rare(epoch + 1) for epoch in range(9))


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("epoch", [0, 4, 9])
def test_classes_come_as_often_as_their_images_are_likely(name: str, epoch: int) -> None:
    given = labels()
    drawn = torch.cat([given[order(name, given, seed=seed, epoch=epoch)] for seed in range(5)]).numpy()
    expected = of_images(name, COUNTS, epoch)
    assert class_probabilities({"name": name}, COUNTS, epoch=epoch, epochs=EPOCHS).tolist() == pytest.approx(expected)
    seen = np.bincount(drawn, minlength=len(COUNTS))
    assert stats.chisquare(seen, expected * len(drawn)).pvalue > 0.001
    # One draw says nothing about the next.
    pairs = np.zeros((len(COUNTS), len(COUNTS)))
    np.add.at(pairs, (drawn[:-1:2], drawn[1::2]), 1)
    assert stats.chi2_contingency(pairs + 1e-9).pvalue > 0.001


def test_balanced_draws_are_like_those_of_a_weighted_sampler_of_torch() -> None:
    given = labels([600, 60, 6])
    ours = torch.cat([order("balanced_rs", given, seed=seed) for seed in range(20)])
    weights = (1 / torch.tensor([600.0, 60.0, 6.0])).double()[given]
    theirs = torch.tensor(
        list(WeightedRandomSampler(weights, len(ours), generator=torch.Generator().manual_seed(0)))  # type: ignore[arg-type]
    )
    table = torch.stack([torch.bincount(drawn, minlength=666) for drawn in (ours, theirs)])
    assert stats.chi2_contingency(table.numpy()).pvalue > 0.001


@pytest.mark.parametrize("name", RANDOM)
def test_images_of_a_class_are_all_alike(name: str) -> None:
    given = labels([200, 20])
    drawn = torch.cat([order(name, given, seed=seed) for seed in range(60)])
    seen = torch.bincount(drawn, minlength=220)
    for index in range(2):
        assert stats.chisquare(seen[given == index].numpy()).pvalue > 0.001


def test_more_images_than_a_float_can_count_are_all_reached() -> None:
    counts = torch.tensor([2**25, 3])
    drawn = independent(torch.tensor([0.5, 0.5]).double(), counts, 2000, generator(0, "test"))
    many = drawn[drawn < 2**25]
    assert set(drawn[drawn >= 2**25].tolist()) == {2**25, 2**25 + 1, 2**25 + 2}
    assert len(many) == pytest.approx(1000, abs=110)
    assert int(many.max()) > 0.99 * 2**25
    assert int((many[many > 2**24] % 2).sum()) > 100  # float32 has no odd number there


@pytest.mark.parametrize("per_class", [1, 3, 4])
def test_class_aware_goes_round_the_classes_with_consecutive_draws(per_class: int) -> None:
    given = labels()
    drawn = given[order("class_aware", given, per_class=per_class)]
    whole = len(drawn) // (per_class * len(COUNTS))
    rounds = drawn[: whole * per_class * len(COUNTS)].reshape(whole, len(COUNTS), per_class)
    assert bool((rounds == rounds[..., :1]).all())  # of one class, one after another
    assert bool((rounds[..., 0].sort(dim=1).values == torch.arange(len(COUNTS))).all())  # each class once a round
    seen = torch.bincount(drawn, minlength=len(COUNTS))
    assert seen.min() >= whole * per_class
    assert seen.max() <= (whole + 1) * per_class
    # The rounds are in orders of their own: each class is first about as often.
    firsts = torch.bincount(rounds[:, 0, 0], minlength=len(COUNTS))
    assert stats.chisquare(firsts.numpy()).pvalue > 0.001


@pytest.mark.parametrize("per_class", [1, 4])
def test_class_aware_uses_every_image_before_any_again(per_class: int) -> None:
    given = labels()
    drawn = order("class_aware", given, per_class=per_class)
    wrapped = 0
    for index, count in enumerate(COUNTS):
        own = drawn[given[drawn] == index].tolist()
        everything = set((given == index).nonzero().flatten().tolist())
        rounds = [own[start : start + count] for start in range(0, len(own), count)]
        assert all(set(whole) == everything for whole in rounds[:-1])
        assert len(set(rounds[-1])) == len(rounds[-1])
        wrapped += len(rounds) > 1
        if count in (37, 100):  # small enough to go round, large enough that no two orders are alike
            assert all(one != other for one, other in pairwise(rounds))
    assert wrapped >= 4


def test_class_aware_draws_of_a_class_go_on_with_its_next_round() -> None:
    given = torch.tensor([0, 1, 1, 1] * 30)
    given[4:] = 0
    drawn = order("class_aware", given, per_class=4).tolist()
    rare = [image for image in drawn if image in (1, 2, 3)]
    assert len(rare) == pytest.approx(60, abs=4)
    assert all(sorted(rare[start : start + 3]) == [1, 2, 3] for start in range(0, len(rare) - 3, 3))
    firsts = Counter(rare[::3])
    assert min(firsts[image] for image in (1, 2, 3)) >= 2  # not always in one order


@pytest.mark.parametrize("name", ALL)
def test_an_epoch_follows_from_seed_and_epoch(name: str) -> None:
    given = labels()
    first = order(name, given)
    assert first.shape == given.shape
    assert first.dtype == torch.int64
    assert 0 <= int(first.min()) <= int(first.max()) < len(given)
    assert torch.equal(first, order(name, given))
    state = torch.random.get_rng_state()
    others = order(name, given, epoch=5), order(name, given, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's draws are touched
    assert all(float((other == first).double().mean()) < 0.05 for other in others)


def test_instance_is_the_order_that_it_always_was() -> None:
    assert torch.equal(order("instance", labels(), seed=3, epoch=2), epoch_order(sum(COUNTS), 3, 2))


def test_the_seeds_spell_samplers_otherwise() -> None:
    given = labels()
    for alias, name in (("BalancedRS", "balanced_rs"), ("EffectNumRS", "effective_rs"), ("ClassAware", "class_aware")):
        assert torch.equal(order(alias, given), order(name, given))


def test_parameters_have_their_defaults_and_matter() -> None:
    given = labels()
    assert torch.equal(order("class_aware", given), order("class_aware", given, per_class=4))
    assert not torch.equal(order("class_aware", given), order("class_aware", given, per_class=1))
    assert torch.equal(order("effective_rs", given), order("effective_rs", given, beta=0.9999))
    all_alike = class_probabilities({"name": "effective_rs", "beta": 0.0}, COUNTS, epoch=0, epochs=1)
    assert all_alike.tolist() == pytest.approx([count / sum(COUNTS) for count in COUNTS])


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown sampler 'balanced_r'; did you mean 'balanced_rs'"):
        order("balanced_r", labels())
    with pytest.raises(SpecError, match="unknown parameter of sampler class_aware 'per_clas'"):
        order("class_aware", labels(), per_clas=3)
    for name in ("balanced_rs", "class_aware"):
        with pytest.raises(DataError, match="class 1 has no training image"):
            order(name, torch.tensor([0, 0, 2]))
    assert len(order("instance", torch.tensor([0, 0, 2]))) == 3
