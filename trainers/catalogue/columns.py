"""What an epoch's row of metrics.csv holds."""

from __future__ import annotations

from typing import Final

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
    "test_balanced_acc",
    "test_ece_many",
    "test_ece_medium",
    "test_ece_few",
)
