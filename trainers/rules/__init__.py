"""Train rules by their catalogue names: class weights and deferral. A new one is a file, an entry and a test."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from trainers import names
from trainers.catalogue import RULES
from trainers.options import checked_options
from trainers.rules.rule import Rule

__all__ = ["Rule", "build_rule"]


def build_rule(name: str, *, class_counts: Sequence[int], epochs: int, **parameters: Any) -> Rule:
    """A rule by its catalogue name.

    A rule class takes what it needs of `class_counts` and `epochs` as positional parameters of these names, and its
    own parameters, as the catalogue has them, as keyword-only ones.

    Args:
        name: of the catalogue, or an alias.
        class_counts: training images per class, (C,).
        epochs: of the whole run.
        parameters: of the rule; what is not given is at its default.

    Raises:
        SpecError: unknown name or parameter, a value out of range, a class without images for a rule that weighs
            classes, or a deferral that never comes; a ValueError.
    """
    name, found = names.entry(RULES, "rule", name)
    values = checked_options(f"rule {name}", found, parameters)
    target = names.code(found)
    offered = {"class_counts": class_counts, "epochs": epochs}
    wanted = [key for key in offered if key in inspect.signature(target).parameters]
    rule: Rule = target(*(offered[key] for key in wanted), **values)
    return rule
