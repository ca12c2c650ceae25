"""Log-probabilities of the label, of all others, and of the next below."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch

from tests.trainers.losses.formulas import extreme
from trainers.losses.label_probs import LabelProbs


def test_they_are_exact_where_p_y_rounds_to_1() -> None:
    logits, targets = extreme()
    found = LabelProbs.of(torch.from_numpy(logits), torch.from_numpy(targets))
    with localcontext() as context:
        context.prec = 60
        for row, (values, label) in enumerate(zip(logits, targets, strict=True)):
            powers = [Decimal(float(value)).exp() for value in values]
            others = sum((power for index, power in enumerate(powers) if index != label), Decimal(0))
            rest, nll = (others / sum(powers)).ln(), (sum(powers) / powers[label]).ln()
            assert float(found.log_rest()[row]) == pytest.approx(float(rest), rel=1e-12, abs=1e-15)
            assert float(found.nll[row]) == pytest.approx(float(nll), rel=1e-12, abs=1e-15)


def test_nothing_lies_below_the_least_probable_class() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]])
    found = LabelProbs.of(logits, torch.tensor([0, 1])).log_next_below()
    assert found.tolist() == [-np.inf, -np.inf]


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        LabelProbs.of(torch.zeros(1, 3), torch.tensor([3]))
