"""One name that a grid may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Value = bool | int | float | str | None | list[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One name of the catalogue.

    Attributes:
        target: `module:object`, imported inside an attempt and nowhere else; empty for what has no code of its own.
        params: parameter -> default; the default's type is the parameter's type (an int is accepted for a float).
        required: parameters without a default -> their type.
        aliases: other spellings, mapped at plan time, so that two spellings are one job.
        param_aliases: other spellings of parameters.
        limits: parameter -> its range, as any of ge, gt, le, lt.
        choices: parameter -> the words that it may be.
        presets: word -> the values that `preset: word` stands for, expanded at plan time; others given go over them.
        needs_val: whether it learns from a validation split, so that there must be one.
        needs_head: the head that it is made for, where there is only one.
        needs_features: of a loss: whether it looks at the features behind the logits.
        gives_features: of a backbone: whether it can hand them over.
        takes_weights: of a loss: whether classes may be weighted by a rule.
        weighs_classes: of a rule: whether it gives class weights.
        may_be_negative: of a loss: whether its value may fall below 0, so that it does not say how far a class is.
        needs_one_label: of a loss: whether it is no mean of terms that belong to an image each, so that images cannot
            have shares of two labels of their own.
        source: whose numbers it owes.
    """

    target: str = ""
    params: Mapping[str, Value] = field(default_factory=dict)
    required: Mapping[str, type] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    param_aliases: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    needs_val: bool = False
    needs_head: str = ""
    needs_features: bool = False
    gives_features: bool = True
    takes_weights: bool = False
    weighs_classes: bool = False
    may_be_negative: bool = False
    needs_one_label: bool = False
    source: str = ""
