"""How a batch is shared."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainers.errors import SpecError
from trainers.losses import build_loss
from trainers.ranks import join_ranks, share_of_batch


@given(st.integers(1, 200), st.integers(1, 9))
def test_shares_are_the_batch_and_differ_by_one_at_most(count: int, size: int) -> None:
    shares = [share_of_batch(count, rank, size) for rank in range(size)]
    seen = [index for share in shares if share.weight > 0 for index in range(share.start, share.stop)]
    lengths = [share.stop - share.start for share in shares if share.weight > 0]
    assert seen == list(range(count))
    assert max(lengths) - min(lengths) <= 1
    assert all(share.stop > share.start for share in shares)


@given(st.integers(1, 12), st.integers(1, 5))
def test_the_mean_of_the_ranks_gradients_is_the_gradient_of_the_batch(count: int, size: int) -> None:
    torch.manual_seed(count)
    model, loss = nn.Linear(4, 3).double(), build_loss("focal", num_classes=3)
    inputs, targets = torch.randn(count, 4, dtype=torch.float64), torch.arange(count) % 3

    def gradient(start: int, stop: int, weight: float) -> torch.Tensor:
        value = weight * loss(model(inputs[start:stop]), targets[start:stop])
        return torch.autograd.grad(value, model.weight)[0]

    shares = [share_of_batch(count, rank, size) for rank in range(size)]
    mean = torch.stack([gradient(share.start, share.stop, share.weight) for share in shares]).mean(dim=0)
    torch.testing.assert_close(mean, gradient(0, count, 1.0))


def test_another_number_of_processes_than_asked_for_is_refused() -> None:
    with pytest.raises(SpecError, match=r"train.ranks is 2 and 1 process\(es\) were started"):
        join_ranks(2)
