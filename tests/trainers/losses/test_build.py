"""Losses by name, and what a loss may ask for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainers import build_loss
from trainers.losses.base import Batch, Loss


class FeatureNorm(Loss):
    """A loss of the features alone."""

    def mean(self, batch: Batch) -> Tensor:
        norms: Tensor = batch.required_features().norm(dim=1)
        return norms.mean() * batch.required_epoch()


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("fokal", {}, r"unknown loss 'fokal'; did you mean 'focal'\?"),
        ("xyzzy", {}, r"unknown loss 'xyzzy'; there is ce, focal, cb_ce"),
        ("focal", {"gama": 1}, r"unknown parameter of loss focal 'gama'; did you mean 'gamma'\?"),
        ("ce", {"gamma": 1}, r"unknown parameter of loss ce 'gamma'; there is none"),
    ],
)
def test_a_wrong_name_is_a_value_error_with_the_nearest(name: str, parameters: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_loss(name, num_classes=3, **parameters)


def test_a_loss_that_needs_more_than_logits_says_so() -> None:
    logits, targets = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="features"):
        FeatureNorm()(logits, targets)
    with pytest.raises(ValueError, match="epoch"):
        FeatureNorm()(logits, targets, features=torch.ones(2, 4))
    assert FeatureNorm()(logits, targets, features=torch.ones(2, 4), epoch=3) == 6
