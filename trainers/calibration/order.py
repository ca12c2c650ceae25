"""The stable order of many values, faster than numpy's: its quick argsort, and then the equal values put right."""

from __future__ import annotations

import numpy as np

from trainers.calibration.inputs import Floats, Integers


def stable_order(values: Floats) -> Integers:
    """What `np.argsort(values, kind="stable")` gives, (N,); the values are finite."""
    order = np.argsort(values)
    ordered = values[order]
    is_new = np.empty(len(values), dtype=np.bool_)
    is_new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    if is_new.all():
        return order
    # Among equal values the lower index goes first: sort (run, index) as one number, of the tied samples alone.
    tied = ~is_new
    tied[:-1] |= tied[1:]
    where = np.flatnonzero(tied)
    runs = np.cumsum(is_new)[where]
    keys = runs * len(values) + order[where]
    keys.sort()
    order[where] = keys % len(values)
    return order
