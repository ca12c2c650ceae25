"""`rule` and `sampler`: two keys of a spec that the literature has in one list, and deferral in its one form."""

from __future__ import annotations

from typing import Any, Final

from jobs.errors import InputError
from jobs.grid.heads import Given, Part, name_of, named_part
from jobs.grid.kind import Leaves
from jobs.grid.node import Node
from trainers.catalogue import RULES, SAMPLERS
from trainers.catalogue.deferral import switch_epoch

METHODS: Final = ("rule", "sampler")


def is_sampler(node: Node | None) -> bool:
    """Whether what stands under `rule` is a sampler: a "train rule" is either in Cao et al. and in those after them."""
    word = None if node is None else node.value
    return isinstance(word, str) and (word in SAMPLERS or any(word in entry.aliases for entry in SAMPLERS.values()))


def method_part(head: str, leaves: Leaves) -> Part:
    """The rule or the sampler of a cell; `rule: BalancedRS` is that sampler, and no rule.

    Args:
        head: rule or sampler.
        leaves: of both.

    Raises:
        InputError: a wrong name or parameter, or two samplers.
    """
    rule, sampler = (_given(one, leaves) for one in METHODS)
    if not is_sampler(rule.get("")):
        return named_part(head, rule if head == "rule" else sampler)
    if head == "rule":
        return named_part("rule", {})
    _refuse_others(rule)
    part = named_part("sampler", rule)
    if sampler and named_part("sampler", sampler).content != part.content:
        said, other = part.view["sampler"], name_of("sampler", sampler[""])
        more = " with other parameters" if said == other else ""
        raise InputError(
            f"{rule[''].where}: rule says sampler {said}, and sampler says {other}{more}", "keep one of them"
        )
    return part


def _refuse_others(rule: Given) -> None:
    """Refuse, under `rule`, what the sampler that stands there does not have, in words that fit where it stands.

    Raises:
        InputError: there is such a parameter.
    """
    name = name_of("sampler", rule[""])
    for spelled, node in rule.items():
        if spelled and spelled not in SAMPLERS[name].params:
            having = [
                word
                for word, entry in (*RULES.items(), *SAMPLERS.items())
                if spelled in entry.params or spelled in entry.param_aliases
            ]
            advice = f"say `when: [{{if: {{rule: {having[0]}}}, set: {{rule.{spelled}: ...}}}}]`" if having else ""
            raise InputError(f"{node.where}: sampler {name} has no {spelled!r}", advice or "leave it out")


def deferred_once(content: dict[str, Any], views: dict[str, Any]) -> None:
    """Write a deferral in its one form: the default where that is the same epoch, else the whole epoch.

    0.8 of 200 epochs, `defer: 160` and `defer_epoch: 160` are one job. Both mappings are changed in place.

    Args:
        content: of the job; its rule's deferral has been checked.
        views: the canonical values by leaf.
    """
    if "rule.defer" not in views:
        return
    default: Any = RULES[views["rule"]].params["defer"]
    first, usual = (switch_epoch(defer, views["train.epochs"]) for defer in (views["rule.defer"], default))
    rule = {key: value for key, value in content["rule"].items() if key != "defer"}
    if first != usual:
        rule["defer"] = float(first)
    content["rule"] = rule
    views["rule.defer"] = rule.get("defer", default)


def _given(head: str, leaves: Leaves) -> Given:
    return {leaf[len(head) + 1 :]: node for leaf, node in leaves.items() if leaf.partition(".")[0] == head}
