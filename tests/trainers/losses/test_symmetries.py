"""What no loss depends on: the order of samples, a shift of all logits of a sample, the names of classes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from tests.trainers.losses.test_every_loss import CASES, COUNTS, built, graded

_LOGITS = arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-30, 30, width=16))


def sample(data: st.DataObject) -> tuple[Tensor, Tensor]:
    logits = data.draw(_LOGITS)
    targets = data.draw(st.lists(st.integers(0, 3), min_size=len(logits), max_size=len(logits)))
    return torch.from_numpy(logits), torch.tensor(targets)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_order_of_samples_does_not_matter(data: st.DataObject) -> None:
    logits, targets = sample(data)
    order = torch.tensor(data.draw(st.permutations(range(len(targets)))))
    for case in CASES:
        value, gradient = graded(built(case), logits, targets)
        moved, moved_gradient = graded(built(case), logits[order], targets[order])
        torch.testing.assert_close(moved, value, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(moved_gradient, gradient[order], rtol=1e-7, atol=1e-10)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_shift_of_all_logits_of_a_sample_does_not_matter(data: st.DataObject) -> None:
    logits, targets = sample(data)
    # Binary fractions, of which the shift rounds nothing away.
    logits = (logits * 2**20).round() / 2**20
    shift = torch.tensor(data.draw(st.lists(st.sampled_from([-4.0, 0.5, 64.0]), min_size=6, max_size=6)))
    for case in CASES:
        # The norm of the logits sees it, factors of classes do, LADE's square, and the sigmoid.
        if case[0] in ("logit_norm", "vs", "cdt", "lade") or case[1].get("form") == "sigmoid":
            continue
        value, gradient = graded(built(case), logits, targets)
        moved, moved_gradient = graded(built(case), logits + shift[: len(logits), None], targets)
        torch.testing.assert_close(moved, value, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(moved_gradient, gradient, rtol=1e-7, atol=1e-10)
        assert float(gradient.sum(dim=1).abs().max()) < 1e-9


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_names_of_classes_do_not_matter(data: st.DataObject) -> None:
    logits, targets = sample(data)
    # Of equal logits the first class is predicted, which another order of classes makes another one.
    logits = logits + torch.tensor([0.0, 0.0113, 0.0237, 0.0379])
    order = torch.tensor(data.draw(st.permutations(range(4))))
    for case in CASES:
        value, _ = graded(built(case), logits, targets)
        counts = [COUNTS[each] for each in order.tolist()]
        moved, _ = graded(built(case, counts=counts), logits[:, order], torch.argsort(order)[targets])
        torch.testing.assert_close(moved, value, rtol=1e-10, atol=1e-12)
