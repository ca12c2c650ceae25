"""Feature-balanced loss."""

from __future__ import annotations

from collections.abc import Sequence

from trainers.errors import SpecError
from trainers.losses.transformed import TransformedCrossEntropy
from trainers.losses.transforms import FeatureNorm


class FeatureBalanced(TransformedCrossEntropy):
    """Cross entropy of z_j - a(e) lam s_j / |f|: features of small classes are made long, harder from epoch to epoch.

    s_j is 0 of the largest class and 1 of the smallest, by the logs of their counts. Of E epochs, counted from 0, a is
    (e / (E - 10))^2, e / (E - 10), or 1. The 10 is `late_epochs`, made for 200 epochs: a ends at 1.1 then, but at 30
    after 12, where the smallest classes take all. Only training sees it; the network's own logits are those of the
    test.

    Args:
        class_counts: training images per class, (C,), each at least 1.
        epochs: E, of the whole run; at least two more than `late_epochs`.
        lam: at least 0; 60 for CIFAR, 150 for large sets.
        curve: `parabolic`, `linear` or `constant`.
        late_epochs: how many epochs before the end the curve reaches 1.

    Raises:
        SpecError: too few epochs.

    Shape:
        logits (N, C) float; targets (N,) int64; features (N, D) float; result () float.
    Source: Li et al., ICME 2022, eq. 4 to 6; same values as juyongjiang/FBL.
    """

    needs_features = True
    needs_epoch = True

    def __init__(
        self,
        class_counts: Sequence[int],
        epochs: int,
        *,
        lam: float = 60.0,
        curve: str = "parabolic",
        late_epochs: int = 10,
    ) -> None:
        if curve != "constant" and epochs < late_epochs + 2:
            raise SpecError(f"loss fbl with late_epochs {late_epochs} needs {late_epochs + 2} epochs, not {epochs}")
        super().__init__(FeatureNorm(class_counts, epochs, lam, curve, late_epochs))
