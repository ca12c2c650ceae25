"""AdaFocal as a loss: its weights, what the validation split does to it, and that a checkpoint holds all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.calibration.golden import PRINTED_PROBS, PRINTED_TARGETS, Floats, Integers, formula_logits
from tests.trainers.losses.formulas import assert_follows, log_rest, nll, ordinary, printed, value_and_gradient
from tests.trainers.losses.test_dual_focal import log_next
from trainers.calibration.bins import top_label
from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.losses.adafocal import AdaFocal
from trainers.losses.adafocal_bins import reference_bins

LOGITS, LABELS = formula_logits()
EDGES = (
    *(0.208648, 0.26775, 0.286231, 0.308478, 0.331211, 0.349677, 0.365576, 0.38925),
    *(0.412279, 0.445681, 0.472918, 0.511255, 0.552815, 0.655537, 0.782608, 0.927621),
)
GAPS = (
    *(0.038552, -0.117621, 0.180638, 0.079, 0.18879, 0.124296, 0.13432, 0.128656),
    *(0.22349, 0.247135, -0.025004, -0.143231, 0.146021, 0.144616, 0.35628),
)


def adafocal(**parameters: Any) -> AdaFocal:
    loss = build_loss("adafocal", num_classes=10, **parameters)
    assert isinstance(loss, AdaFocal)
    return loss


def show(loss: AdaFocal, epoch: int = 0) -> list[dict[str, float]]:
    """Show it the first half of the formula's set, as the trainer does."""
    return [
        dict(row) for row in loss.watch(torch.from_numpy(LOGITS[:500]), torch.from_numpy(LABELS[:500]), epoch).table
    ]


def on_train(loss: AdaFocal) -> float:
    """The loss of the second half."""
    return value_and_gradient(loss, LOGITS[500:], LABELS[500:])[0]


def weighted(logits: Floats, targets: Integers, loss: AdaFocal, *, dual: bool = False) -> float:
    """The definition, sample by sample."""
    losses, rest, below = nll(logits, targets), log_rest(logits, targets), log_next(logits, targets)
    upper, gammas = loss.upper.numpy(), loss.gammas.numpy()
    terms = []
    for term, log_other, log_q in zip(losses, rest, below, strict=True):
        p = np.exp(-term)
        last = len(upper) - 1
        gamma = gammas[next((index for index in range(last) if p < upper[index]), last)]
        log_base = np.logaddexp(log_other, log_q) if dual else log_other
        terms.append(np.exp(gamma * log_base) * term if gamma >= 0 else (1 + p) ** abs(gamma) * term)
    return float(np.mean(terms))


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({"preset": "official"}, [1.4476572512, 1.4311910911, 1.3952881695, 1.2512003635]),
        ({}, [0.9121616996, 0.8792160698, 0.8409524168, 0.8152141909]),
    ],
)
def test_golden_losses_over_updates(parameters: dict[str, Any], values: list[float]) -> None:
    loss, found = adafocal(**parameters), []
    for epoch in range(13):
        if epoch in (0, 1, 3, 12):
            found.append(on_train(loss))
        show(loss, epoch)
    assert found == pytest.approx(values, abs=1e-10)


@pytest.mark.parametrize(
    ("parameters", "gammas"),
    [
        (
            {"preset": "official"},
            [
                *(1.588232, 0.243788, 8.73776, 2.580548, 9.635792, 4.444001, 5.012034, 4.682708),
                *(14.612555, 19.406644, 0.740784, -0.2, 5.767554, 5.671168, 20),
            ],
        ),
        ({}, [8, 0.297163, 8, 8, 8, 8, 8, 8, 8, 8, 2.743806, -0.332927, 8, 8, 8]),
    ],
)
def test_golden_gammas_after_twelve_updates(parameters: dict[str, Any], gammas: list[float]) -> None:
    loss = adafocal(**parameters)
    for epoch in range(12):
        show(loss, epoch)
    assert loss.gammas.tolist() == pytest.approx(gammas, abs=5e-6)


def test_golden_table() -> None:
    rows = show(adafocal(), epoch=4)
    assert list(rows[0]) == "epoch bin lower upper n conf acc gap gamma_before gamma_after".split()  # noqa: SIM905
    assert {row["epoch"] for row in rows} == {5}
    assert [row["bin"] for row in rows] == list(range(15))
    assert [row["lower"] for row in rows] == pytest.approx(EDGES[:-1], abs=5e-6)
    assert [row["upper"] for row in rows] == pytest.approx(EDGES[1:], abs=5e-6)
    assert [row["n"] for row in rows] == [33, 33, 34] * 4 + [33, 33, 33]
    assert [row["gap"] for row in rows] == pytest.approx(GAPS, abs=5e-7)
    assert [row["conf"] - row["acc"] for row in rows] == pytest.approx(GAPS, abs=5e-7)
    assert {row["gamma_before"] for row in rows} == {5.0}
    assert rows[0]["gamma_after"] == pytest.approx(5 * np.exp(2 * 0.038552), abs=1e-5)


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({"preset": "official"}, [0.5934774216, 0.5820541694, 0.5720136978]),
        ({}, [0.3015648887, 0.2947449645, 0.2888117682]),
    ],
)
def test_golden_losses_on_the_printed_samples(parameters: dict[str, Any], values: list[float]) -> None:
    # Several p_y lie exactly on an edge: the printed numbers themselves, for softmax(log p) is one ulp beside them.
    loss = adafocal(num_bins=5, **parameters)
    p = PRINTED_PROBS[np.arange(10), PRINTED_TARGETS]
    bins = reference_bins(*top_label(PRINTED_PROBS, PRINTED_TARGETS), 5)
    found = []
    for update in range(3):
        gammas = loss.gammas_of(torch.from_numpy(p)).numpy()
        if update == 1 and parameters:
            expected = [0.9704, 0.9324, 1.0151, 1.3703, 1.3703, 1.0151, 1.1972, 1.0151, 0.9704, 1.0151]
            assert gammas.tolist() == pytest.approx(expected, abs=5e-5)
        found.append(float(((1 - p) ** gammas * -np.log(p)).mean()))
        loss.gammas.copy_(torch.from_numpy(loss._rule.after(loss.gammas.numpy(), bins.gaps)))
        loss.upper.copy_(torch.from_numpy(bins.edges[1:]))
    assert found == pytest.approx(values, abs=1e-10)


def test_before_any_update_it_is_focal_loss() -> None:
    assert printed("adafocal") == printed("focal", gamma=5.0)
    assert printed("adafocal", preset="official") == printed("focal", gamma=1.0)
    assert printed("adafocal", dual=True) == printed("dual_focal", gamma=5.0)


def test_golden_inverse_branch() -> None:
    loss = adafocal(num_bins=1, gamma_initial=-1.5)
    logits = torch.tensor([[0.6, 0.4]], dtype=torch.float64).log()
    assert float(loss(logits, torch.tensor([0]))) == pytest.approx(1.0338383733, abs=1e-10)
    focal = build_loss("focal", num_classes=2, gamma=1.5)(logits, torch.tensor([0]))
    assert float(focal) == pytest.approx(0.1292297967, abs=1e-10)


@pytest.mark.parametrize("dual", [False, True])
def test_it_is_its_formula_on_both_branches(dual: bool) -> None:
    loss = adafocal(num_bins=5, dual=dual)
    loss.gammas.copy_(torch.tensor([0.3, -8.0, 2.0, -0.25, 5.0]))
    for gammas in (loss.gammas.clone(), loss.gammas.flip(0)):
        loss.gammas.copy_(gammas)
        assert_follows(loss, lambda z, y: weighted(z, y, loss, dual=dual))


def test_a_sample_finds_its_bin_by_p_y() -> None:
    loss = adafocal(num_bins=3)
    loss.upper.copy_(torch.tensor([0.5, 0.75, 0.9]))
    loss.gammas.copy_(torch.tensor([1.0, 2.0, 3.0]))
    probs = torch.tensor([0.0, 0.499, 0.5, 0.749, 0.75, 0.9, 0.95, 1.0], dtype=torch.float64)
    assert loss.gammas_of(probs).tolist() == [1, 1, 2, 2, 3, 3, 3, 3]


def test_edges_are_compared_more_exactly_than_float32_holds_them() -> None:
    loss = adafocal(num_bins=2)
    loss.gammas.copy_(torch.tensor([0.0, 1.0]))
    logits, targets = torch.tensor([[0.6, 0.4]], dtype=torch.float64).log(), torch.tensor([0])
    for edge, gamma in ((0.6 + 1e-10, 0), (0.6 - 1e-10, 1)):
        loss.upper.copy_(torch.tensor([edge, 1.0], dtype=torch.float64))
        assert float(loss(logits, targets)) == pytest.approx(0.4**gamma * -np.log(0.6), abs=1e-12)


def test_it_updates_after_every_so_many_epochs() -> None:
    loss = adafocal(update_every=3)
    start = loss.gammas.clone()
    assert [len(show(loss, epoch)) for epoch in range(2)] == [0, 0]
    assert torch.equal(loss.gammas, start)
    assert len(show(loss, 2)) == 15
    assert not torch.equal(loss.gammas, start)


def test_empty_bins_keep_their_gammas_and_show_no_confidence() -> None:
    loss = adafocal(num_bins=4)
    sure = torch.tensor([[1.0, 0.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    rows = loss.watch(sure, torch.zeros(5, dtype=torch.int64), 0).table
    assert [row["n"] for row in rows] == [4, 0, 0, 0]
    assert all(np.isnan([row["conf"], row["acc"]]).all() for row in rows[1:])
    assert [row["gap"] for row in rows[1:]] == [0, 0, 0]
    assert loss.gammas[1:].tolist() == [5, 5, 5]
    assert loss.gammas.isfinite().all()


def test_equal_mass_edges_take_every_image() -> None:
    rows = show(adafocal(edges="equal_mass", num_bins=7))
    assert sum(row["n"] for row in rows) == 500
    assert (rows[0]["lower"], rows[-1]["upper"]) == (0, 1)


def test_the_largest_weight_is_told_once() -> None:
    loss = adafocal(num_bins=1, gamma_initial=-2.0)
    loss(torch.tensor([[50.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0]))
    loss(torch.tensor([[-50.0, 0.0]]), torch.tensor([0]))
    logits, labels = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
    assert loss.watch(logits, labels, 0).columns == {"largest_loss_weight": pytest.approx(4.0)}
    assert loss.watch(logits, labels, 1).columns == {"largest_loss_weight": 0.0}


def test_training_alone_moves_no_gamma() -> None:
    loss = adafocal()
    before = {name: value.clone() for name, value in loss.state_dict().items() if name != "largest_weight"}
    on_train(loss)
    assert all(torch.equal(loss.state_dict()[name], value) for name, value in before.items())


def test_updates_are_written_in_place() -> None:
    loss = adafocal()
    before = {name: (value, value.data_ptr()) for name, value in loss.named_buffers()}
    on_train(loss)
    show(loss)
    for name, value in loss.named_buffers():  # a recorded step reads the same memory at each replay
        assert value is before[name][0]
        assert value.data_ptr() == before[name][1]


def test_a_checkpoint_has_the_same_future() -> None:
    one = adafocal(update_every=2)
    for epoch in range(5):
        on_train(one)
        show(one, epoch)
    on_train(one)
    other = adafocal(update_every=2)
    other.load_state_dict(one.state_dict())
    for epoch in range(5, 9):
        assert on_train(one) == on_train(other)
        first, second = (loss.watch(*val(), epoch) for loss in (one, other))
        assert first == second
    assert not torch.equal(one.gammas, adafocal().gammas)


def val() -> tuple[Tensor, Tensor]:
    logits, targets = ordinary(60, 10)
    return torch.from_numpy(logits), torch.from_numpy(targets)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused_and_change_nothing(value: float) -> None:
    loss = adafocal()
    before = {name: buffer.clone() for name, buffer in loss.state_dict().items()}
    logits, targets = val()
    logits[7, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        loss.watch(logits, targets, 0)
    assert all(torch.equal(loss.state_dict()[name], buffer) for name, buffer in before.items())


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"gamma_initial": 9.0}, "does not lie between"),
        ({"preset": "offical"}, "did you mean 'official'"),
        ({"edges": "equal"}, "equal_mass"),
        ({"num_bins": 0}, "at least 1"),
        ({"update_every": -1}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        adafocal(**parameters)


def test_what_is_given_goes_over_the_preset() -> None:
    assert adafocal(preset="official", gamma_initial=3.0).gammas.tolist() == [3.0] * 15
    loss = adafocal(preset="official", **{"lambda": 0.0})
    show(loss)
    assert loss.gammas.tolist() == [1.0] * 15
