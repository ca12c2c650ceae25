"""Rules by name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from trainers.catalogue import RULES
from trainers.errors import SpecError
from trainers.names import code
from trainers.rules import build_rule

COUNTS = [100, 10, 1]


@pytest.mark.parametrize("name", RULES)
def test_the_catalogue_tells_the_truth_about_each_rule(name: str) -> None:
    rule = build_rule(name, class_counts=COUNTS, epochs=200)
    signature = inspect.signature(code(RULES[name])).parameters.values()
    own = {one.name: one.default for one in signature if one.kind is one.KEYWORD_ONLY and one.name != "learns"}
    assert own == dict(RULES[name].params)
    assert (rule.class_weights is not None) == RULES[name].weighs_classes


@pytest.mark.parametrize("alias", ["BalancedRW", "EffectNumRW", "Reweight", "DRW", "DRS", "None"])
def test_the_seeds_spell_rules_otherwise(alias: str) -> None:
    canonical = next(name for name, entry in RULES.items() if alias in entry.aliases)
    named, meant = (build_rule(name, class_counts=COUNTS, epochs=10) for name in (alias, canonical))
    assert type(named) is type(meant)


def test_no_rule_leaves_everything_as_it_is() -> None:
    rule = build_rule("none", class_counts=COUNTS, epochs=10)
    rule.begin_epoch(9)
    assert rule.class_weights is None
    assert rule.sampler({"name": "class_aware", "per_class": 2}, 9) == {"name": "class_aware", "per_class": 2}
    assert not rule.state_dict()


def test_weights_of_counts_hold_from_the_first_epoch_and_are_not_saved() -> None:
    for name, expected in (("inverse_rw", 2.702703), ("effective_rw", 2.702472)):
        rule = build_rule(name, class_counts=COUNTS, epochs=10)
        rule.begin_epoch(0)
        assert rule.class_weights is not None
        assert float(rule.class_weights[2]) == pytest.approx(expected, abs=1e-6)
        assert not rule.state_dict()


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("drww", {}, r"unknown rule 'drww'; did you mean 'drw'\?"),
        ("drw", {"dfer": 1}, r"unknown parameter of rule drw 'dfer'; did you mean 'defer'\?"),
        ("drw", {"weights": "invers"}, "unknown rule drw.weights 'invers'; did you mean 'inverse'"),
        ("drs", {"sampler": "instance"}, "unknown rule drs.sampler 'instance'"),
        ("effective_rw", {"beta": 1.0}, "beta is 1.0; it must be below 1"),
        ("dynamic_rw", {"ema": -0.1}, "ema is -0.1; it must be at least 0"),
        ("dynamic_rw", {"min_weight": 9.0}, "min_weight 9 is above max_weight 8"),
        ("drw", {"defer": 0}, "defer is 0; it must be above 0"),
    ],
)
def test_what_a_rule_cannot_be_is_a_value_error_that_says_so(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_rule(name, class_counts=COUNTS, epochs=200, **parameters)


def test_a_class_without_images_has_no_weight() -> None:
    with pytest.raises(SpecError, match="class 1 has no training image"):
        build_rule("drw", class_counts=[5, 0], epochs=10)
    build_rule("none", class_counts=[5, 0], epochs=10)
